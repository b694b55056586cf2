"""How many connections one address may have, and what becomes of a proxy that speaks the PROXY protocol."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.attempt import Address
from gateway.core.limits import share_of
from gateway.data.state import peers as peers_module
from gateway.data.state.peers import Peers
from gateway.server.listener import HttpServer
from gateway.server.tls import Certificates
from gateway.splice.descriptors import FIRST_KEPT
from gateway.telemetry.metrics import Metrics
from tests.data.harness import Rig, request
from tests.data.raw_client import RawClient
from tests.server.test_tls import certificate
from tests.servers import over_tls

HERE, THERE = ip_address("127.0.0.1"), ip_address("192.0.2.1")
HEADERS = {
    "version 1": b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n",
    "unknown": b"PROXY UNKNOWN\r\n",
    "version 2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
}


@asynccontextmanager
async def listening(
    rig: Rig, most: int = 3, trusted: tuple[Address, ...] = (), tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A second listener of the rig, which looks at who comes; its port."""
    assert rig.server is not None
    peer_limit = Peers(lambda: most, lambda peer: peer in trusted, rig.plane.metrics)
    server = HttpServer(rig.server.handle, head_seconds=10.0, peer_limit=peer_limit)
    port = await server.listen("127.0.0.1", 0, tls or over_tls.listener())
    try:
        yield port
    finally:
        await server.close(0.2)


async def answered(client: RawClient) -> int | None:
    """The status of an answer, None if the connection has ended instead."""
    try:
        await client.send(request("GET", "/robots.txt"))
        return (await client.answer()).status or None
    except (ConnectionError, EOFError, AssertionError):
        return None


async def answered_once(port: int) -> int | None:
    """The same of a client that comes for this alone; over TLS, it may not even agree on that."""
    with suppress(OSError):
        async with RawClient(port) as client:
            return await answered(client)
    return None


async def test_one_address_leaves_room_for_others(rig: Rig) -> None:
    """What is more than its share is closed, counted each time and logged once; when one ends the next may come."""
    async with listening(rig) as port, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(port)) for _ in range(3)]
        assert [200] * 3 == [await answered(client) for client in clients]
        with capture_logs() as logs:
            for _ in range(2):
                assert None is await answered_once(port)
        (told,) = [line for line in logs if line["event"] == "too many connections of one address"]
        assert ("127.0.0.1", True) == (told["peer"], "trusted_proxies" in told["advice"])
        assert 2 == rig.metric("gateway_connections_refused_total", why="too_many")
        assert [200] * 3 == [await answered(client) for client in clients]
        await clients.pop().__aexit__(None, None, None)
        async with asyncio.timeout(5):
            while await answered_once(port) is None:  # it is let in once the end of the other is noticed
                pass


async def test_a_declared_proxy_has_any_number(rig: Rig) -> None:
    """It stands for many; so do hundreds of connections of one client's pool, which is far from the usual share."""
    async with listening(rig, most=1, trusted=(HERE,)) as port, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(port)) for _ in range(20)]
        assert [200] * 20 == [await answered(client) for client in clients]
    async with listening(rig, most=4096) as port, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(port)) for _ in range(400)]
        assert [200] * 400 == [await answered(client) for client in clients]
    assert 0 == rig.metric("gateway_connections_refused_total", why="too_many")


