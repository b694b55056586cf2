"""One client's connection, on real sockets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.core.request import Action
from gateway.server import connection as room
from gateway.server.listener import FIRST_READ_SIZE
from gateway.server.request import IncomingBody, IncomingRequest
from tests.data.harness import Rig, request, running
from tests.data.raw_client import RawClient
from tests.data.scripted_store import Scripted

not_over_tls = pytest.mark.skipif("config.getoption('--over-tls')", reason="the event loops end both sides of it")


@pytest.mark.parametrize("beginning", [b"", b"GE", b"GET / HTTP/1.1\r\nHost: g", b"\r\n"])
async def test_a_head_that_does_not_come_ends_the_connection(beginning: bytes) -> None:
    """However little or much of it came."""
    async with running(head_seconds=0.5) as rig, rig.client() as client:
        if beginning:
            await client.send(beginning)
        assert b"200" not in await client.rest()
        assert client.ended


async def test_the_head_of_the_next_request_has_the_same_time(rig: Rig) -> None:
    """After an answer, the first byte of another head starts the clock again."""
    async with running(head_seconds=0.5) as hasty, hasty.client() as client:
        await client.send(b"GET /robots.txt HTTP/1.1\r\nHost: gw\r\n\r\n")
        assert 200 == (await client.answer()).status
        await client.send(b"GET /robots.txt HT")
        assert b"" == await client.rest()


async def test_a_slow_store_is_not_a_slow_head() -> None:
    """The head's time ends with the head."""
    async with running(head_seconds=0.5) as hasty:
        hasty.store.hold("inside/a.txt", b"hello")
        token = await hasty.link(actions=[Action.WRITE])
        async with hasty.client() as client:
            await client.send(f"PUT /s/{token} HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n\r\nhe".encode())
            assert [] == hasty.records
            await asyncio.sleep(1.0)
            await client.send(b"llo")
            assert 409 == (await client.answer()).status


MALFORMED = [
    b"NONSENSE\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: gw\r\nBad Name: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: gw\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
]


@pytest.mark.parametrize("bytes_", MALFORMED)
async def test_a_malformed_head_gets_a_fixed_text(rig: Rig, bytes_: bytes) -> None:
    """400, nothing of the parser's own words, and the end of the connection."""
    async with rig.client() as client:
        await client.send(bytes_)
        got = await client.answer()
        await client.rest()
    assert (400, b"malformed request\n", True) == (got.status, got.body, client.ended)


@pytest.mark.parametrize("line", ["GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/1.2"])
async def test_other_versions_are_refused(rig: Rig, line: str) -> None:
    """Only 1.0 and 1.1 are spoken."""
    async with rig.client() as client:
        await client.send(f"{line}\r\nHost: gw\r\n\r\n".encode())
        assert 400 == (await client.answer()).status


