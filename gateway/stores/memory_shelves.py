"""Owns the indexes of `gateway.stores.lists` in one process's memory: those that are ordered by serial.

Refuses to own the grants (`memory`), and ordered columns: what only those lead to is looked for among the newest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import islice

from gateway.core.grant import Grant, GrantPage
from gateway.stores.lists import Read, Steps


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

    def read(self, asked: Read) -> Mapping[int, Grant] | None:
        """The grants of a range by their serials, None where that index is not kept."""
        part = asked.range
        if not part.by_serial:
            return None
        shelf = self._shelves.get((part.shelf, *part.values), [])
        end = len(shelf) if asked.below is None else self._place(shelf, asked.below - 1)
        found = (self._grants[name] for name in shelf[max(0, end - asked.most) : end])
        return {grant.serial: grant for grant in found}

    def page(self, steps: Steps, fits: Callable[[Grant], bool]) -> GrantPage:
        """What the steps of a page lead to."""
        there: dict[int, Grant] = {}
        try:
            asked = next(steps)
            while True:
                if isinstance(asked, Read):
                    read = self.read(asked)
                    there |= read or {}
                    asked = steps.send(None if read is None else list(read))
                else:
                    looked_at = filter(fits, (there[serial] for serial in asked.serials))
                    asked = steps.send(list(islice(looked_at, asked.most)))
        except StopIteration as done:
            page: GrantPage = done.value
            return page

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