def test_no_address_has_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the files that the process may have open the others keep a quarter, whatever the settings say; each address
    has its own count, and a Unix socket none."""
    monkeypatch.setattr(peers_module, "MOST", 8)
    peers = Peers(lambda: 4096, lambda peer: False, Metrics())
    assert [True] * 6 + [False] * 2 == [peers.enter(HERE, 0) for _ in range(8)]
    assert 6 == share_of(8)
    assert (True, True) == (peers.enter(THERE, 0), peers.enter(None, 0))
    peers.leave(None)
    for _ in range(6):
        peers.leave(HERE)
    assert peers.enter(HERE, 0)
    assert {str(HERE): 1, str(THERE): 1} == peers._open


def test_a_customers_network_is_one_client() -> None:
    """Who holds a /64 of IPv6 has as many addresses as they like, and one share; each of IPv4 has its own, in whatever
    form a socket gives it, and so has the next network."""
    peers = Peers(lambda: 2, lambda peer: False, Metrics())
    mine = [ip_address(f"2001:db8::{number:x}") for number in range(1, 4)]
    assert [True, True, False] == [peers.enter(peer, 0) for peer in mine]
    others = ("2001:db8:0:1::1", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2")
    assert [True] * 4 == [peers.enter(ip_address(text), 0) for text in others]
    peers.leave(mine[2])
    assert peers.enter(mine[0], 0)
    trusted = Peers(lambda: 2, lambda peer: peer in mine, Metrics())
    assert [True] * 3 == [trusted.enter(peer, 0) for peer in mine]


def test_the_last_descriptors_are_nobodys() -> None:
    """Neither an address, nor a declared proxy, nor whoever comes through a Unix socket gets one of them; what comes
    under a lower number is let in."""
    metrics = Metrics()
    peers = Peers(lambda: 4096, lambda peer: True, metrics)
    with capture_logs() as logs:
        assert [True, False, False, False] == [
            peers.enter(HERE, FIRST_KEPT - 1),
            peers.enter(HERE, FIRST_KEPT),
            peers.enter(THERE, FIRST_KEPT + 1),
            peers.enter(None, FIRST_KEPT),
        ]
    assert ["file descriptors run out"] == [line["event"] for line in logs]
    page = metrics.render("")[1].decode()
    assert 'gateway_connections_refused_total{why="no_descriptors"} 3.0' in page
    assert {str(HERE): 1} == peers._open


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
async def test_a_proxy_that_speaks_its_own_protocol_is_told_of(rig: Rig, header: bytes) -> None:
    """It gets the fixed 400, and the log says what to do, once; a metric counts each connection."""
    async with listening(rig) as port:
        with capture_logs() as logs:
            for _ in range(2):
                async with RawClient(port) as client:
                    await client.send(header + request("GET", "/robots.txt"))
                    assert 400 == (await client.answer()).status
        (told,) = [line for line in logs if line["event"] == "a connection began with the PROXY protocol"]
        assert ("127.0.0.1", True) == (told["peer"], "X-Forwarded-For" in told["advice"])
        assert 2 == rig.metric("gateway_connections_refused_total", why="proxy_protocol")


@pytest.mark.parametrize("head", [b"PROXIES / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"junk\r\n\r\n"])
async def test_other_rubbish_is_no_proxy(rig: Rig, head: bytes) -> None:
    """It gets its 400, and nothing is said of proxies; nor of what follows a request on a connection."""
    async with listening(rig) as port:
        with capture_logs() as logs:
            async with RawClient(port) as client:
                await client.send(head)
                assert 400 == (await client.answer()).status
            async with RawClient(port) as client:
                assert 200 == await answered(client)
                await client.send(HEADERS["version 1"])
                assert 400 == (await client.answer()).status
    assert [] == [line for line in logs if "PROXY" in line["event"]]
    assert 0 == rig.metric("gateway_connections_refused_total", why="proxy_protocol")


async def _say(port: int, data: bytes) -> None:
    """Connect, send this and hear the connection out."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    with suppress(ConnectionError):
        await reader.read()
    writer.close()


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
async def test_before_tls_it_is_told_as_well(rig: Rig, tmp_path: Path, header: bytes) -> None:
    """Once, without an address, as none is known there; each connection is counted."""
    tls = Certificates(lambda _: None).load({"data": certificate(tmp_path)})["data"]
    async with listening(rig, tls=tls) as port:
        with capture_logs() as logs:
            for _ in range(2):
                await _say(port, header + b"\x16\x03\x01\x02\x00")
        (told,) = [line for line in logs if line["event"] == "a connection began with the PROXY protocol"]
        assert ("unknown, before TLS", True) == (told["peer"], "X-Forwarded-For" in told["advice"])
        assert 2 == rig.metric("gateway_connections_refused_total", why="proxy_protocol")


async def test_tls_itself_is_no_proxy(rig: Rig, tmp_path: Path) -> None:
    """A handshake is served as it always was, also one that comes byte by byte; rubbish is told to nobody."""
    tls = Certificates(lambda _: None).load({"data": certificate(tmp_path)})["data"]
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    async with listening(rig, tls=tls) as port:
        with capture_logs() as logs:
            await _say(port, request("GET", "/robots.txt"))
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
            writer.write(request("GET", "/robots.txt"))
            assert b"HTTP/1.1 200" == (await reader.readline())[:12]
            writer.close()
            assert b"HTTP/1.1 200" == await _ask_slowly(port, client)
    assert [] == [line for line in logs if "PROXY" in line["event"]]
    assert 0 == rig.metric("gateway_connections_refused_total", why="proxy_protocol")


async def _ask_slowly(port: int, client: ssl.SSLContext) -> bytes:
    """Send each byte of the handshake by itself, then ask; the beginning of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client.wrap_bio(incoming, outgoing)
    for act in (tls.do_handshake, lambda: tls.write(request("GET", "/robots.txt")), lambda: tls.read(12)):
        while True:
            try:
                answer = act()
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    writer.write(bytes([byte]))
                    await writer.drain()
                incoming.write(await reader.read(65536))
        writer.write(outgoing.read())
    writer.close()
    assert isinstance(answer, bytes)
    return answer
