"""Owns memory that requests may buffer something in, all of this process together: bodies, or the lists of archives.

Refuses to own the bytes. Laws: memory stays flat, however many requests run; what finds no room is refused. One holder
(an app, a link, an address) has at most three quarters of it: a quarter is always for others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Final

from gateway.core.limits import share_of
from gateway.core.reasons import Reason, Refused

_ROOM: Final = 128 * 1024**2
_PRIVATE: Final = MAP_PRIVATE | MAP_ANONYMOUS


class MemoryBudget:
    """Room in bytes; given back by whoever took it, through the `Portion` that it was taken through."""

    def __init__(self, room: int = _ROOM) -> None:
        self.room = room
        self._share = share_of(room)
        self._spare: memoryview | None = None
        self._held: Counter[str] = Counter()

    def portion(self, holders: tuple[str, ...] = ()) -> Portion:
        """The room as these holders have it."""
        return Portion(self, holders)

    def take(self, size: int, holders: tuple[str, ...]) -> bool:
        if size > self.room or any(self._held[holder] + size > self._share for holder in holders):
            return False
        self.room -= size
        for holder in holders:
            self._held[holder] += size
        return True

    def lend(self, size: int) -> memoryview:
        """A buffer of this size, with whatever is in it; only what is written there costs memory."""
        spare, self._spare = self._spare, None
        return spare if spare is not None and len(spare) == size else memoryview(mmap(-1, size, flags=_PRIVATE))

    def take_back(self, buffer: memoryview) -> None:
        """The last one stays for who comes next, until `let_go`: memory that is fresh from the kernel costs more than
        to fill it."""
        self._spare = buffer

    def let_go(self) -> None:
        """Keep no buffer: nobody may come for it any more."""
        self._spare = None

    def give(self, size: int, holders: tuple[str, ...]) -> None:
        self.room += size
        for holder in holders:
            self._held[holder] -= size
            if not self._held[holder]:
                del self._held[holder]


class Portion:
    """The room as some holders have it, who share what one may have."""

    __slots__ = ("_budget", "_holders")

    def __init__(self, budget: MemoryBudget, holders: tuple[str, ...]) -> None:
        self._budget = budget
        self._holders = holders

    def take(self, size: int) -> bool:
        """Whether there was room, which is then taken."""
        return self._budget.take(size, self._holders)

    def give(self, size: int) -> None:
        self._budget.give(size, self._holders)

    def lend(self, size: int) -> memoryview:
        """See `MemoryBudget`; the room in it is taken apart from it."""
        return self._budget.lend(size)

    def take_back(self, buffer: memoryview) -> None:
        self._budget.take_back(buffer)

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Room for the length of the block, for what cannot do without.

        Raises:
            Refused: OVERLOADED.
        """
        if not self.take(size):
            raise Refused(Reason.OVERLOADED, "no memory is left to keep it in", retry_after=1.0)
        try:
            yield
        finally:
            self.give(size)
