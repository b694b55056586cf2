// What changes while one looks is drawn by the gateway and put in place here; without this module a reload shows it.
const part = document.querySelector("[data-live]");
if (part) {
  const source = new EventSource(part.dataset.live);
  source.addEventListener("message", (event) => {
    // Whoever is about to press a button in it finds it where it was.
    if (!part.contains(document.activeElement) && !part.matches(":hover")) {
      part.innerHTML = event.data;
      document.dispatchEvent(new Event("drawn"));
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

const offerCopies = () => {
  for (const button of document.querySelectorAll("[data-copy][hidden]")) {
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
};
offerCopies();

// With scripts a file is chosen at once: its links are made, and the form that takes it is sent without another step.
const sending = document.querySelector("[data-send]");
if (sending) {
  const chosen = document.getElementById("chosen");
  chosen.closest("[hidden]").hidden = false;
  sending.addEventListener("submit", async (event) => {
    if (!chosen.files.length) {
      return;
    }
    event.preventDefault();
    const place = sending.elements.place;
    if (place.value.endsWith("/")) {
      place.value += chosen.files[0].name;
    }
    const body = new URLSearchParams(new FormData(sending));
    const answer = await fetch(sending.action, { method: "POST", body }).catch(() => null);
    if (!answer || !answer.ok) {
      sending.submit(); // whose answer says what is wrong
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = page.title;
    document.getElementById("content").replaceWith(page.getElementById("content"));
    document.dispatchEvent(new Event("drawn"));
    offerCopies();
    const form = document.querySelector("form[enctype]");
    form.querySelector("[type=file]").files = chosen.files;
    form.submit();
  });
}
