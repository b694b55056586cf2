"""Owns which part of `COSTS.md` explains which figure, and the list of the figures that miss what is aimed at.

Refuses to own the figures (`tests.bench.rows`, `tests.bench.extents`) and the cost trees (`tests.bench.costs`).

Law: a figure with an aim has an explanation, so that none can be missed without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.bench.extents import Extent
from tests.bench.rounds import Compared

ADDED: Final = "GET 4 KiB, link"
WAITING: Final = "GET 4 KiB, link, one by one"
TURNS: Final = "Turns of the event loop"
IDLE: Final = "What an idle process holds"
START: Final = "What a start imports"
MANY: Final = "A look-up among many"

_BY_ROW: Final = {
    "get4k": ADDED,
    "get4k-sigv4": "GET 4 KiB, SigV4",
    "get4k-anew": "GET 4 KiB, SigV4, signed anew",
    "put4k": "PUT 4 KiB, SigV4",
    "put4k-anew": "PUT 4 KiB, SigV4, signed anew",
    "ranges": "GET 1 MiB, link",
    "get1g": "GET 8 MiB, link",
    "put1g": "PUT 8 MiB, link",
    "put1g-sdk": "PUT 8 MiB, aws-chunked",
}
_BY_TITLE: Final = (
    ("added ", WAITING),
    ("p99 of 4 KiB at 256", ADDED),
    ("p99 of 4 KiB beside", TURNS),
    ("ready", START),
    ("idle", IDLE),
    ("500 stalled", IDLE),
    ("p99 among a million", MANY),
)
_TLS: Final = re.compile(r"(get|put)1g-tls-")
EXPLAINING: Final = frozenset(_BY_ROW.values())
"""The cases of `tests.bench.cases` whose trees are told."""


def heading(title: str) -> str:
    """A part of `COSTS.md` begins with it."""
    return f"## {title}\n"


def explained(name: str) -> str | None:
    """The part that explains a row, by its name, or an extent, by its title; None for what has no aim.

    Large bodies over TLS cost what they do without it, and OpenSSL, which both sides call alike.
    """
    if found := _TLS.match(name):
        return _BY_ROW[f"{found[1]}1g"]
    return _BY_ROW.get(name) or next((part for begin, part in _BY_TITLE if name.startswith(begin)), None)


def missed(compared: Mapping[str, Compared], told: Sequence[Extent]) -> Iterator[str]:
    """The lines about what is more than was to be reached; none if nothing is."""
    lines = [
        _line(found.row.title, found.ratio.middle, found.row.aim.reach, name)
        for name, found in compared.items()
        if found.row.aim is not None and found.ratio.middle > found.row.aim.reach
    ]
    lines += [
        _line(extent.title, extent.spread.middle, extent.reach, extent.title)
        for extent in told
        if extent.reach is not None and extent.spread.middle > extent.reach
    ]
    if lines:
        yield "## What is missed, and why\n"
        yield "| what | now | reach | what it is made of |\n|---|---|---|---|"
        yield from lines
        yield ""


def _line(title: str, now: float, reach: float, name: str) -> str:
    part = explained(name)
    where = "" if part is None else f"[{part}](COSTS.md#{_anchor(part)})"
    return f"| {title} | {now:.2f} | {reach:g} | {where} |"


def _anchor(title: str) -> str:
    """How the heading's address is made of its words."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
