"""Owns the plain index of a folder, for programs that read a web server's: a line for each name, and nothing else.

Refuses to own who gets it (`gateway.wire.links.visitor`), which names there are (`gateway.data.links.listing`), and
what people see of a folder (`gateway.pages.folders`).

Law: a line is what nginx's autoindex writes, which these programs know: a relative address, the name, the day and the
size. No address leads above the folder, or to anything that is no entry of it. A name begins no line and turns no other
around: whoever opens the address in a browser reads it, too.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final
from urllib.parse import quote

from gateway.pages.folders import Entry
from gateway.pages.render import visible

INDEX_HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"),
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_INSTANT: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)T(?P<clock>\d\d:\d\d)", re.ASCII)
_WIDTH: Final = 51
"""Characters in front of the day."""


def index_begin(folder: str) -> str:
    """What comes before the lines of this folder, whose path is below the link's root."""
    title = f"Index of /{escape(visible(folder))}"
    return f"<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1><hr><pre>\n"


def index_line(entry: Entry) -> str:
    """One line. A folder has neither day nor size, as no store keeps any."""
    blanks = " " * max(1, _WIDTH - len(entry.name))
    size = "-" if entry.size is None else str(entry.size)
    address = quote(entry.name, safe="/", errors="replace")
    return f'<a href="{address}">{escape(visible(entry.name))}</a>{blanks}{_day(entry.modified):17}{size:>20}\n'


def index_end() -> str:
    return "</pre><hr></body>\n</html>\n"


def _day(modified: str) -> str:
    """30-Nov-2026 00:12, in UTC as stores write it; a dash for what is no instant."""
    found = _INSTANT.match(modified)
    if found is None or not 1 <= int(found["month"]) <= len(_MONTHS):
        return "-"
    return f"{found['day']}-{_MONTHS[int(found['month']) - 1]}-{found['year']} {found['clock']}"
