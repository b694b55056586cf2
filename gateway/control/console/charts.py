"""Owns a small chart of a link's uses and bytes over time, as numbers for an SVG: no library, no script.

Refuses to own the drawing (a template) and the records.

Law: the chart is of what it is given. It has 24 columns of the same length from the first record to the last, and its
numbers stand beside it as a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from gateway.core.values import dataclass

_COLUMNS: Final = 24
_HEIGHT: Final = 100


@dataclass(frozen=True, slots=True)
class Column:
    """One span of time: from when (RFC 3339), how many requests and bytes, and how high each of them is drawn."""

    since: str
    requests: int
    moved: int
    requests_high: int
    moved_high: int


@dataclass(frozen=True, slots=True)
class Chart:
    columns: tuple[Column, ...]
    most_requests: int
    most_moved: int


def chart_of(records: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Of records as the API answers them; None if there are none."""
    if not records:
        return None
    instants = [datetime.fromisoformat(record["at"]).timestamp() for record in records]
    first, length = min(instants), max((max(instants) - min(instants)) / _COLUMNS, 1.0)
    requests, moved = [0] * _COLUMNS, [0] * _COLUMNS
    for instant, record in zip(instants, records, strict=True):
        column = min(int((instant - first) / length), _COLUMNS - 1)
        requests[column] += 1
        moved[column] += record["bytes_in"] + record["bytes_out"]
    most_requests, most_moved = max(requests), max(moved)
    columns = (
        Column(
            since=datetime.fromtimestamp(first + number * length, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            requests=requests[number],
            moved=moved[number],
            requests_high=_high(requests[number], most_requests),
            moved_high=_high(moved[number], most_moved),
        )
        for number in range(_COLUMNS)
    )
    return Chart(tuple(columns), most_requests, most_moved)


def _high(value: int, most: int) -> int:
    """At least one where there is anything at all."""
    return 0 if not value else max(1, value * _HEIGHT // most)
