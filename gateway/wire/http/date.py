"""Owns how a moment is written in a field of HTTP (RFC 9110, 5.6.7).

Refuses to own reading one, which hardly anybody asks for: the standard library does, with half a megabyte of mail.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(seconds: float) -> str:
    """Seconds since the epoch as `Sun, 06 Nov 1994 08:49:37 GMT`, whatever the locale."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} {at:%H:%M:%S} GMT"
