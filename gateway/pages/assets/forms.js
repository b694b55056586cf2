// A form that is on its way is not sent again by a second click, which would break the first request off: its answer
// brings what a code or a secret was spent for. Whoever waits in vain may press again.
const WAITS = 10000;
let [sent, at] = [null, 0];
const once = (event) => {
  const [form, now] = [event.submitter ?? event.target, performance.now()];
  if (form === sent && now - at < WAITS) {
    event.preventDefault();
    event.stopImmediatePropagation();
  } else {
    [sent, at] = [form, now];
  }
};
addEventListener("submit", once, true);
addEventListener("pageshow", () => {
  sent = null;
});