async def test_the_send_queue_of_a_connection_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP_NOTSENT_LOWAT bounds what waits after a cut, TCP_USER_TIMEOUT for how long an unread tail is kept; nothing
    waits for more to send (TCP_NODELAY). An accepted socket has them of the listening one."""
    found: list[int] = []
    options = (socket.TCP_NOTSENT_LOWAT, socket.TCP_USER_TIMEOUT, socket.TCP_NODELAY)
    made = room.Connection.connection_made

    def looked_at(self, transport):
        made(self, transport)
        sock = transport.get_extra_info("socket")
        found.extend(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)

    monkeypatch.setattr(room.Connection, "connection_made", looked_at)
    await rig.ask("GET", "/robots.txt")
    assert [128 * 1024, 20_000, 1] == found


async def test_bodies_are_never_decompressed(rig: Rig) -> None:
    """Bytes that say they are gzip are stored as they came."""
    token = await rig.link(actions=[Action.WRITE], overwrite=True)
    not_gzip = b"these are no gzip bytes"
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Encoding": "gzip"}, not_gzip))
        assert 201 == (await client.answer()).status
    assert not_gzip == rig.store.stored("inside/a.txt")


async def test_what_is_sent_into_a_slow_answer_waits_outside(app: Rig) -> None:
    """A client that goes on sending while its request is at the store fills its own memory, not ours."""
    stuck = asyncio.Event()
    app.store.script(Scripted(200, {}, [stuck, b"x"], length=1))
    async with app.client() as client:
        await client.send(request("GET", "/reports/a"))
        sent = idle = 0
        piece = b""
        while sent < 64 * 1024**2 and idle < 200:
            piece = piece or client.encrypted(b"x" * 65536)
            try:
                taken = client.sock.send(piece)
                sent, idle, piece = sent + taken, 0, piece[taken:]
            except BlockingIOError:
                idle += 1
            await asyncio.sleep(0)
        stuck.set()
    assert 200 == idle, f"{sent} bytes were taken"


async def test_requests_that_come_at_once_are_answered_one_after_the_other(rig: Rig) -> None:
    """With and without bodies, in pieces of the wire that know nothing of them, and each by itself."""
    token = await rig.link(None, prefix="in/", actions=[Action.WRITE])
    wire = b""
    for number in range(60):
        wire += request("PUT", f"/s/{token}/{number}", {}, b"%d" % number * 50)
        wire += request("GET", "/robots.txt", {"X-Filling": "x" * (number * 37)})
    async with rig.client() as client:
        await client.send(wire)
        answers = [(await client.answer()).status for _ in range(120)]
    assert [201, 200] * 60 == answers
    assert [b"%d" % number * 50 for number in range(60)] == [
        rig.store.stored(f"inside/in/{number}") for number in range(60)
    ]


async def test_a_chunked_body_within_what_was_held_is_whole(rig: Rig) -> None:
    """However long, and whatever stands behind it."""
    token = await rig.link(None, prefix="in/", actions=[Action.WRITE])
    head = b"PUT /s/%b/a HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n" % token.encode()
    body = b"64\r\n" + b"b" * 100 + b"\r\n"
    async with rig.client() as client:
        await client.send(
            request("GET", "/robots.txt") + head + body * 300 + b"0\r\n\r\n" + request("GET", "/robots.txt")
        )
        assert [200, 201, 200] == [(await client.answer()).status for _ in range(3)]
    assert b"b" * 30_000 == rig.store.stored("inside/in/a")


async def test_many_requests_sent_at_once_give_way_to_others(rig: Rig) -> None:
    """Between any two of them the loop has a turn for everybody else."""
    assert rig.server is not None
    handle, turns, seen = rig.server.handle, 0, list[int]()

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def noting(connection: room.Connection, arrival: IncomingRequest) -> None:
        seen.append(turns)
        await handle(connection, arrival)

    rig.server.handle = noting
    running = asyncio.get_running_loop().create_task(others())
    async with rig.client() as client:
        await client.send(b"GET /robots.txt HTTP/1.1\r\nHost: gw\r\n\r\n" * 50)
        assert [200] * 50 == [(await client.answer()).status for _ in range(50)]
    running.cancel()
    assert (50, 50) == (len(seen), len(set(seen)))


async def _most_held(rig: Rig) -> int:
    """Bytes that waited here while a client sent 1.2 MB of requests at once."""
    assert rig.server is not None
    handle, held = rig.server.handle, list[int]()

    async def noting(connection: room.Connection, arrival: IncomingRequest) -> None:
        held.append(len(connection._held))
        await handle(connection, arrival)

    rig.server.handle = noting
    wire = request("GET", "/robots.txt", {"X-Filling": "x" * 4000}) * 300
    async with rig.client() as client, asyncio.TaskGroup() as both:
        both.create_task(client.send(wire))
        assert [200] * 300 == [(await client.answer()).status for _ in range(300)]
    return max(held)


async def test_requests_that_are_sent_ahead_wait_outside(rig: Rig) -> None:
    """However many come at once, a bounded number of their bytes waits here."""
    assert room._HELD_LIMIT + FIRST_READ_SIZE >= await _most_held(rig)


async def test_control_of_what_waits_outside(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the bound, all that was sent waits here."""
    bound = room._HELD_LIMIT + FIRST_READ_SIZE
    monkeypatch.setattr(room, "_HELD_LIMIT", 1 << 30)
    assert bound < await _most_held(rig)


async def test_a_body_that_was_sent_ahead_is_taken_at_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waited of it is one piece, since each piece costs as much as many bytes."""
    taken = list[int]()
    take = IncomingBody.take

    def noting(self: IncomingBody, data: bytes) -> bytes:
        taken.append(len(data))
        return take(self, data)

    monkeypatch.setattr(IncomingBody, "take", noting)
    token = await rig.link(actions=[Action.WRITE])
    async with rig.client() as client:
        await client.send(request("GET", "/robots.txt") + request("PUT", f"/s/{token}", {}, b"b" * 12_000))
        assert [200, 201] == [(await client.answer()).status for _ in range(2)]
    assert [12_000] == taken


async def test_what_comes_while_a_request_waits_its_turn_stays_behind_it(rig: Rig) -> None:
    """Requests are answered in the order in which they were sent, however their bytes were cut into pieces."""
    wire = b"".join(f"GET /{name} HTTP/1.1\r\nHost: gw\r\n\r\n".encode() for name in ("robots.txt", "favicon.ico") * 10)
    async with rig.client() as client:
        for start in range(0, len(wire), 61):
            await client.send(wire[start : start + 61])
            await asyncio.sleep(0)
        assert [200, 204] * 10 == [(await client.answer()).status for _ in range(20)]


async def _asked_and_ended(client: RawClient, *wire: bytes) -> None:
    """Requests, and behind them the end of the client's side."""
    await client.send(b"".join(wire))
    client.sock.shutdown(socket.SHUT_WR)


