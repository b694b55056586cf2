"""A TCP relay in front of a server that can be cut, or made deaf, while a test runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """`url` leads through the relay. While `cut`, connections break; while `deaf`, they stay and nothing passes."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._hearing = asyncio.Event()
        self._hearing.set()
        self._down = False
        self.accepted = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._target.username}@" if self._target.username else ""
        return urlunsplit(self._target._replace(netloc=f"{user}127.0.0.1:{port}"))

    def lead_to(self, url: str) -> None:
        """New connections go to another server from now on; the open ones break."""
        self._target = urlsplit(url)
        for writer in self._writers:
            writer.transport.abort()

    def cut(self) -> None:
        self._down = True
        for writer in self._writers:
            writer.transport.abort()

    def deafen(self) -> None:
        self._hearing.clear()

    def heal(self) -> None:
        self._down = False
        self._hearing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._down:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:  # the server is away, and the wire says so as the network would
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._writers -= {writer, back}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._hearing.wait()
                writer.write(data)
        except OSError:
            pass
        writer.close()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    wire = Wire(url)
    wire._server = await asyncio.start_server(wire._serve, "127.0.0.1", 0)
    yield wire
    wire.heal()
    wire._server.close()
    wire.cut()
    await asyncio.sleep(0)
