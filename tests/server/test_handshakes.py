"""Who comes to a listener with TLS, and has not agreed on it yet."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.core.attempt import Address
from gateway.server.listener import HttpServer
from gateway.server.tls import Certificates
from tests.data.harness import Rig, request
from tests.server.test_tls import certificate

pytestmark = pytest.mark.both_loops


@dataclass
class Counted:
    """A `PeerLimit` that lets two in at once, and remembers how many were."""

    now: int = 0
    ever: int = 0
    refused: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self, peer: Address | None, descriptor: int) -> bool:
        assert "127.0.0.1" == str(peer)
        assert descriptor > 2
        may = self.now < 2
        self.now, self.ever, self.refused = self.now + may, self.ever + may, self.refused + (not may)
        self.changed.set()
        return may

    def leave(self, peer: Address | None) -> None:
        assert "127.0.0.1" == str(peer)
        self.now -= 1
        self.changed.set()

    def note_proxy_protocol(self, peer: Address | None, *, encrypted: bool = False) -> None: ...

    async def until(self, now: int, ever: int) -> None:
        """Wait until so many are in, and so many were."""
        async with asyncio.timeout(5):
            while (now, ever) != (self.now, self.ever):
                self.changed.clear()
                await self.changed.wait()


async def ends(client: socket.socket) -> bool:
    """Whether the other side ends the connection, be it by a reset."""
    with suppress(ConnectionResetError):
        while await asyncio.to_thread(client.recv, 100):  # an alert, from some
            pass
    return True


@dataclass
class Place:
    server: HttpServer
    port: int
    counted: Counted
    trust: ssl.SSLContext

    def silent(self) -> socket.socket:
        """A client that says nothing."""
        return socket.create_connection(("127.0.0.1", self.port), 5)

    async def status(self) -> bytes:
        """How the answer to a client begins that does as it should."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust)
        writer.write(request("GET", "/robots.txt", {"Connection": "close"}))
        line = await reader.readline()
        await reader.read()
        writer.close()
        return line.strip()


@asynccontextmanager
async def placed(rig: Rig, directory: Path, seconds: float = 30.0) -> AsyncIterator[Place]:
    assert rig.server is not None
    tls = Certificates(lambda _: None).load({"data": certificate(directory)})["data"]
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    counted = Counted()
    server = HttpServer(rig.server.handle, head_seconds=seconds, peer_limit=counted)
    try:
        yield Place(server, await server.listen("127.0.0.1", 0, tls), counted, trust)
    finally:
        await server.close(0.2)
    await counted.until(now=0, ever=counted.ever)


async def test_who_begins_no_handshake_is_counted(rig: Rig, tmp_path: Path) -> None:
    """From the moment they come, as who says nothing over TCP is; there is room again once they have left."""
    async with placed(rig, tmp_path) as place:
        with place.silent(), place.silent(), place.silent() as third:
            await place.counted.until(now=2, ever=2)
            assert await ends(third)
            assert 1 == place.counted.refused
        await place.counted.until(now=0, ever=2)
        assert b"HTTP/1.1 200 OK" == await place.status()
        await place.counted.until(now=0, ever=3)


async def test_a_connection_is_counted_once(rig: Rig, tmp_path: Path) -> None:
    """Before its handshake, and after it until it ends."""
    async with placed(rig, tmp_path) as place:
        _, one = await asyncio.open_connection("127.0.0.1", place.port, ssl=place.trust)
        _, other = await asyncio.open_connection("127.0.0.1", place.port, ssl=place.trust)
        await place.counted.until(now=2, ever=2)
        one.close()
        other.close()
        await place.counted.until(now=0, ever=2)


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05", b""])
async def test_what_is_no_handshake_ends(rig: Rig, tmp_path: Path, said: bytes) -> None:
    """At once if it cannot become one any more, else when its time is over; nobody is counted for it then."""
    async with placed(rig, tmp_path, seconds=0.2) as place:
        with place.silent() as client:
            client.sendall(said)
            await place.counted.until(now=1, ever=1)
            await place.counted.until(now=0, ever=1)
            assert await ends(client)
        assert b"HTTP/1.1 200 OK" == await place.status()


async def test_the_end_of_a_listener_ends_them(rig: Rig, tmp_path: Path) -> None:
    """Those whose handshake has begun, too; nobody else is let in."""
    async with placed(rig, tmp_path) as place:
        with place.silent() as client, place.silent() as other:
            other.sendall(b"\x16\x03\x01\x00\x05")
            await place.counted.until(now=2, ever=2)
            await place.server.close(0.2)
            assert 0 == place.counted.now
            assert await ends(client)
            assert await ends(other)
        with pytest.raises(ConnectionRefusedError):
            place.silent()


async def test_where_descriptors_run_out_they_wait(rig: Rig, tmp_path: Path) -> None:
    """And are let in when there are some again."""
    async with placed(rig, tmp_path) as place:
        held = resource.getrlimit(resource.RLIMIT_NOFILE)
        with ExitStack() as stack:
            stack.enter_context(place.silent())
            await place.counted.until(now=1, ever=1)
            waiting = stack.enter_context(place.silent())
            resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, held[1]))
            try:
                await asyncio.sleep(0.1)  # it would come in this time
                assert 1 == place.counted.ever
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, held)
            await place.counted.until(now=2, ever=2)
