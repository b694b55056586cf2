// What changes while one looks is drawn by the gateway and put in place here; without this module a reload shows it.
// A page that nobody sees hears nothing: a browser has six connections, and a visitor five such pages.
const part = document.querySelector("[data-live]");
const REFUSED = 30000;
let source;
const follow = () => {
  source?.close();
  if (document.hidden) return;
  source = new EventSource(part.dataset.live);
  source.onmessage = (event) => {
    // Whoever is about to press a button in it finds it where it was.
    const aimed = part.contains(document.activeElement) || part.matches(":hover");
    if (!aimed || !part.querySelector("button")) {
      part.innerHTML = event.data;
      document.dispatchEvent(new Event("drawn"));
    }
  };
  source.onerror = ({ target }) => {
    if (target === source && target.readyState === EventSource.CLOSED) setTimeout(askAgain, REFUSED);
  };
};
// A browser does so by itself after a break, but never after a refusal. Asked for no page's events, the gateway answers
// at once, and leads whoever's session has ended to the sign-in.
const askAgain = async () => {
  const answer = await fetch(part.dataset.live.split("?")[0], { redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") location.reload();
  else follow();
};
if (part) {
  addEventListener("pageshow", follow);
  addEventListener("pagehide", () => source?.close());
  document.addEventListener("visibilitychange", follow);
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
    const receipt = open("", "_blank"); // at the press of the button: WebKit opens none later
    const place = sending.elements.place;
    if (place.value.endsWith("/")) {
      place.value += chosen.files[0].name;
    }
    const body = new URLSearchParams(new FormData(sending));
    const answer = await fetch(sending.action, { method: "POST", body }).catch(() => null);
    if (!answer || !answer.ok) {
      receipt?.close();
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
    if (receipt) form.target = receipt.name = "receipt";
    form.submit();
  });
}

// A link to a folder lists it, unless one chooses otherwise: else who opens it finds nothing there.
const making = document.querySelector("form[action$='links/new']");
if (making) {
  const list = making.querySelector("[name=actions][value=list]");
  let chosen = false;
  making.addEventListener("input", ({ target }) => {
    chosen ||= target === list;
    if (target.name === "place" && !chosen) list.checked = target.value.endsWith("/");
  });
}
