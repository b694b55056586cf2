"""A TCP relay in front of a server that can be cut, or made deaf, while a test runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Wire:
    """`url` leads through the relay. While `cut`, connections break; while `deaf`, they stay and nothing passes."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
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
        for writer in tuple(self._writers):
            writer.transport.abort()

    def cut(self) -> None:
        self._down = True
        for writer in tuple(self._writers):
            writer.transport.abort()

    def deafen(self) -> None:
        self._hearing.clear()

    def heal(self) -> None:
        self._down = False
        self._hearing.set()

    async def end(self) -> None:
        """Leave no listener, no connection and no task behind: uvloop waits for such in its `close`, without end."""
        assert self._server is not None
        self._server.close()
        self.heal()
        self.cut()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        self.accepted += 1
        ends = {writer}
        try:
            if self._down:
                return
            there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
            ends.add(back)
            self._writers |= ends
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except (OSError, asyncio.CancelledError):  # the server is away and the wire says so, or the wire ends
            pass
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._hearing.wait()
                writer.write(data)
        except OSError:
            pass
        writer.close()


@asynccontextmanager
async def wire_to(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """With `tls`, clients speak it to the relay, whatever the server behind does."""
    wire = Wire(url)
    wire._server = await asyncio.start_server(wire._serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield wire
    finally:
        await wire.end()
