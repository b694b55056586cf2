"""Owns what several processes of one gateway on this host share: their number, a directory and a piece of memory.

Refuses to own starting and ending them (`gateway.cli.workers`), what they tell each other in the directory
(`gateway.telemetry.worker_mesh`) and what stands in the memory (`gateway.stores.shared_serial`).
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.core.values import dataclass
from gateway.stores.shared_serial import Slot


@dataclass(frozen=True, slots=True)
class Worker:
    """One of `count` processes that share the listeners and the state on this host, by its `number` from 0.

    In `meeting`, a directory of their own, they tell each other their metrics and orders; in `memory`, which holds
    eight bytes for each, how far they have read the feed; by `bells`, an eventfd of each, they wake each other.
    """

    number: int
    count: int
    meeting: Path
    memory: mmap.mmap
    bells: tuple[int, ...]

    @property
    def slot(self) -> Slot:
        """Where this one writes how far it has read, and sees how far the others have."""
        return Slot(self.memory, self.bells, self.number)


@contextmanager
def make_workers(count: int) -> Iterator[list[Worker]]:
    """What each of `count` processes is, made before they are forked. Directory and bells go with the context."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415 (a process by itself needs none)

    memory = mmap.mmap(-1, 8 * count)  # shared with what is forked, and no file
    bells = tuple(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(count))
    try:
        with TemporaryDirectory(prefix="gateway-") as meeting:
            yield [Worker(number, count, Path(meeting), memory, bells) for number in range(count)]
    finally:
        for bell in bells:
            os.close(bell)
