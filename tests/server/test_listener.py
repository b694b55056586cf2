"""The listening sockets of the data plane, and the clock that watches their connections."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import struct
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.core.request import Action
from gateway.server.listener import HttpServer
from tests.data.harness import Rig, deny, policy, request, rule, running
from tests.data.raw_client import RawClient
from tests.data.scripted_store import Scripted


async def test_an_answer_says_when_it_was_made(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the form of RFC 9110, 5.6.7, anew each second."""
    server = rig.server
    assert server is not None
    for second in (1_790_000_000.2, 1_790_000_000.9, 1_790_000_001.0):
        monkeypatch.setattr("gateway.server.listener.time.time", lambda at=second: at)
        assert int(second) == parsedate_to_datetime(server.date()).timestamp()


async def _answers(rig: Rig, host: str, family: socket.AddressFamily, address: str) -> bool:
    """Whether a listener at `host` answers a client that comes to this address of the machine."""
    assert rig.server is not None
    port = await rig.server.listen(host, 0)
    with socket.socket(family) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(client, (address, port))
        except ConnectionRefusedError:
            return False
        await loop.sock_sendall(client, request("GET", "/robots.txt"))
        return (await loop.sock_recv(client, 15)).startswith(b"HTTP/1.1 200")


@pytest.mark.both_loops
@pytest.mark.parametrize(("host", "four", "six"), [("::", True, True), ("::1", False, True), ("0.0.0.0", True, False)])
async def test_every_address_is_those_of_both_versions(rig: Rig, host: str, *, four: bool, six: bool) -> None:
    """`[::]` is where clients of IPv4 come to, too; they are known by their own addresses. Others are as they say."""
    assert four is await _answers(rig, host, socket.AF_INET, "127.0.0.1")
    assert six is await _answers(rig, host, socket.AF_INET6, "::1")


@pytest.mark.both_loops
async def test_many_who_come_at_once_wait_in_the_kernel(rig: Rig) -> None:
    """While this process is at something else, nobody is turned away."""
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", rig.port), 0.9))  # a second try comes after 1 s


@pytest.mark.both_loops
@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
async def test_several_who_wait_are_taken_in_one_turn(rig: Rig, host: str) -> None:
    """Beside hundreds of busy clients a turn is long, and whoever comes anew must not wait for one each."""
    assert rig.server is not None
    server = HttpServer(rig.server.handle, head_seconds=1.0)
    port, turns = await server.listen(host, 0), 0
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        while len(server._connections) < 60 and turns < 60:
            await asyncio.sleep(0)
            turns += 1
        await server.close()
    assert turns <= 20


@pytest.mark.both_loops
async def test_a_port_that_is_taken_in_either_version_is_no_place_to_listen(rig: Rig) -> None:
    """Half a listener would serve some clients only."""
    assert rig.server is not None
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="Address already in use"):
        await rig.server.listen("::", other.getsockname()[1])


@pytest.mark.both_loops
@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
async def test_where_no_socket_can_be_had_is_no_place_to_listen(rig: Rig, host: str) -> None:
    """Without descriptors, or without a version of IP, the start says so."""
    assert rig.server is not None
    held = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as lowest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest.fileno() + 1, held[1]))
        try:
            with pytest.raises(OSError, match=r"no socket|Too many open files"):
                await rig.server.listen(host, 0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, held)


def _sent_and_left(port: int, text: bytes, *, reset: bool) -> None:
    """All of it is there before the listener looks."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", int(reset), 0))
        client.sendall(text)


@pytest.mark.both_loops
@pytest.mark.parametrize("reset", [True, False])
async def test_nobody_is_without_an_address_by_leaving(*, reset: bool) -> None:
    """Who resets a connection at once, whose address the kernel no longer tells then, is not taken for a Unix socket's
    peer: rules against networks hold, and a record says who it was. Who just leaves is heard."""
    async with running(policy(rule("everything"), deny("not from here", networks=(ip_network("127.0.0.0/8"),)))) as rig:
        sent = request("PUT", f"/s/{await rig.link(prefix='', actions={Action.WRITE})}/a", body=b"hello")
        assert rig.server is not None
        port = await rig.server.listen("127.0.0.1", 0)
        _sent_and_left(port, sent, reset=reset)
        async with RawClient(port, plain=True) as client:  # who comes after it
            await client.send(sent)
            assert 410 == (await client.answer()).status
        await rig.settled()
        assert {} == rig.store.objects
        assert {"127.0.0.1"} == {record.peer for record in rig.records}
        assert reset or 2 == len(rig.records)


async def test_an_idle_connection_ends_with_the_listening(rig: Rig) -> None:
    """One that is being answered goes on, and then ends too."""
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, hold, b"x" * 30_000], length=100_000))
    token = await rig.link()
    async with rig.client() as idle, rig.client() as busy:
        await idle.send(request("GET", "/robots.txt"))
        await idle.answer()
        await busy.send(request("GET", f"/s/{token}"))
        await busy.head()
        assert rig.server is not None
        assert rig.server.busy
        rig.server.draining = True
        rig.server.stop_listening()
        assert b"" == await idle.rest()
        hold.set()
        assert 100_000 == len(await busy.rest())
    assert not rig.server.busy


async def test_a_parting_listener_tells_each_client(rig: Rig) -> None:
    """So that none sends its next request into a connection that is about to close."""
    assert rig.server is not None
    rig.server.draining = True
    async with rig.client() as client:
        await client.send(request("GET", "/robots.txt"))
        assert "close" == (await client.answer()).header("connection")
        assert b"" == await client.rest()


async def test_what_does_not_end_is_ended(rig: Rig) -> None:
    """An answer that is still in work when the listener closes breaks off."""
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, asyncio.Event()], length=100_000))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{await rig.link()}"))
        await client.head()
        assert rig.server is not None
        await rig.server.close(0.05)
        assert len(await client.rest()) < 100_000
        assert client.ended


async def test_a_handshake_that_does_not_come_ends_the_connection(rig: Rig) -> None:
    """Under TLS a connection that says nothing has the same time as a head."""
    assert rig.server is not None
    hasty = HttpServer(rig.server.handle, head_seconds=0.05)
    port = await hasty.listen("127.0.0.1", 0, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    async with RawClient(port, plain=True) as client:
        assert b"" == await client.rest()
    await hasty.close()


async def test_a_unix_socket_is_a_listener_too(rig: Rig, tmp_path: Path) -> None:
    """Whoever speaks on it has no address."""
    assert rig.server is not None
    peers: list[object] = []
    handle = rig.server.handle

    async def looked(connection, arrival) -> None:
        peers.append(connection.peer)
        await handle(connection, arrival)

    server = HttpServer(looked, head_seconds=1.0)
    await server.listen_on_path(str(tmp_path / "socket"))
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "socket"))
    writer.write(request("GET", "/robots.txt"))
    assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
    writer.close()
    await server.close()
    assert [None] == peers
