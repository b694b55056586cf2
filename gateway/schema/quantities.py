"""Owns the types of numbers with a unit: durations, sizes, rates, instants, counts.

Refuses to own the texts' grammar (`gateway.core.units`), which the command line reads by itself.

Law: no text of these is long, which keeps numbers from growing out of their types and faults from repeating much.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, PlainValidator, StrictInt, WithJsonSchema

from gateway.core import units
from gateway.core.said import phrase
from gateway.core.units import WEEK, Rate

_LONGEST_TEXT: Final = 32
_LARGEST: Final = 2**63 - 1
_MOST_REQUESTS: Final = 10**9
_LATEST: Final = 253402300799.0
"""9999-12-31T23:59:59Z, the last instant that RFC 3339 can write."""


def _require_short(value: object, sentence: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(sentence)
    return value


def _parse_duration(value: object) -> float:
    if isinstance(value, int | float):
        return units.duration(value)
    return units.duration(
        _require_short(
            value, phrase("duration_text", "must be a duration: seconds or a text like 90s, 15m, 12h, 30d, 2w")
        )
    )


def _parse_duration_or_none(value: object) -> float | None:
    if value is None or value == "none":
        return None
    try:
        return _parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or none") from None


def _parse_presigned_life(value: object) -> float:
    seconds = _parse_duration(value)
    if not 1 <= seconds <= WEEK:
        raise ValueError(phrase("presigned_life", "a presigned URL lives from one second to seven days"))
    return seconds


def _parse_undo_time(value: object) -> float:
    seconds = _parse_duration(value)
    if not 1 <= seconds <= WEEK / 7:
        raise ValueError(phrase("undo_time", "an upload can be taken back for one second to one day"))
    return seconds


def _parse_size(value: object) -> int:
    text = (
        value
        if isinstance(value, int)
        else _require_short(value, phrase("size_text", "must be a size: bytes or a text like 64KiB, 200MB, 5GiB"))
    )
    found = units.size(text)
    if found > _LARGEST:
        raise ValueError(phrase("size_most", "a size is at most 8 EiB"))
    return found


def _parse_byte_limit(value: object) -> int:
    found = _parse_size(value)
    if found < 1:
        raise ValueError(phrase("size_least", "this size is at least 1 byte"))
    return found


def _parse_byte_rate(value: object) -> int:
    if isinstance(value, str):
        amount, slash, unit = _require_short(value, "must be a bandwidth like 200MiB/s").partition("/")
        if slash and unit.strip() not in {"s", "sec"}:
            raise ValueError(f"{value!r} is not a bandwidth: write bytes per second, like 200MiB/s")
        value = amount.strip()
    found = _parse_size(value)
    if found < 1:
        raise ValueError("a bandwidth is at least 1 byte per second")
    return found


def _parse_request_rate(value: object) -> Rate:
    rate = Rate.parse(_require_short(value, phrase("rate_text", "must be a rate: a text like 200/s, 10/min, 1000/15m")))
    if rate.count > _MOST_REQUESTS:
        raise ValueError(
            phrase("rate_most", "a rate has at most {most_requests} requests a period", most_requests=_MOST_REQUESTS)
        )
    return rate


def _parse_instant(value: object) -> float:
    return _require_range(
        units.instant(
            _require_short(value, phrase("time_text", "must be a time in RFC 3339, like 2027-01-31T12:00:00Z"))
        )
    )


def _parse_end(value: object) -> float:
    """Who writes a date alone as an end means the whole day."""
    return _require_range(
        units.end_instant(
            _require_short(
                value, phrase("end_text", "must be a time in RFC 3339, like 2027-01-31T12:00:00Z, or a date")
            )
        )
    )


def _require_range(seconds: float) -> float:
    if not 0 <= seconds <= _LATEST:
        raise ValueError(phrase("time_range", "the time is out of range"))
    return seconds


_DURATION: Final[dict[str, Any]] = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|[smhdwy])?)+$"}
_NONE: Final[dict[str, Any]] = {"enum": [None, "none"]}
_SECONDS: Final[dict[str, Any]] = {"type": "number", "exclusiveMinimum": 0, "maximum": units.LONGEST}
_BYTES: Final = r"^\s*[0-9]+(\.[0-9]+)?\s*[kKMGTP]?i?[Bb]?\s*"


def _duration_schema(*more: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "description": "Seconds, or a text of numbers with the units ms, s, m, h, d, w, y.",
            "anyOf": [_SECONDS, _DURATION, *more],
            "examples": ["30d", 3600],
        }
    )


def _size_schema(least: int, example: str, end: str = "$") -> WithJsonSchema:
    return WithJsonSchema(
        {
            "description": "Bytes, or a text with a unit.",
            "anyOf": [
                {"type": "integer", "minimum": least, "maximum": _LARGEST},
                {"type": "string", "pattern": _BYTES + end},
            ],
            "examples": [example, 1048576],
        }
    )


Duration = Annotated[float, PlainValidator(_parse_duration), _duration_schema()]
DurationOrNone = Annotated[float | None, PlainValidator(_parse_duration_or_none), _duration_schema(_NONE)]
PresignedLife = Annotated[
    float,
    PlainValidator(_parse_presigned_life),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": WEEK, "description": "Seconds, or a text like 15m."}),
]
"""SigV4 takes whole seconds, at most seven days."""

UndoTime = Annotated[float, PlainValidator(_parse_undo_time), _duration_schema()]
"""A day at most."""

ByteSize = Annotated[int, PlainValidator(_parse_size), _size_schema(0, "5GiB")]
ByteLimit = Annotated[int, PlainValidator(_parse_byte_limit), _size_schema(1, "5GiB")]
"""A size that nothing could pass if it were 0."""

ByteRate = Annotated[
    int,
    PlainValidator(_parse_byte_rate),
    _size_schema(1, "200MiB/s", r"(/\s*s(ec)?\s*)?$"),
]
RequestRate = Annotated[
    Rate,
    PlainValidator(_parse_request_rate),
    WithJsonSchema(
        {
            "description": "Requests in a period.",
            "type": "string",
            "pattern": r"^\s*[0-9]{1,10}\s*/\s*[0-9]*\s*(ms|[smhdw]|min|sec|hour|day)\s*$",
            "examples": ["200/s", "1000/15m"],
        }
    ),
]
"""The burst is one period's count."""

Instant = Annotated[float, PlainValidator(_parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
End = Annotated[
    float,
    PlainValidator(_parse_end),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339; a date alone is that day's last second in UTC.",
        }
    ),
]
Count = Annotated[StrictInt, Field(ge=1, le=10**9)]
Uses = Annotated[StrictInt, Field(ge=1, le=_LARGEST)]
