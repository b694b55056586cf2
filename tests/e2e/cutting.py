"""Owns a TCP proxy that breaks what runs through it when a test says so: a network that fails and comes back."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from typing import Self

__all__ = ["CuttingProxy"]

_RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Listens on `port` of loopback and passes bytes to `target`, both ways, from threads of its own.

    It cuts by itself each time that it has carried as many bytes as the next of its `goals`.
    """

    def __init__(self, target: int, goals: Sequence[int] = ()) -> None:
        self._target = target
        self._goals = list(goals)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self.carried = 0
        self.cuts = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> int:
        """Reset every connection; returns how many those were."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for one in pair:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                with_suppressed(one.shutdown, socket.SHUT_RDWR)
                one.close()
        self.cuts += bool(pairs)
        return len(pairs)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._pairs.add((client, server))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(16384):
                other.sendall(data)
                with self._lock:
                    self.carried += len(data)
                    due = bool(self._goals) and self.carried >= self._goals[0]
                    if due:
                        del self._goals[0]
                if due:
                    self.cut()
        except OSError:
            return
        with_suppressed(other.shutdown, socket.SHUT_WR)


def with_suppressed(act: object, *arguments: object) -> None:
    """Do what may fail because the other side was faster."""
    try:
        act(*arguments)
    except OSError:
        return
