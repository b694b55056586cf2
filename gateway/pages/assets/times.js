// Shows each instant in the visitor's own zone, as their country writes it where the page is in their language. What it
// cannot read stays as it was written.
const { lang } = document.documentElement;
const language = navigator.languages.find((one) => one.split("-")[0] === lang) ?? lang;
const forms = {
  exact: new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "long" }),
  precise: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }),
  short: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }),
  date: new Intl.DateTimeFormat(language, { dateStyle: "medium" }),
};
const show = () => {
  for (const element of document.querySelectorAll("time[datetime]:not([title])")) {
    const instant = new Date(element.dateTime);
    if (Number.isNaN(instant.getTime())) continue;
    const shown = element.dataset.shown ?? "exact";
    element.title = shown === "date" ? forms.exact.format(instant) : element.textContent;
    element.textContent = forms[shown].format(instant);
  }
};
show();
document.addEventListener("drawn", show);
