"""Owns a moment in a field of HTTP (RFC 9110, 5.6.7): how it is written, the ways in which it is read, and the wait
that an answer asks for by one.

Refuses to own the timestamps that signatures of version 4 are made with (`gateway.wire.sig.credentials`).

Law: written in one form, read in the three that HTTP has, and with the offset that mail allows. (The standard library
would read more, with half a megabyte of mail.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY: Final = f"(?:{'|'.join(_DAYS)})"
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_OFFSET: Final = r"(?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>[0-5]\d)"
_FORMS: Final = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"(?:{_DAY}, )?(?P<day>\d{{1,2}}) {_MONTH} (?P<year>\d{{4}}) {_TIME} (?:GMT|UTC|{_OFFSET})",
        rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)
"""The fixed form, and the two obsolete ones that a recipient has to know."""

_FIRST_OF_1900S: Final = 70
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)

LONGEST_WAIT: Final = 60.0
"""Seconds. Who is told to wait much longer than a store is ever busy takes it for gone."""


def http_date(seconds: float) -> str:
    """Seconds since the epoch as `Sun, 06 Nov 1994 08:49:37 GMT`, whatever the locale."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} {at:%H:%M:%S} GMT"


def read_http_date(text: str) -> int:
    """Seconds since the epoch.

    Raises:
        ValueError: no form of HTTP's, or a day that no calendar has.
    """
    match = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if match is None:
        raise ValueError("a date is written like Sun, 06 Nov 1994 08:49:37 GMT")
    part = match.groupdict()
    year = int(part["year"])
    if len(part["year"]) == len("94"):
        year += 2000 if year < _FIRST_OF_1900S else 1900
    day, hour, minute, second = (int(part[name]) for name in ("day", "hour", "minute", "second"))
    moment = datetime(year, _MONTHS.index(part["month"]) + 1, day, hour, minute, second, tzinfo=UTC)
    ahead = (int(part.get("hours") or 0) * 60 + int(part.get("minutes") or 0)) * 60
    return int(moment.timestamp()) - (-ahead if part.get("sign") == "-" else ahead)


def told_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer with these fields asks to wait before the next try (`Retry-After`), at most so many as
    make sense; None if it asks for nothing that can be read. A moment counts by the answer's own clock."""
    text = headers.get("retry-after", "")
    try:
        ahead = (
            int(text) if _SECONDS.fullmatch(text) else read_http_date(text) - read_http_date(headers.get("date", ""))
        )
    except ValueError:
        return None
    return min(max(0.0, float(ahead)), LONGEST_WAIT)
