"""Owns one connection that sends a request, reads the whole answer, and only then sends the next one.

Refuses to own load (`tests.bench.load`): this is for counts, where one request after the other is the most exact.
"""

from __future__ import annotations

import re
import socket
from typing import Self

from tests.bench.requests import Message

__all__ = ["Connection"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection:
    """A client of one server, on one socket."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), 120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(1 << 20))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, message: Message) -> int:
        """Send it and read the answer; returns the bytes of its body. Anything but success is a RuntimeError."""
        self._socket.sendall(message.data)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self._socket.recv(65536)
            if not piece:
                raise RuntimeError(f"no answer to {message.head[:60]!r}")
            head += piece
        head, _, rest = head.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        bodiless = head.startswith(b"HTTP/1.1 204")
        if not head.startswith(b"HTTP/1.1 2") or (found is None and not bodiless):
            raise RuntimeError(f"{message.head[:200]!r}: {head!r} {rest[:500]!r}")
        length, came = int(found[1]) if found is not None else 0, len(rest)
        while came < length:
            got = self._socket.recv_into(self._buffer)
            if not got:
                raise RuntimeError(f"{came} of {length} bytes came")
            came += got
        return came
