"""Owns how a page of a list of grants is found with bounded work: by which indexes, how far, and where the next begins.

Refuses to own connections and statements: an engine answers the questions that `page_steps` asks.

Law: a page costs the same among a million grants as among a thousand. It is looked for along the index that leads to
the least, of which it looks at a bounded number of grants, holds what it found there, be it nothing, and its cursor
continues after the last grant that was looked at.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantPage, GrantState
from gateway.core.values import dataclass
from gateway.stores.codec import read_cursor, write_cursor

READ_AT_ONCE: Final = 2000
"""How many entries of an index are read for a page where they are not in the order of the list."""

COUNTED_TO: Final = 1000
"""How many entries are counted of one that is: of two that lead to more, either will do."""

LOOKED_AT: Final = 500
"""How many grants are looked at for a page."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """One index: for equal values of `columns` the grants are ordered by `ranged`, or by their serial without it.

    Only those for which `where` holds are in it.
    """

    columns: tuple[str, ...] = ()
    ranged: str = ""
    where: str = ""


_LIMITED: Final = (
    "uses IS NOT NULL OR budget IS NOT NULL OR document LIKE '%\"max_files\":%' OR document LIKE '%\"total_bytes\":%'"
)

SHELVES: Final[Mapping[str, Shelf]] = {
    "kind": Shelf(("kind",)),
    "owner": Shelf(("owner", "kind")),
    "bucket": Shelf(("bucket",)),
    "label": Shelf(("label", "kind")),
    "revoked": Shelf(("kind",), where="revoked_at IS NOT NULL"),
    "suspended": Shelf(("kind",), where="suspended_at IS NOT NULL"),
    "marked": Shelf(("kind",), where="waiting_until IS NOT NULL"),
    "limited": Shelf(("kind",), where=f"({_LIMITED})"),
    "endless": Shelf(("kind",), where="expires_at IS NULL"),
    "place": Shelf(("bucket",), ranged="root"),
    "ends": Shelf(ranged="expires_at"),
    "lapses": Shelf(ranged="waiting_until"),
    "begins": Shelf(ranged="not_before"),
}
"""All indexes, by their names."""


@dataclass(frozen=True, slots=True)
class Range:
    """Part of an index: those with these values and, of an ordered column, above `low` and up to `high`.

    Texts are from `low` on and before `high`.
    """

    shelf: str
    values: tuple[str, ...] = ()
    low: str | float | None = None
    high: str | float | None = None

    @property
    def by_serial(self) -> bool:
        return not SHELVES[self.shelf].ranged


@dataclass(frozen=True, slots=True)
class Read:
    """Asks for the serials in a range, at most `most`: the newest below `below`, or any where they are not in order."""

    range: Range
    below: int | None
    most: int


@dataclass(frozen=True, slots=True)
class Count:
    """Asks how many serials each of these would be answered with, or could be."""

    reads: Sequence[Read]


@dataclass(frozen=True, slots=True)
class Look:
    """Asks for those of these grants that fit, newest first, at most `most`."""

    serials: Sequence[int]
    most: int


_MARKED: Final = {
    GrantState.REVOKED: "revoked",
    GrantState.SUSPENDED: "suspended",
    GrantState.AWAITING_APPROVAL: "marked",
    GrantState.USED_UP: "limited",
}

Way = tuple[Range, ...]
Steps = Generator[Count | Read | Look, Any, GrantPage]
"""Yields questions: a `Count` is answered by numbers, a `Read` by serials, a `Look` by grants."""


def page_steps(wanted: GrantFilter, cursor: str | None, limit: int, looks: int = LOOKED_AT) -> Steps:
    """Ask for what a page needs. Raises ValueError for a cursor that the list did not give."""
    below = None if cursor is None else int(read_cursor("g", cursor, 1)[0])
    # Most often a few more than the page holds are enough. Only if they are not, more of them are asked for at once.
    few = limit + 1 + limit // 8
    left = max(looks, few)
    way, all_of_it = yield from _narrowest(list(ways_of(wanted)), below)
    found: list[Grant] = []
    while left > 0:
        few = min(few, left)
        there, whole = (yield from _merge(way, below, few + 1)) if all_of_it is None else (all_of_it, True)
        part, rest = there[:few], there[few:]
        if part:
            found += yield Look(part, limit + 1 - len(found))
            below = part[-1]
        if len(found) > limit:
            return GrantPage(found[:limit], write_cursor("g", found[limit - 1].serial))
        if whole and not rest:
            return GrantPage(found, None)
        all_of_it = None if all_of_it is None else rest
        left -= len(part)
        few *= 4
    return GrantPage(found, None if below is None else write_cursor("g", below))


def _narrowest(
    ways: Sequence[Way], below: int | None
) -> Generator[Count | Read, Any, tuple[Way, Sequence[int] | None]]:
    """The way that leads to the least and, where it is not in the order of the list, all that it leads to."""
    if len(ways) == 1:
        return ways[0], None
    sizes = iter((yield Count([_sized(part, below) for way in ways for part in way])))
    leads = [(sum(next(sizes) for _ in way), way) for way in ways]
    # What is in order and wide is only read to a bound: what is read whole leads to more.
    for size, way in sorted(leads, key=lambda one: (one[0] >= COUNTED_TO and _by_serial(one[1]), one[0])):
        if _by_serial(way):
            return way, None
        if size < READ_AT_ONCE:
            serials, whole = yield from _merge(way, below, READ_AT_ONCE)
            if whole:  # unless it grew meanwhile
                return way, serials
    return ways[-1], None


def _sized(part: Range, below: int | None) -> Read:
    return Read(part, below, COUNTED_TO if part.by_serial else READ_AT_ONCE)


def _by_serial(way: Way) -> bool:
    return all(part.by_serial for part in way)


def _merge(way: Way, below: int | None, most: int) -> Generator[Read, Sequence[int], tuple[list[int], bool]]:
    """The serials of all ranges of a way, as far down as every one of them was read, and whether that is to the end."""
    found: set[int] = set()
    down_to, whole = 0, True
    for part in way:
        serials = yield Read(part, below, most)
        if len(serials) >= most:
            whole, down_to = False, max(down_to, min(serials))
        found.update(serials)
    return sorted((one for one in found if one >= down_to and (below is None or one < below)), reverse=True), whole


def ways_of(wanted: GrantFilter) -> Iterator[Way]:
    """Each of them leads to all that is wanted, and to more; the narrow ones first, and last what always leads."""
    kinds = tuple(GrantKind) if wanted.kind is None else (wanted.kind,)
    if wanted.label is not None:
        yield tuple(Range("label", (wanted.label, kind)) for kind in kinds)
    if wanted.owner is not None:
        yield tuple(Range("owner", (str(wanted.owner), kind)) for kind in kinds)
    if wanted.shown_to is not None:
        own = [Range("owner", (str(wanted.shown_to), kind)) for kind in kinds]
        yield (*own, *(Range("marked", (kind,)) for kind in kinds if wanted.approves))
    if wanted.state is not None:
        yield _way_of_state(wanted.state, wanted.now, kinds)
    if wanted.ends_before is not None:
        yield (Range("ends", low=wanted.now, high=wanted.ends_before),)
    if wanted.bucket is not None and wanted.kind is GrantKind.LINK:
        if wanted.prefix:
            yield (Range("place", (wanted.bucket,), wanted.prefix, after(wanted.prefix)),)
        yield (Range("bucket", (wanted.bucket,)),)
    yield tuple(Range("kind", (kind,)) for kind in kinds)


def _way_of_state(state: GrantState, now: float, kinds: Sequence[GrantKind]) -> Way:
    match state:
        case GrantState.EXPIRED:
            return (Range("ends", high=now), Range("lapses", high=now))
        case GrantState.PENDING:
            return (Range("begins", low=now),)
        case GrantState.ACTIVE:
            return (*(Range("endless", (kind,)) for kind in kinds), Range("ends", low=now))
        case _:
            return tuple(Range(_MARKED[state], (kind,)) for kind in kinds)


def after(prefix: str) -> str | None:
    """The first text, in the order of code points, behind all that begin with this; None if there is none."""
    for end in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[end])
        if point < 0x10FFFF:
            # UTF-8 has no surrogates between these two.
            return prefix[:end] + chr(0xE000 if point == 0xD7FF else point + 1)
    return None
