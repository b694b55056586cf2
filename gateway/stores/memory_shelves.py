"""Owns the indexes of `gateway.stores.lists` in one process's memory: those that are ordered by serial.

Refuses to own the grants (`memory`), and ordered columns: what only those lead to is looked for among the newest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import islice

from gateway.core.grant import Grant, GrantPage
from gateway.stores.lists import Count, Range, Read, Steps


class MemoryShelves:
    """The indexes of these grants, by the ids in order of their serials."""

    def __init__(self, grants: Mapping[str, Grant]) -> None:
        self._grants = grants
        self._shelves: dict[tuple[str, ...], list[str]] = {}
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

    def count(self, asked: Count) -> list[int]:
        """How many grants each range has, or as many as can be read where the index is not kept."""
        return [
            self._end(self._shelf(one.range), one.below) if one.range.by_serial else one.most for one in asked.reads
        ]

    def read(self, asked: Read) -> Mapping[int, Grant]:
        """The grants of a range by their serials."""
        shelf = self._shelf(asked.range)
        end = self._end(shelf, asked.below)
        found = (self._grants[name] for name in shelf[max(0, end - asked.most) : end])
        return {grant.serial: grant for grant in found}

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
