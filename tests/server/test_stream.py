"""The way out of a client's connection, over a transport that a test holds in its hands."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from gateway.server.stream import ClientStream


class _Stream(ClientStream):
    """The same, told of its transport as a connection is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = None
        self.resume_writing()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[_Stream, socket.socket]]:
    """A stream, and the client's end of it."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: _Stream(loop), sock=ours)
    try:
        with theirs:
            yield stream, theirs
    finally:
        stream.abort()
        await asyncio.sleep(0)


async def fill(stream: _Stream) -> None:
    """Write until the client is behind."""
    while not stream.write(b"x" * 65536):
        await stream.drain()


async def test_whoever_takes_nothing_is_behind_until_all_is_taken() -> None:
    """`drain` waits for it, and for nobody else."""
    async with connected() as (stream, client):
        await stream.drain()
        await fill(stream)
        assert stream.behind
        waiting = asyncio.get_running_loop().create_task(stream.drain())
        async with asyncio.timeout(5):
            while not waiting.done():
                await asyncio.get_running_loop().sock_recv(client, 65536)
        assert not stream.write(b"more")


async def test_who_waits_is_told_that_the_client_has_gone() -> None:
    """Whoever writes or waits then, hears of it as a broken connection."""
    async with connected() as (stream, _):
        await fill(stream)
        waiting = asyncio.get_running_loop().create_task(stream.drain())
        await asyncio.sleep(0)
        stream.abort()
        with pytest.raises(ConnectionError):
            await waiting
        with pytest.raises(ConnectionError):
            stream.write(b"more")
        assert stream.behind


async def test_a_reset_tells_how_much_never_left() -> None:
    """Once: of a connection that is gone nothing is left."""
    async with connected() as (stream, _):
        await fill(stream)
        waiting = stream.unacknowledged
        assert 65536 <= stream.reset() <= waiting
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionError):
                await stream.drain()
        assert 0 == stream.reset() == stream.unacknowledged


async def test_what_was_never_connected_can_be_ended() -> None:
    """And has neither a number nor a client."""
    stream = ClientStream(asyncio.get_running_loop())
    stream.abort()
    assert (-1, True, False, 0) == (stream.descriptor, stream.behind, stream.encrypted, stream.reset())
    assert await stream.lend(lambda count: None) is None
