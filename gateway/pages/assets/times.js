// Shows each instant in the visitor's own zone, as their country writes it where the page is in their language. What it
// cannot read stays as it was written.
const { lang } = document.documentElement;
const language = navigator.languages.find((one) => one.split("-")[0] === lang) ?? lang;
const exact = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "long" });
const short = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
for (const element of document.querySelectorAll("time[datetime]")) {
  const instant = new Date(element.dateTime);
  if (Number.isNaN(instant.getTime())) continue;
  const isDate = element.dataset.shown === "date";
  element.title = isDate ? exact.format(instant) : element.textContent;
  element.textContent = (isDate ? short : exact).format(instant);
}
