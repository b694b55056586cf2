// What changes while one looks is drawn by the gateway and put in place here; without this module a reload shows it.
const part = document.querySelector("[data-live]");
if (part) {
  const source = new EventSource(part.dataset.live);
  source.addEventListener("message", (event) => {
    // Whoever is about to press a button in it finds it where it was.
    if (!part.contains(document.activeElement) && !part.matches(":hover")) {
      part.innerHTML = event.data;
    }
  });
  window.addEventListener("pagehide", () => source.close());
}

// A command line's code stands behind # in the address: it is taken out of it, and posted.
const code = document.querySelector("[data-from-address]");
if (code && location.hash.length > 1) {
  code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  code.form.requestSubmit();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = button.dataset.done;
    } catch {
      // Not allowed, or not over TLS: the text is selected, and can be copied by hand.
    }
  });
}
