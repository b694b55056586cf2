"""Owns the indexes of `gateway.stores.lists` in one process's memory.

Refuses to own the grants (`memory`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from math import inf

from gateway.core.grant import Grant, GrantPage
from gateway.stores.lists import Count, Range, Read, Steps

Entry = tuple[str | float, float, str]
"""A value, the serial of its grant, and the grant's id."""

_CHUNK = 1000


class MemoryShelves:
    """The indexes of these grants: the ids in order of their serials, or in order of a value."""

    def __init__(self, grants: Mapping[str, Grant]) -> None:
        self._grants = grants
        self._shelves: dict[tuple[str, ...], list[str]] = {}
        self._ordered: dict[tuple[str, ...], OrderedEntries] = {}
        for grant in grants.values():
            self.move(None, grant)

    def move(self, before: Grant | None, after: Grant) -> None:
        """From where it was to where it is now."""
        old, new = set() if before is None else _shelves_of(before), _shelves_of(after)
        for name in new - old:
            shelf = self._shelves.setdefault(name, [])
            shelf.insert(self._place(shelf, after.serial), after.id)
        for name in old - new:
            shelf = self._shelves[name]
            del shelf[self._place(shelf, after.serial) - 1]
        was, now = set() if before is None else _entries_of(before), _entries_of(after)
        for name, entry in now - was:
            self._ordered.setdefault(name, OrderedEntries()).add(entry)
        for name, entry in was - now:
            self._ordered[name].remove(entry)

    def count(self, asked: Count) -> list[int]:
        """How many grants each range has; of more than are wanted to be read of it, not all need be counted."""
        return [
            self._end(self._shelf(one.range), one.below)
            if one.range.by_serial
            else self._order(one.range).size(one.range, one.most)
            for one in asked.reads
        ]

    def read(self, asked: Read) -> Mapping[int, Grant]:
        """The grants of a range by their serials."""
        if asked.range.by_serial:
            shelf = self._shelf(asked.range)
            end = self._end(shelf, asked.below)
            names = shelf[max(0, end - asked.most) : end]
        else:
            found = self._order(asked.range).within(asked.range)
            names = [name for _, _, name in islice(found, asked.most)]
        return {grant.serial: grant for grant in map(self._grants.__getitem__, names)}

    def page(self, steps: Steps, fits: Callable[[Grant], bool]) -> GrantPage:
        """What the steps of a page lead to."""
        there: dict[int, Grant] = {}
        try:
            asked = next(steps)
            while True:
                if isinstance(asked, Count):
                    asked = steps.send(self.count(asked))
                elif isinstance(asked, Read):
                    read = self.read(asked)
                    there |= read
                    asked = steps.send(list(read))
                else:
                    looked_at = filter(fits, (there[serial] for serial in asked.serials))
                    asked = steps.send(list(islice(looked_at, asked.most)))
        except StopIteration as done:
            page: GrantPage = done.value
            return page

    def _shelf(self, part: Range) -> list[str]:
        return self._shelves.get((part.shelf, *part.values), [])

    def _end(self, shelf: list[str], below: int | None) -> int:
        return len(shelf) if below is None else self._place(shelf, below - 1)

    def _place(self, shelf: list[str], serial: int) -> int:
        """Behind all up to this serial."""
        if not shelf or self._grants[shelf[-1]].serial <= serial:
            return len(shelf)
        return bisect_right(shelf, serial, key=lambda name: self._grants[name].serial)

    def _order(self, part: Range) -> OrderedEntries:
        return self._ordered.get((part.shelf, *part.values)) or OrderedEntries()


class OrderedEntries:
    """Entries in order, in chunks: one more costs as little among many as among few."""

    def __init__(self) -> None:
        self._chunks: list[list[Entry]] = []

    def add(self, entry: Entry) -> None:
        if not self._chunks:
            self._chunks.append([])
        place = self._chunk_of(entry)
        chunk = self._chunks[place]
        insort(chunk, entry)
        if len(chunk) > 2 * _CHUNK:
            self._chunks[place : place + 1] = [chunk[:_CHUNK], chunk[_CHUNK:]]

    def remove(self, entry: Entry) -> None:
        """Which is there."""
        place = self._chunk_of(entry)
        chunk = self._chunks[place]
        del chunk[bisect_left(chunk, entry)]
        if not chunk:
            del self._chunks[place]

    def within(self, part: Range) -> Iterator[Entry]:
        """Those of a range."""
        for chunk, begin, end in self._parts(part):
            yield from islice(chunk, begin, end)

    def size(self, part: Range, most: int) -> int:
        """How many a range has; `most` may be told of more."""
        size = 0
        for _, begin, end in self._parts(part):
            size += end - begin
            if size >= most:
                break
        return size

    def _parts(self, part: Range) -> Iterator[tuple[list[Entry], int, int]]:
        """The chunks of a range, and from where to where; one of texts begins with its lower end, any other behind it.

        In the same way one of texts ends before its upper end, and any other behind it.
        """
        edge = -inf if isinstance(part.low, str) else inf
        first: Entry | None = None if part.low is None else (part.low, edge, "")
        last: Entry | None = None if part.high is None else (part.high, edge, "")
        for chunk in islice(self._chunks, 0 if first is None else self._chunk_of(first), None):
            begin = 0 if first is None else bisect_left(chunk, first)
            end = len(chunk) if last is None or chunk[-1] < last else bisect_left(chunk, last)
            yield chunk, begin, end
            if end < len(chunk):
                return

    def _chunk_of(self, entry: Entry) -> int:
        """The last one that begins with it or before; the first one if none does."""
        return bisect_right(self._chunks, entry, lo=1, key=lambda chunk: chunk[0]) - 1 if self._chunks else 0


def _shelves_of(grant: Grant) -> set[tuple[str, ...]]:
    marks = {
        "revoked": grant.revoked_at is not None,
        "suspended": grant.suspended_at is not None,
        "marked": grant.waiting is not None,
        "limited": grant.uses is not None or grant.budget is not None or grant.intake.counted,
        "endless": grant.expires_at is None,
    }
    found: set[tuple[str, ...]] = {(name, grant.kind) for name, marked in marks.items() if marked}
    found |= {("kind", grant.kind), ("owner", str(grant.owner), grant.kind)}
    if grant.label is not None:
        found.add(("label", grant.label, grant.kind))
    if grant.scope is not None:
        found.add(("bucket", grant.scope.bucket))
    return found


def _entries_of(grant: Grant) -> set[tuple[tuple[str, ...], Entry]]:
    values: dict[tuple[str, ...], str | float | None] = {
        ("ends",): grant.expires_at,
        ("lapses",): None if grant.waiting is None else grant.waiting.until,
        ("begins",): grant.not_before,
    }
    if grant.scope is not None:
        values["place", grant.scope.bucket] = grant.scope.root
    return {(name, (value, grant.serial, grant.id)) for name, value in values.items() if value is not None}
