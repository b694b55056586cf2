"""Owns memory that requests may keep something in, all of this process together: bodies, or the lists of archives.

Refuses to own the bytes. Law: memory stays flat, however many requests run; what finds no room is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.core.reasons import Reason, Refused

__all__ = ["Reserve"]

_ROOM: Final = 128 * 1024**2


class Reserve:
    """Room in bytes; given back by whoever took it."""

    def __init__(self, room: int = _ROOM) -> None:
        self.room = room

    def take(self, size: int) -> bool:
        """Whether there was room, which is then taken."""
        if size > self.room:
            return False
        self.room -= size
        return True

    def give(self, size: int) -> None:
        self.room += size

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
