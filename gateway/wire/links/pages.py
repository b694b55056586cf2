"""Owns the pages that people see at a link: landing, listing, password, upload, receipt, refusal.

Refuses to own what is on them (sizes, names, instants arrive as values) and which of them is answered.

Law: no script, no foreign asset, no address of the link itself in the page. One style sheet stands in the page and is
allowed by its hash; every text from outside goes through `escape`. Forms post to the address that the browser is at,
so that looking at a page (or letting a mail scanner look at it) never takes a use.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Final
from urllib.parse import quote

from gateway.core.units import format_instant

__all__ = [
    "Entry",
    "Page",
    "card_page",
    "format_size",
    "front_page",
    "landing_page",
    "listing_page",
    "password_page",
    "receipt_page",
    "refusal_page",
    "upload_page",
]

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1d22;--paper:#f4f5f7;--card:#fff;--soft:#5a6070;
--line:#d9dce3;--accent:#1d5fbf;--on:#fff;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e9ebf0;--paper:#15171c;--card:#1e2128;--soft:#a4abbb;
--line:#363b47;--accent:#8ab4f8;--on:#10131a;--bad:#f2a29b}}
*{box-sizing:border-box}
body{margin:0;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:44rem;margin:0 auto;padding:1rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.25rem;margin-top:1rem}
h1{font-size:1.35rem;margin:0 0 .75rem;overflow-wrap:anywhere}
p{margin:.5rem 0}
a{color:var(--accent)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0 0 1rem}
dt,.soft{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.bad{color:var(--bad)}
label{display:block;margin:.75rem 0 .25rem}
input{font:inherit;width:100%;padding:.6rem;border:1px solid var(--line);border-radius:.5rem;
background:var(--paper);color:inherit}
button{font:inherit;font-weight:600;width:100%;margin-top:1rem;padding:.75rem 1rem;border:0;
border-radius:.5rem;background:var(--accent);color:var(--on);cursor:pointer}
a:focus-visible,button:focus-visible,input:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
nav{margin-bottom:.75rem;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse}
th{text-align:left;color:var(--soft);font-weight:500}
th,td{padding:.5rem .25rem;border-top:1px solid var(--line);vertical-align:top}
td:first-child{overflow-wrap:anywhere}
.size{text-align:right;white-space:nowrap}
@media (max-width:32rem){.date{display:none}}
@media (min-width:32rem){button{width:auto}}
""".strip().replace("\n", "")
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
_CSP: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")
_TITLES: Final = {
    400: "That did not work",
    401: "A password is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "The name is taken",
    410: "No longer available",
    413: "Too large",
    429: "Too many requests",
    502: "The store does not answer",
    503: "Not available right now",
    504: "The store does not answer",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page's own headers and its bytes. The link's headers (`gateway.wire.replies.LINK_HEADERS`) come on top."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a listing: a folder (`size` None, `name` ends with a slash) or an object. `modified` is RFC 3339."""

    name: str
    size: int | None = None
    modified: str = ""

    @property
    def folder(self) -> bool:
        return self.name.endswith("/")


def landing_page(
    *,
    name: str,
    size: int | None = None,
    content_type: str | None = None,
    expires_at: float | None = None,
    uses_left: int | None = None,
) -> Page:
    """What a link leads to, and a button that posts. `expires_at` in seconds since the epoch, `size` in bytes."""
    facts = [
        ("Size", format_size(size) if size is not None else ""),
        ("Type", content_type or ""),
        ("Available until", _shown_instant(expires_at)),
        ("Downloads left", str(uses_left) if uses_left is not None else ""),
    ]
    form = '<form method="post"><button type="submit">Download</button></form>'
    return _page(name, f"<section><h1>{escape(name)}</h1>{_facts(facts)}{form}</section>")


def card_page() -> Page:
    """What a preview shows of a link that must not be used up by it: that a file is shared, and nothing of the file."""
    title, text = "A shared file", "Open this link to see what it holds."
    return _page(title, f"<section><h1>{escape(title)}</h1><p>{escape(text)}</p></section>")


def password_page(*, wrong: bool = False) -> Page:
    """Asks for the link's password, which is posted as the form field `password`. It says nothing of what is behind."""
    title = _TITLES[401]
    note = '<p class="bad" role="alert">The password is wrong.</p>' if wrong else ""
    form = (
        '<form method="post"><label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" required>'
        '<button type="submit">Continue</button></form>'
    )
    return _page(title, f"<section><h1>{escape(title)}</h1>{note}{form}</section>")


def listing_page(
    *,
    title: str,
    folders: Sequence[str],
    entries: Sequence[Entry],
    cursor: str | None = None,
    expires_at: float | None = None,
) -> Page:
    """The folder at `folders` below the link's root (its path's parts), folders first.

    All addresses are relative, so the page works at whatever path it is served, and never leads above the root.
    """
    ordered = sorted(entries, key=lambda entry: not entry.folder)
    rows = (
        "".join(_row(entry) for entry in ordered) or '<tr><td class="soft" colspan="3">This folder is empty.</td></tr>'
    )
    table = (
        '<table><thead><tr><th scope="col">Name</th><th scope="col" class="size">Size</th>'
        f'<th scope="col" class="date">Changed</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    more = f'<p><a rel="next" href="?cursor={quote(cursor, safe="", errors="replace")}">More</a></p>' if cursor else ""
    whole = (
        '<p>Everything in this folder: <a href="?archive=zip">as zip</a>, <a href="?archive=tar">as tar</a></p>'
        if ordered
        else ""
    )
    until = _facts([("Available until", _shown_instant(expires_at))])
    crumbs = _crumbs(title, folders)
    return _page(title, f"<section><h1>{escape(title)}</h1>{crumbs}{until}{table}{more}{whole}</section>")


def upload_page(
    *,
    title: str = "Send files",
    max_size: int | None = None,
    expires_at: float | None = None,
    uses_left: int | None = None,
    overwrite: bool = False,
) -> Page:
    """A form that works without script. It shows the limits before anything is sent, and no existing file."""
    facts = [
        ("Largest file", format_size(max_size) if max_size is not None else ""),
        ("Open until", _shown_instant(expires_at)),
        ("Uploads left", str(uses_left) if uses_left is not None else ""),
    ]
    rule = "A file of the same name is replaced." if overwrite else "Existing files are never replaced."
    form = (
        '<form method="post" enctype="multipart/form-data"><label for="file">File</label>'
        '<input id="file" name="file" type="file" required><button type="submit">Upload</button></form>'
    )
    return _page(title, f'<section><h1>{escape(title)}</h1>{_facts(facts)}{form}<p class="soft">{rule}</p></section>')


def receipt_page(*, name: str, size: int, request_id: str) -> Page:
    """What the uploader sees once the bytes are stored."""
    facts = [("File", name), ("Size", format_size(size)), ("Receipt", request_id)]
    again = '<p><a href="">Send another file</a></p>'
    return _page("Received", f'<section role="status"><h1>Received</h1>{_facts(facts)}{again}</section>')


def front_page() -> Page:
    """The page at the share host's root, for a visitor who removed a link's path."""
    text = "Files are shared from here by links. Open the whole link that you were sent, to its last character."
    return _page("Shared files", f"<section><h1>Shared files</h1><p>{text}</p></section>")


def refusal_page(status: int, text: str, request_id: str) -> Page:
    """Why not, in the table's words."""
    title = _TITLES.get(status, "That did not work")
    note = f'<p class="soft">Request {escape(request_id)}</p>'
    return _page(title, f"<section><h1>{escape(title)}</h1><p>{escape(text)}</p>{note}</section>")


def format_size(size: int) -> str:
    """Bytes for people, in powers of 1024: `0 bytes`, `1.5 KiB`, `12 GiB`."""
    if size < 1024:
        return "1 byte" if size == 1 else f"{size} bytes"
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    amount = size / 1024**power
    return f"{amount:.1f} {_UNITS[power - 1]}" if amount < 10 else f"{amount:.0f} {_UNITS[power - 1]}"


def _page(title: str, inner: str) -> Page:
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="robots" content="noindex,nofollow"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{inner}</main></body></html>\n"
    )
    headers = (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", _CSP))
    return Page(headers, text.encode("utf-8", "replace"))


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{label}</dt><dd>{escape(value)}</dd>" for label, value in facts if value)
    return f"<dl>{rows}</dl>" if rows else ""


def visible(name: str) -> str:
    """A name as a person may be shown it: without characters that are not seen, or that turn the rest around."""
    return "".join(letter if letter.isprintable() or letter == "\u3000" else "\ufffd" for letter in name)


def _row(entry: Entry) -> str:
    # The leading "./" keeps a name with a colon from being read as a scheme.
    href = "./" + quote(entry.name, safe="/", errors="replace")
    size = format_size(entry.size) if entry.size is not None else ""
    date = f'<time datetime="{escape(entry.modified)}">{escape(entry.modified[:10])}</time>' if entry.modified else ""
    return (
        f'<tr><td><a href="{href}">{escape(visible(entry.name))}</a></td>'
        f'<td class="size">{size}</td><td class="date">{date}</td></tr>'
    )


def _crumbs(title: str, folders: Sequence[str]) -> str:
    if not folders:
        return ""
    names = [title, *folders]
    parts = []
    for depth, name in enumerate(names[:-1]):
        parts.append(f'<a href="{"../" * (len(folders) - depth)}">{escape(visible(name))}</a>')
    parts.append(f'<span aria-current="page">{escape(visible(names[-1]))}</span>')
    return f'<nav aria-label="Folder">{" / ".join(parts)}</nav>'


def _shown_instant(seconds: float | None) -> str:
    return "" if seconds is None else format_instant(seconds).replace("T", " ").replace("Z", " UTC")
