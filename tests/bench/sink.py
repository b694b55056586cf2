"""A store that accepts every upload and keeps none: it counts the body's bytes and answers 200 with an ETag.

Run it: `python -m tests.bench.sink PORT`.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_EXPECTS = re.compile(rb"expect: *100-continue", re.IGNORECASE)
_ANSWER = b'HTTP/1.1 200 OK\r\nETag: "0123456789abcdef0123456789abcdef"\r\nContent-Length: 0\r\n\r\n'


class Sink(asyncio.BufferedProtocol):
    """One connection; `left` is None between requests."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(262144))
        self.head = b""
        self.left: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.left is None:
            self.head += bytes(self.buffer[:nbytes])
            head, end, rest = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            length = _LENGTH.search(head)
            self.head, self.left, nbytes = b"", int(length[1]) if length else 0, len(rest)
            if _EXPECTS.search(head):
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.left -= nbytes
        if not self.left:
            self.left = None
            self.transport.write(_ANSWER)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
