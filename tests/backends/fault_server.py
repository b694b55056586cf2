"""A server that does what a test tells it: raw bytes on real sockets, on a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec, Credentials
from gateway.core.route import UpstreamCall
from tests.servers import over_tls

CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


@dataclass
class Peer:
    """The server's view of one connection. `number` counts connections from 0."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: Seen

    async def request(self) -> tuple[str, bytes]:
        """The next request: head as text, whole body. The head is recorded before the body is read."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        self.seen.heads.append(head)
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
        body = await self.reader.readexactly(length)
        self.seen.bodies.append(body)
        return head, body

    async def head(self) -> str:
        """Only the head of the next request; its body stays unread."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        self.seen.heads.append(head)
        return head

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_closed(self) -> bytes:
        """Everything until the client ends the connection."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


@dataclass
class Seen:
    """What reached the server."""

    port: int = 0
    connections: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{over_tls.scheme()}://127.0.0.1:{self.port}"


Script = Callable[[Peer], Awaitable[None]]


def reply(body: bytes = b"", status: str = "200 OK", extra: str = "") -> bytes:
    """A well-formed answer."""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode() + body


@asynccontextmanager
async def fault_server(script: Script, host: str = "127.0.0.1", *, plain: bool = False) -> AsyncIterator[Seen]:
    """Run `script` for each connection; it ends by closing the connection. A `plain` one is asked by others than the
    gateway's own client, and has no TLS in whatever run."""
    seen = Seen()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(seen.connections, reader, writer, seen)
        seen.connections += 1
        try:
            await script(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            seen.closed.set()

    server = await asyncio.start_server(accept, host, 0, ssl=None if plain else over_tls.listener())
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()


@asynccontextmanager
async def upstream_to(port: int, **changes: object) -> AsyncIterator[StoreUpstream]:
    """Our upstream, with one backend called `b` at that port."""
    place = {"endpoint": f"{over_tls.scheme()}://127.0.0.1:{port}", "ca_file": over_tls.authorities()}
    options: dict[str, Any] = {**place, **changes}
    spec = BackendSpec.resolve("b", PROFILES["generic"], CREDENTIALS, **options)
    upstream = StoreUpstream([spec])
    try:
        yield upstream
    finally:
        await upstream.close()


async def drain(upstream: StoreUpstream, of: UpstreamCall) -> bytes:
    """The whole body, chunk by chunk."""
    async with upstream.open(of) as answer:
        return b"".join([chunk async for chunk in answer.body])


async def read(upstream: StoreUpstream, of: UpstreamCall, limit: int = 10**6) -> bytes:
    """The whole body at once."""
    async with upstream.open(of) as answer:
        return await answer.body.read(limit)


def call(method: str = "GET", key: str = "k", length: int | None = None) -> UpstreamCall:
    return UpstreamCall(backend="b", method=method, bucket="bkt", key=key, body_length=length)
