"""Owns the shared memory in which the processes of one host say how far each of them has read the feed, and the bells
by which who has read something new wakes the others.

Refuses to own the feed, what is done when another process has read further
(`gateway.data.state.revocation_follower`), and making the memory, which happens before the processes fork
(`gateway.cli.serve`).

Law: what one process announced before it answered its caller, every other one sees at its next request. So a
revocation that one of them acknowledged is refused by all of them at once, and what runs there is cut at once, not when
they next poll.

The memory is that of forked processes and no file: nothing is left behind, and no disk can fail under it.
"""

from __future__ import annotations

import asyncio
import mmap
import os
from collections.abc import Sequence


class Slot:
    """The serial of one process, numbered from 0, in memory of eight bytes a process that they all share.

    A serial is one aligned word, written as a whole, and only its own process writes it. `bells` has an eventfd for
    each process, which does not block.
    """

    def __init__(self, memory: mmap.mmap, bells: Sequence[int], number: int) -> None:
        self._words: memoryview[int] = memoryview(memory).cast("Q")
        self._bells = bells
        self._number = number

    def tell(self, serial: int) -> None:
        """All entries up to this serial are known here. Who tells the others something new wakes them."""
        new = serial > self.newest()
        self._words[self._number] = serial
        if new:
            for number, bell in enumerate(self._bells):
                if number != self._number:
                    os.eventfd_write(bell, 1)

    async def wait_for_news(self) -> None:
        """Return once another process has told something new that this has not returned for. One may wait at a time."""
        loop, bell = asyncio.get_running_loop(), self._bells[self._number]
        rung = asyncio.Event()
        loop.add_reader(bell, rung.set)
        try:
            await rung.wait()
        finally:
            loop.remove_reader(bell)
        os.eventfd_read(bell)

    def newest(self) -> int:
        """The greatest serial that any process announced."""
        return max(self._words)
