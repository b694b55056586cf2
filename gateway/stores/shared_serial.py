"""Owns the board: the words in which the processes of one host tell each other how far they have read the feed.

Refuses to own the feed, what is done when another one has read further (`gateway.data.state.revocation_follower`), and
the shared memory itself, which is made before the processes are (`gateway.cli.serve`).

Law: what one process told before it answered its caller, every other one sees at its next request. So a revocation
that one of them acknowledged is refused by all of them at once, and not when they happen to look.

The words are memory that forked processes share, and no file: nothing is left behind, and no disk can fail under it.
"""

from __future__ import annotations

import mmap

__all__ = ["Slot"]


class Slot:
    """The place of one process, numbered from 0, in memory of eight bytes a process that they all share.

    A word is aligned and written as a whole, and only its own process writes it.
    """

    def __init__(self, memory: mmap.mmap, number: int) -> None:
        self._words: memoryview[int] = memoryview(memory).cast("Q")
        self._number = number

    def tell(self, serial: int) -> None:
        """All entries up to this serial are known here. It never becomes less."""
        self._words[self._number] = serial

    def newest(self) -> int:
        """The greatest serial that any process told."""
        return max(self._words)
