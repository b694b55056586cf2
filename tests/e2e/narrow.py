"""Owns a TCP proxy whose way up is narrow: so many bytes a second for each connection, or for all of them together."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Self

__all__ = ["NarrowProxy"]

_BUFFER = 64 * 1024
"""Bytes that the way itself holds, as little as kernels give: else what was sent would say nothing of what came."""


class _Pace:
    """When so many bytes more may pass."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = 0.0
        self._lock = threading.Lock()

    def wait(self, size: int) -> None:
        with self._lock:
            start = max(self._free, time.monotonic())
            self._free = start + size / self._rate
        time.sleep(max(0.0, self._free - time.monotonic()))


class NarrowProxy:
    """Listens on `port` of loopback and passes bytes to `target`; `each` and `together` are bytes a second."""

    def __init__(self, target: int, *, each: float | None = None, together: float | None = None) -> None:
        self._target = target
        self._each = each
        self._together = None if together is None else _Pace(together)
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self.carried: list[int] = []
        """Bytes that each connection has brought so far."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def cut(self) -> None:
        """Break every connection off."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.carried.append(0)
            threading.Thread(target=self._connect, args=(client, len(self.carried) - 1), daemon=True).start()

    def _connect(self, client: socket.socket, number: int) -> None:
        pace = self._together or (None if self._each is None else _Pace(self._each))
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            self._open |= {client, server}
            down = threading.Thread(target=_pass, args=(server, client), daemon=True)
            down.start()
            with suppress(OSError):
                while data := client.recv(_BUFFER if pace is not None else 16 * _BUFFER):
                    if pace is not None:
                        pace.wait(len(data))
                    server.sendall(data)
                    self.carried[number] += len(data)
            with suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            down.join()
            self._open -= {client, server}


def _pass(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(_BUFFER):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
