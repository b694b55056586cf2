"""Owns the text forms of durations, sizes, rates and instants: `30d`, `200MiB/s`, `100/s`, RFC 3339.

Refuses to own a clock: an instant is seconds since the epoch (UTC, float) and always arrives as an argument.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from gateway.core.said import phrase
from gateway.core.values import dataclass

WEEK: Final = 604_800
"""Seconds. The longest that a presigned URL of a vendor may live."""

_MOST_DIGITS: Final = 18
"""Of a number of bytes: it fits in 64 bits, as archives and databases write it."""

_DURATION_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": WEEK, "y": 31536000}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])", re.ASCII)
_DURATION_WHOLE: Final = re.compile(r"(?:\d++(?:\.\d++)?(?:ms|[smhdwy]))+", re.ASCII)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_SIZE: Final = re.compile(r"(\d++(?:\.\d++)?)\s*+([kKMGTP]?)(i?)[Bb]?", re.ASCII)
_RATE: Final = re.compile(r"(\d++)\s*+/\s*+(\d*+)\s*+(ms|[smhdw]|min|sec|hour|day)", re.ASCII)
_RATE_WORDS: Final = {"min": "m", "sec": "s", "hour": "h", "day": "d"}
_LAST_SECOND: Final = 86399
LONGEST: Final = 100 * 31536000.0


def duration(text: str | float) -> float:
    """Seconds from `90`, `15m`, `1h30m`, `30d`.

    Raises:
        ValueError: not a duration, zero or negative, or longer than a hundred years.
    """
    if isinstance(text, bool):
        raise ValueError(phrase("duration_kind", "a duration is a number of seconds or a text like 30d"))
    if isinstance(text, int | float) or _NUMBER.fullmatch(text):
        seconds = float(text)
    elif _DURATION_WHOLE.fullmatch(text):
        seconds = sum(float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION.findall(text))
    else:
        raise ValueError(
            phrase(
                "duration_form",
                "{text!r} is not a duration: write seconds or a text like 90s, 15m, 12h, 30d, 2w",
                text=text,
            )
        )
    if not 0 < seconds <= LONGEST:
        raise ValueError(
            phrase("duration_range", "{text!r} is out of range: a duration is above 0 and at most 100 years", text=text)
        )
    return seconds


def format_duration(seconds: float) -> str:
    """The two largest units, for people: `29d 23h`, `5m`, `0s`."""
    left = max(0, int(seconds))
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def size(text: str | int) -> int:
    """Bytes from `1048576`, `5 GiB`, `200MB`.

    Raises:
        ValueError: not a size, or negative.
    """
    if isinstance(text, bool):
        raise ValueError(phrase("size_kind", "a size is a number of bytes or a text like 5GiB"))
    if isinstance(text, int):
        if text < 0:
            raise ValueError(phrase("size_negative", "{text} is negative: a size is 0 or more", text=text))
        return text
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            phrase("size_form", "{text!r} is not a size: write bytes or a text like 64KiB, 200MB, 5GiB", text=text)
        )
    number, letter, binary = match.groups()
    power = " KMGTP".index(letter.upper()) if letter else 0
    return int(float(number) * (1024 if binary else 1000) ** power)


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` things in `per` seconds, with at most `burst` of them at once."""

    count: int
    per: float
    burst: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.per <= 0 or self.burst < 1:
            raise ValueError(phrase("rate_least", "a rate needs a count, a period and a burst of at least 1"))

    @classmethod
    def parse(cls, text: str, burst: int | None = None) -> Rate:
        """A rate from `200/s`, `10/min`, `1000/15m`; the burst is one period's count unless given.

        Raises:
            ValueError: not a rate.
        """
        match = _RATE.fullmatch(text.strip())
        if match is None or int(match[1]) < 1:
            raise ValueError(
                phrase("rate_form", "{text!r} is not a rate: write a text like 200/s, 10/min, 1000/15m", text=text)
            )
        unit = _RATE_WORDS.get(match[3], match[3])
        per = duration(f"{match[2] or 1}{unit}")
        return cls(int(match[1]), per, int(match[1]) if burst is None else burst)

    @property
    def interval(self) -> float:
        """Seconds from one unit to the next when the rate is used evenly."""
        return self.per / self.count


def instant(text: str) -> float:
    """Seconds since the epoch from an RFC 3339 text; a date alone is its first second in UTC.

    Raises:
        ValueError: not an instant, or without an offset.
    """
    try:
        parsed = datetime.fromisoformat(text)
        parsed = parsed.astimezone(UTC) if parsed.tzinfo is not None else parsed  # where some have no year
    except (ValueError, OverflowError):
        raise ValueError(
            phrase("time_form", "{text!r} is not a time: write RFC 3339, like 2027-01-31T12:00:00Z", text=text)
        ) from None
    if parsed.tzinfo is None:
        if not _is_date(text):
            raise ValueError(phrase("time_offset", "{text!r} has no offset: end it with Z or +01:00", text=text))
        parsed = parsed.replace(tzinfo=UTC)
    return parsed.timestamp()


def _is_date(text: str) -> bool:
    return len(text) <= len("2027-01-31")


def end_instant(text: str) -> float:
    """When something ends, from an RFC 3339 text; a date alone is that day's last second in UTC.

    Raises:
        ValueError: not an instant, or without an offset.
    """
    return instant(text) + (_LAST_SECOND if _is_date(text) else 0)


def whole_number(text: str) -> int | None:
    """A length or size as stores write it; None for anything else, and for what is longer than any object."""
    return int(text) if len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit() else None


def format_instant(seconds: float) -> str:
    """RFC 3339 in UTC, to the second."""
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}Z"
