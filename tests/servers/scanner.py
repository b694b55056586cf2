"""A mail scanner, as companies have before their people's mailboxes: whatever a mail leads to, it opens and submits.

It is worse than real ones: it types what it finds in the mail into each field, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

_URL = re.compile(r"https?://[^\s<>\"']+")
_MOST_REQUESTS = 400


@dataclass
class Form:
    """One form of a page, with the names of its fields and what stands in them."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.forms: list[Form] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(urljoin(self._url, said.get("action", ""))))
        elif tag in {"input", "button", "textarea"} and self.forms and "name" in said:
            self.forms[-1].fields[said["name"]] = said.get("value", "")
        elif tag == "a" and "href" in said:
            self.links.append(urljoin(self._url, said["href"]))


@dataclass
class Visitor:
    """A browser without scripts: cookies, pages, forms."""

    opener: OpenerDirector = field(default_factory=lambda: build_opener(HTTPCookieProcessor(CookieJar())))

    def ask(self, url: str, form: dict[str, str] | None = None, method: str | None = None) -> tuple[int, str, str]:
        """The status, where it ended, and the page."""
        body = None if form is None else urlencode(form).encode()
        request = Request(url, body, {"Accept": "text/html,*/*;q=0.8"}, method=method)
        try:
            with self.opener.open(request, timeout=20) as answer:
                return answer.status, answer.url, answer.read(1 << 20).decode("utf-8", "replace")
        except HTTPError as error:
            with error:
                return error.code, error.url or url, error.read(1 << 20).decode("utf-8", "replace")

    def forms(self, url: str, page: str) -> tuple[list[Form], list[str]]:
        reader = _Reader(url)
        reader.feed(page)
        return reader.forms, reader.links


@dataclass
class Scanner:
    """Looks at mails before a person does. `asked` are its requests."""

    asked: list[str] = field(default_factory=list)

    def scan(self, *texts: str) -> None:
        """Open every address of these texts, submit every form there is, and every address that these lead to."""
        visitor, whole = Visitor(), "\n".join(texts)
        typed = [*re.findall(r"\b\d{4,10}\b", whole), *re.findall(r"[\w.+-]+@[\w.-]+\w", whole)]
        waiting, seen = [url.rstrip(".,)") for url in _URL.findall(whole)], set[str]()
        while waiting and len(self.asked) < _MOST_REQUESTS:
            url = waiting.pop(0)
            if url in seen:
                continue
            seen.add(url)
            for method in ("HEAD", "GET"):
                status, where, page = self._ask(visitor, url, method=method)
            forms, links = visitor.forms(where, page) if status < 500 else ([], [])
            waiting += links
            for form in forms:
                for filled in (form.fields, *(dict.fromkeys(form.fields, word) for word in typed)):
                    self._ask(visitor, f"{form.action.partition('?')[0]}?{urlencode(filled)}")
                    _, where, page = self._ask(visitor, form.action, filled)
                    more, links = visitor.forms(where, page)
                    waiting += links
                    for another in more:
                        for word in typed:
                            self._ask(visitor, another.action, another.fields | dict.fromkeys(another.fields, word))

    def scan_mail(self, mail: EmailMessage) -> None:
        self.scan(str(mail["Subject"]), mail.get_content())

    def _ask(
        self, visitor: Visitor, url: str, form: dict[str, str] | None = None, method: str | None = None
    ) -> tuple[int, str, str]:
        self.asked.append(f"{method or ('GET' if form is None else 'POST')} {url} {form or ''}")
        return visitor.ask(url, form, method)
