"""Owns the shared memory in which the processes of one host say how far each of them has read the feed.

Refuses to own the feed, what is done when another process has read further
(`gateway.data.state.revocation_follower`), and making the memory, which happens before the processes fork
(`gateway.cli.serve`).

Law: what one process announced before it answered its caller, every other one sees at its next request. So a
revocation that one of them acknowledged is refused by all of them at once, and not when they next poll.

The memory is that of forked processes and no file: nothing is left behind, and no disk can fail under it.
"""

from __future__ import annotations

import mmap


class Slot:
    """The serial of one process, numbered from 0, in memory of eight bytes a process that they all share.

    A serial is one aligned word, written as a whole, and only its own process writes it.
    """

    def __init__(self, memory: mmap.mmap, number: int) -> None:
        self._words: memoryview[int] = memoryview(memory).cast("Q")
        self._number = number

    def tell(self, serial: int) -> None:
        """All entries up to this serial are known here."""
        self._words[self._number] = serial

    def newest(self) -> int:
        """The greatest serial that any process announced."""
        return max(self._words)
