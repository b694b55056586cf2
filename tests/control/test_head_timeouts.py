"""Connections to the control API that say nothing, or not enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import web

from gateway.control import routes
from gateway.control.head_timeouts import HeadTimeoutRunner
from gateway.control.routes import in_time

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await in_time(request.read()))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that answers with the body it was sent, and waits a quarter of a second for a head."""
    app = web.Application()
    app.router.add_post("/", _echo)
    runner = HeadTimeoutRunner(app, head_seconds=0.25)
    runner._shutdown_timeout = 0.5
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"\r\n\r\n\r\nPOST / HTTP/1.1\r\n", HEAD[:-2], HEAD[:-1]])
async def test_a_connection_without_a_whole_head_ends(port: int, said: bytes) -> None:
    """Whatever was said before it, line ends included."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    with suppress(ConnectionResetError):
        assert b"" == await asyncio.wait_for(reader.read(), 5)
    writer.close()


@pytest.mark.parametrize("pieces", [[HEAD], [HEAD[:20], HEAD[20:-3], HEAD[-3:-1], HEAD[-1:]], [b"\r\n", HEAD]])
async def test_a_whole_head_may_wait_for_its_body(port: int, pieces: list[bytes]) -> None:
    """The clock of the head stops with the head, in however many pieces it came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.4)
    writer.write(b"body")
    assert b"HTTP/1.1 200 OK" == (await asyncio.wait_for(reader.readline(), 5)).strip()
    writer.close()


async def test_a_body_that_does_not_come_is_answered(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 408, and nobody waits for it any longer."""
    monkeypatch.setattr(routes, "BODY_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"bo")
    assert b"HTTP/1.1 408" == (await asyncio.wait_for(reader.readline(), 5))[:12]
    writer.close()
