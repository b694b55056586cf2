"""Owns the way of the log's bytes to a stream whose reader may stall.

Refuses to own what a line is (`gateway.telemetry.logs`).

Law: whoever logs never waits. A pipe that nobody reads holds 64 KiB, and a write to it then lasts until somebody does:
so a thread writes, a bounded number of bytes waits for it, and lines beyond that are dropped and counted. So are those
that a full disk does not take; a line that it took the half of is ended before the next one.
"""

from __future__ import annotations

import os
import select
import stat
import threading
from collections.abc import Callable
from typing import BinaryIO, Final

_MOST: Final = 4 * 1024 * 1024


class Outlet:
    """Writes to a descriptor: from a thread of its own, which starts with the first line, or, where no write `stalls`,
    in `put` itself, of which there is one at a time then.

    `tell_lost` makes the text that stands where so many lines are missing.
    """

    def __init__(self, descriptor: int, tell_lost: Callable[[int], bytes], *, stalls: bool = True) -> None:
        self._descriptor = descriptor
        self._tell_lost = tell_lost
        self.stalls = stalls
        self._untold = 0  # lines that are gone and not told of; of who writes alone, as is the next one
        self._torn = False  # the last line that was taken has no end
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._size = 0
        self._missing = 0
        self._started = False
        self.lost = 0
        """How many lines were dropped, since the start."""

    def put(self, lines: bytes, count: int) -> None:
        """Have so many lines written, or dropped."""
        if not self.stalls:
            self._write(lines)
            return
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
                self._untold += missing
                self._write(b"")
            with self._changed:
                self._size -= len(lines)
                self._changed.notify_all()

    def _write(self, lines: bytes) -> None:
        """All of it, behind what has to be told; what a reader that went away, or a full disk, does not take costs the
        log, not the request."""
        if self._untold:
            if self._send((b"\n" if self._torn else b"") + self._tell_lost(self._untold)):
                self._lose(lines)
                return
            self._untold = 0
        self._lose(self._send(lines))

    def _lose(self, lines: bytes) -> None:
        count = lines.count(b"\n")
        self._untold += count
        with self._changed:
            self.lost += count

    def _send(self, text: bytes) -> bytes:
        """Write, and answer what was not taken."""
        left = memoryview(text)
        try:
            while left:
                try:
                    taken = os.write(self._descriptor, left)
                    self._torn = left[taken - 1] != ord("\n")
                    left = left[taken:]
                except BlockingIOError:  # somebody else has told the open file not to wait
                    select.select([], [self._descriptor], [])
        except OSError:
            return bytes(left)
        return b""


def open_outlet(stream: BinaryIO, tell_lost: Callable[[int], bytes]) -> Outlet | None:
    """The way to a stream; None to memory, which has no descriptor. A file on a disk has no reader to wait for."""
    try:
        descriptor = stream.fileno()
        return Outlet(descriptor, tell_lost, stalls=not stat.S_ISREG(os.fstat(descriptor).st_mode))
    except (OSError, ValueError):
        return None
