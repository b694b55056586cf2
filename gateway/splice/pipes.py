"""Owns the kernel's pipes that bytes pass through on their way from socket to socket: the first large, reused.

Refuses to own what passes through them (`gateway.splice.pump`).

Law: what they hold together is bounded, below what the kernel grants an unprivileged user for the pipes of all its
processes (`fs.pipe-user-pages-soft`, 64 MiB by default). Above the bound, none is given.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Final

from gateway.splice.descriptors import FOR_PASSAGES, is_kept

LARGE: Final = 1024 * 1024
"""Bytes of the first pipes: the most that an unprivileged process may set (`fs.pipe-max-size`)."""

SMALL: Final = 65536
"""Bytes of a further pipe: the kernel's default."""

TINY: Final = 16384
"""Bytes of a pipe where there are many: most of them wait for a client that does not read. A smaller one does not
pay."""

_LARGE_COUNT: Final = 16
_TINY_FROM: Final = 128
_COUNT: Final = min(640, FOR_PASSAGES // 4)
_KEPT: Final = 8


class Pipe:
    """One pipe: `into` takes bytes and `out` gives them; `size` is how many it can hold."""

    __slots__ = ("into", "out", "size")

    def __init__(self, out: int, into: int, size: int) -> None:
        self.out, self.into, self.size = out, into, size

    def close(self) -> None:
        os.close(self.out)
        os.close(self.into)


class Pipes:
    """The pipes of one event loop."""

    def __init__(self) -> None:
        self._kept: list[Pipe] = []
        self._large = 0
        self.count = 0

    def take(self) -> Pipe | None:
        """An empty pipe; None when there are too many already, or the system has no more."""
        if self._kept:
            return self._kept.pop()
        if self.count >= _COUNT:
            return None
        try:
            out, into = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with suppress(OSError):  # not granted: it stays as large as it is
            if self._large < _LARGE_COUNT:
                fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, LARGE)
            elif self.count >= _TINY_FROM:
                fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, TINY)
        pipe = Pipe(out, into, fcntl.fcntl(into, fcntl.F_GETPIPE_SZ))
        if pipe.size < TINY or is_kept(max(out, into)):  # the user, or this process, has had all that it may have
            pipe.close()
            return None
        self.count += 1
        self._large += pipe.size > SMALL
        return pipe

    def give_back(self, pipe: Pipe, *, empty: bool = True) -> None:
        """Take it back; one that still holds bytes is closed, and they are lost."""
        if empty and pipe.size > TINY and len(self._kept) < _KEPT:
            self._kept.append(pipe)
            return
        self.count -= 1
        self._large -= pipe.size > SMALL
        pipe.close()

    def close(self) -> None:
        while self._kept:
            self._kept.pop().close()
