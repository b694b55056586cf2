"""Owns the transfer of one body from socket to socket: through a pipe in the kernel, or a buffer where it is inspected.

Refuses to own when it moves (`gateway.splice.pump`), the pipes (`gateway.splice.pipes`) and the inspection.

Law: no more leaves the source than was asked for, all of it reaches the sink in order, and what has not is in `held`.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.loan import Loan
from gateway.splice.pipes import TINY, Pipe, Pipes

Transform = Callable[[memoryview], Sequence[bytes | memoryview]]
"""Gets the bytes that came, and returns those to send on; the view is valid only until it returns."""

_FLAGS: Final = 0x1 | 0x2
"""SPLICE_F_MOVE | SPLICE_F_NONBLOCK of Linux (linux/splice.h), which Python does not name."""

_MOST_AT_ONCE: Final = 64
"""Buffers of one writev(2); the kernel takes 1,024."""


class Passage(ABC):
    """`left` bytes are still to leave the source, `held` have left it and not reached the sink, `written` have.

    `readable` and `writable` are false once a socket has said that it would block. The event loop is woken when `least`
    bytes have come, or the source's end.
    """

    __slots__ = (
        "done",
        "ended",
        "held",
        "least",
        "left",
        "mark",
        "queued",
        "readable",
        "sink",
        "source",
        "writable",
        "written",
    )

    def __init__(self, source: Loan, sink: Loan, most: int) -> None:
        self.source, self.sink = source, sink
        self.left = self.mark = most
        self.held = self.written = 0
        self.least = 1
        self.readable = self.writable = True
        self.queued = self.ended = False
        self.done: Future[None] | None = None

    @abstractmethod
    def advance(self, most: int, piece: int) -> bool:
        """Move what can be moved now, until it was `most` bytes or more, in pieces of at most `piece`.

        False if a socket has ended.
        """

    @abstractmethod
    def release(self) -> None:
        """Give back what it holds."""

    def wake_at(self, count: int) -> None:
        """Wake the event loop only when so many bytes have come."""
        if count != self.least:
            self.least = count
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, self.source.descriptor)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
            finally:
                sock.detach()

    def _count_read(self, count: int) -> None:
        self.left -= count
        if self.left < self.least:
            self.wake_at(max(1, self.left))
        self.source.moved(count)

    def _count_written(self, count: int) -> None:
        self.held -= count
        self.written += count
        self.sink.moved(count)


class KernelPassage(Passage):
    """Inside the kernel: splice(2). `on_written` gets each count that reached the sink.

    Where no pipe is left it goes by our own memory, little by little: one that is stuck holds no more than a tiny pipe.
    """

    __slots__ = ("_kept", "_on_written", "_pipe", "_pipes")

    def __init__(self, source: Loan, sink: Loan, most: int, on_written: Callable[[int], None], pipes: Pipes) -> None:
        super().__init__(source, sink, most)
        self._on_written = on_written
        self._pipes = pipes
        self._pipe: Pipe | None = None
        self._kept = b""

    def advance(self, most: int, piece: int) -> bool:
        if self._pipe is None and not self._kept:
            self._pipe = self._pipes.take()
        alive = self._advance(self._pipe, self.written + most, piece)
        if not self.held:
            self.release()
        return alive

    def release(self) -> None:
        self._kept = b""
        if self._pipe is not None:
            self._pipes.give_back(self._pipe, empty=not self.held)
            self._pipe = None

    def _advance(self, pipe: Pipe | None, stop: int, piece: int) -> bool:
        """Fill the pipe and empty it, again and again."""
        while self.written < stop:
            if not self.held:
                if not self.left or not self.readable:
                    break
                try:
                    count = self._read(pipe, min(self.left, piece))
                except BlockingIOError:
                    self.readable = False
                    break
                except OSError:
                    return False
                if not count:
                    return False
                self.held = count
                self._count_read(count)
            try:
                count = self._write(pipe)
            except BlockingIOError:
                self.writable = False
                break
            except OSError:
                return False
            self._count_written(count)
            self._on_written(count)
        return True

    def _read(self, pipe: Pipe | None, most: int) -> int:
        if pipe is not None:
            return os.splice(self.source.descriptor, pipe.into, min(most, pipe.size), flags=_FLAGS)
        self._kept = os.read(self.source.descriptor, min(most, TINY))
        return len(self._kept)

    def _write(self, pipe: Pipe | None) -> int:
        if pipe is not None:
            return os.splice(pipe.out, self.sink.descriptor, self.held, flags=_FLAGS)
        count = os.write(self.sink.descriptor, self._kept)
        self._kept = self._kept[count:]
        return count


class BufferedPassage(Passage):
    """Through a buffer that all such passages share: it is empty again before the next one's turn."""

    __slots__ = ("_buffer", "_kept", "_transform")

    def __init__(self, source: Loan, sink: Loan, most: int, transform: Transform, buffer: memoryview) -> None:
        super().__init__(source, sink, most)
        self._transform = transform
        self._buffer = buffer
        self._kept = b""

    def advance(self, most: int, piece: int) -> bool:
        """One piece, however much `most` is: inspecting takes longer than moving."""
        if not self.held:
            if not self.left or not self.readable:
                return True
            try:
                count = os.readv(self.source.descriptor, [self._buffer[: min(self.left, piece)]])
            except BlockingIOError:
                self.readable = False
                return True
            except OSError:
                return False
            if not count:
                return False
            self._count_read(count)
            return self._write(self._transform(self._buffer[:count]))
        return self._write([self._kept])

    def release(self) -> None:
        self._kept = b""

    def _write(self, pieces: Sequence[bytes | memoryview]) -> bool:
        """What cannot be written now is copied: the buffer is used by other passages."""
        if len(pieces) > _MOST_AT_ONCE:
            pieces = [b"".join(pieces)]
        self.held = sum(map(len, pieces))
        count = 0
        try:
            count = os.writev(self.sink.descriptor, pieces) if self.held else 0
        except BlockingIOError:
            self.writable = False
        except OSError:
            return False
        if count:
            self._count_written(count)
        self._kept = b"".join(pieces)[count:] if self.held else b""
        return True
