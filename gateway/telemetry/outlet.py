"""Owns the way of the log's bytes to a stream whose reader may stall.

Refuses to own what a line is (`gateway.telemetry.logs`).

Law: whoever logs never waits. A pipe that nobody reads holds 64 KiB, and a write to it then lasts until somebody does:
so a thread writes, a bounded number of bytes waits for it, and lines beyond that are dropped and counted.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import threading
from collections.abc import Callable
from typing import BinaryIO, Final

_MOST: Final = 4 * 1024 * 1024


def may_stall(stream: BinaryIO) -> bool:
    """Whether a write can wait for a reader: a file on a disk has none, nor has memory."""
    try:
        return not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


class Outlet:
    """Writes to a descriptor from a thread of its own, which starts with the first line.

    `tell_lost` makes the text that stands where so many lines are missing.
    """

    def __init__(self, descriptor: int, tell_lost: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._tell_lost = tell_lost
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._size = 0
        self._missing = 0
        self._started = False
        self.lost = 0
        """How many lines were dropped, since the start."""

    def put(self, lines: bytes, count: int) -> None:
        """Have so many lines written, or dropped."""
        with self._changed:
            if self._size + len(lines) > _MOST:
                self._missing += count
                self.lost += count
                return
            self._waiting.append(lines)
            self._size += len(lines)
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="log", daemon=True).start()
            self._changed.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until all is written, for so long at most; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._size, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting or self._missing))
                lines, self._waiting = b"".join(self._waiting), []
                missing, self._missing = self._missing, 0
            self._write(lines)
            if missing:
                self._write(self._tell_lost(missing))
            with self._changed:
                self._size -= len(lines)
                self._changed.notify_all()

    def _write(self, lines: bytes) -> None:
        """All of it; what a reader that went away, or a full disk, does not take costs the log, not the request."""
        left = memoryview(lines)
        with contextlib.suppress(OSError):
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:  # somebody else has told the open file not to wait
                    select.select([], [self._descriptor], [])