@pytest.mark.both_loops
@not_over_tls
@pytest.mark.parametrize("size", [5, 4 * 1024**2])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_who_sends_nothing_more_gets_what_was_asked_for(rig: Rig, version: str, size: int) -> None:
    """A client may end its side behind its request and read on; nothing follows its answer."""
    rig.store.hold("inside/a.txt", b"x" * size)
    async with rig.client() as client:
        await _asked_and_ended(client, f"GET /s/{await rig.link()} HTTP/{version}\r\nHost: gw\r\n\r\n".encode())
        got = await client.answer()
        assert (200, size, b"") == (got.status, len(got.body), await client.rest())
    assert not client.reset


@pytest.mark.both_loops
@not_over_tls
async def test_all_that_was_asked_for_before_the_end_is_answered(rig: Rig) -> None:
    """Questions and uploads, in one write; of a request that is not whole, nothing is done."""
    token = await rig.link(None, prefix="in/", actions=[Action.WRITE])
    whole = request("GET", "/robots.txt") + request("PUT", f"/s/{token}/a", {}, b"a" * 70_000)
    broken = request("PUT", f"/s/{token}/b", {"Content-Length": "9"}, b"b")
    for behind in (b"", b"GET /robots.txt HT", broken):
        async with rig.client() as client:
            await _asked_and_ended(client, whole, behind)
            assert [200] == [(await client.answer()).status for _ in range(1)]
            assert (await client.answer()).status in {201, 409}
            await client.rest()
            assert client.ended
    assert b"a" * 70_000 == rig.store.stored("inside/in/a")
    assert "inside/in/b" not in [key for _, key in rig.store.objects]


@pytest.mark.both_loops
@not_over_tls
async def test_who_reads_on_waits_for_a_slow_store() -> None:
    """What finds out who has left is an interim answer, which every client skips, and which HTTP/1.0 does not get."""
    async with running(head_seconds=0.2) as hasty:
        hasty.store.hold("inside/a.txt", b"hello")
        token = await hasty.link()
        for version, interim in (("1.1", True), ("1.0", False)):
            hasty.store.answers.clear()
            async with hasty.client() as client:
                await _asked_and_ended(client, f"GET /s/{token} HTTP/{version}\r\nHost: gw\r\n\r\n".encode())
                asyncio.get_running_loop().call_later(0.3, hasty.store.answers.set)
                wire = await client.rest()
            assert wire.endswith(b"\r\n\r\nhello")
            assert interim == wire.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.both_loops
@not_over_tls
async def test_who_has_left_is_found_out_while_the_store_is_slow() -> None:
    """Its own system refuses the interim answer; the store's connection is given back, and the record says so."""
    async with running(head_seconds=0.2) as hasty:
        token = await hasty.link()
        asked = asyncio.Event()
        hasty.store.answers.clear()
        hasty.store.waits = lambda call: asked.set() is None
        async with hasty.client() as client:
            await client.send(request("GET", f"/s/{token}"))
            await asked.wait()
        assert "client_gone" == (await hasty.recorded(1))[0].reason
        assert 0 == hasty.store.open_now


@pytest.mark.both_loops
@not_over_tls
@pytest.mark.parametrize("stays", [True, False])
async def test_who_has_left_is_found_out_in_the_midst_of_an_answer(stays: bool) -> None:
    """Nothing can be sent while the store is silent: after two turns of the clock, whoever has ended their side is
    taken to have left, and cannot take what came for the whole. Who has not ended it is waited for."""
    async with running(head_seconds=0.2) as hasty:
        silence = asyncio.Event()
        hasty.store.script(Scripted(200, {}, [b"x" * 1000, silence], length=500_000))
        token = await hasty.link()
        async with hasty.client() as client:
            await client.send(request("GET", f"/s/{token}"))
            assert 200 == (await client.head()).status
            await client.rest_of(1000)
            if stays:
                await asyncio.sleep(0.3)
                assert 1 == hasty.store.open_now
                return
            client.sock.shutdown(socket.SHUT_WR)
            assert "client_gone" == (await hasty.recorded(1))[0].reason
            await client.rest()
            assert client.reset
        assert 0 == hasty.store.open_now


@pytest.mark.both_loops
@not_over_tls
async def test_who_reads_slowly_after_the_end_of_their_side_has_not_left() -> None:
    """What was sent and is not confirmed is on its way to somebody."""
    async with running(head_seconds=0.2) as hasty:
        hasty.store.hold("inside/a.txt", b"x" * 16 * 1024**2)
        async with hasty.client() as client:
            await _asked_and_ended(client, request("GET", f"/s/{await hasty.link()}"))
            assert 200 == (await client.head()).status
            await asyncio.sleep(0.4)
            assert 16 * 1024**2 == len(await client.rest())
        assert not client.reset
