"""Every law of a transfer, on both ways that a large body may take, and on both event loops."""

from __future__ import annotations

import asyncio
import errno
import os
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from hashlib import md5, sha256
from pathlib import Path

import awscrt.checksums
import pytest
from structlog.testing import capture_logs

from gateway.core.backend import Credentials
from gateway.core.reasons import Reason
from gateway.core.record import Outcome
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from gateway.data import body as bodies
from gateway.data.state.transfers import Permit
from gateway.data.steps.renew import Renewals
from gateway.server.exchange import ClientExchange
from gateway.splice import pump
from gateway.splice.pipes import Pipes
from gateway.wire.sig import checksums
from gateway.wire.sig.sigv4 import SigningKeys
from tests.backends.fault_server import Peer, reply
from tests.data.harness import Rig, request
from tests.data.raw_client import RawClient, held_by_client
from tests.data.real_store import before
from tests.servers import over_tls
from tests.splice.conftest import Spliced, plain_only
from tests.waiting import until

SIZE = 3 * 1024 * 1024
BODY = os.urandom(SIZE)
AFTER_A_CUT = 256 * 1024


@pytest.fixture(autouse=True)
def fast_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a gateway has them from the first body on that needs one."""
    monkeypatch.setitem(checksums._crcs, "crc64nvme", awscrt.checksums.crc64nvme)


def moved(rig: Rig) -> int:
    """Bytes of the one transfer that runs."""
    return sum(permit.moved for permit in rig.plane.transfers)


def tick(rig: Rig, seconds: int) -> int:
    """What the watch of slow clients does each second; returns how many were cut."""
    cut = 0
    for _ in range(seconds):
        rig.clock.tick(1)
        cut += rig.plane.transfers.cut_slow(rig.clock.passed)
    return cut


# downloads


async def whole(peer: Peer) -> None:
    """A store that gives the body to everybody, on the same connection."""
    while True:
        await peer.request()
        await peer.send(reply(BODY))


def in_pieces(*pieces: bytes | Callable[[], Awaitable[object]], length: int = SIZE):
    """A store that gives these, and does in between what it is told to; then it closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode())
        for piece in pieces:
            if isinstance(piece, bytes):
                await peer.send(piece)
            else:
                await piece()

    return script


async def test_a_body_comes_whole_and_both_connections_go_on(way: str) -> None:
    """Every byte, in order, each counted once, and the next request finds both connections as they were."""
    async with before(whole) as (rig, seen), rig.client() as client:
        for number in range(1, 4):
            await client.send(request("GET", "/reports/a"))
            got = await client.answer()
            assert (200, True, BODY) == (got.status, got.whole, got.body)
            record = (await rig.recorded(number))[-1]
            assert (Outcome.OK, SIZE) == (record.outcome, record.bytes_out)
    assert 1 == seen.connections


@plain_only
async def test_hardly_anything_of_a_large_body_passes_through_our_memory(spliced: Spliced) -> None:
    """What came with the head, and the last byte: so a client that stalls holds little."""
    async with before(whole) as (rig, _):
        assert BODY == (await rig.ask("GET", "/reports/a")).body
    assert SIZE - spliced.count // 2 <= 17 * 1024 + 1  # into a pipe, and out of it


async def test_bytes_that_trickle_come_at_once(way: str) -> None:
    """After a fast beginning, no byte waits for others to come after it."""
    more = asyncio.Event()
    script = in_pieces(BODY[: 2 * SIZE // 3], more.wait, BODY[2 * SIZE // 3 :][:1], asyncio.Event().wait)
    async with before(script) as (rig, _), rig.client() as client:
        await client.send(request("GET", "/reports/a"))
        await client.head()
        assert BODY[: 2 * SIZE // 3] == await client.rest_of(2 * SIZE // 3)
        more.set()
        assert BODY[2 * SIZE // 3 :][:1] == await client.receive()


@pytest.mark.parametrize("missing", [1, SIZE // 2])
async def test_a_store_that_breaks_off_never_looks_whole(way: str, missing: int) -> None:
    """The client gets a reset in place of the end; what is recorded is the store's failure."""
    async with before(in_pieces(BODY[:-missing])) as (rig, _), rig.client() as client:
        await client.send(request("GET", "/reports/a"))
        got = await client.answer()
        assert (False, True) == (got.whole, got.reset)
        assert BODY[: len(got.body)] == got.body
        [record] = await rig.recorded(1)
        assert (Outcome.UPSTREAM_FAILED, "upstream_broke") == (record.outcome, record.reason)
        assert abs(record.bytes_out - len(got.body)) <= AFTER_A_CUT


async def test_what_a_store_sends_beyond_its_length_is_nobodys(way: str) -> None:
    """The object is whole, and the connection to such a store is used no more."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(BODY) + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno")
        await peer.until_closed()

    async with before(script) as (rig, seen), rig.client() as client:
        for _ in range(2):
            await client.send(request("GET", "/reports/a"))
            got = await client.answer()
            assert (True, BODY) == (got.whole, got.body)
    assert 2 == seen.connections


async def cut(rig: Rig) -> None:
    [permit] = rig.plane.transfers
    permit.cut(Reason.REVOKED)


async def after_the_end(end: Callable[[Rig], Awaitable[None]]) -> tuple[int, int, bool]:
    """Bytes that still reach a client that does not read, those recorded less those that came, and whether by RST."""
    big = BODY * 8
    async with before(in_pieces(big, length=len(big))) as (rig, _), rig.client(window=65536) as client:
        token = await rig.link("a", expires_at=rig.clock.now + 60)
        await client.send(request("GET", f"/s/{token}"))
        head = await client.head()
        assert 200 == head.status
        there = await held_by_client(client) + len(client._left)
        await end(rig)
        came = len(await client.rest())
        [record] = await rig.recorded(1)
        assert Outcome.CUT == record.outcome
        return came - there, record.bytes_out - came, client.reset


async def revoked(rig: Rig) -> None:
    [permit] = rig.plane.transfers
    assert permit.grant is not None
    await rig.revoke(FeedKind.LINK, permit.grant.id)


async def expired(rig: Rig) -> None:
    rig.plane.transfers.cut_expired(rig.clock.now + 61)


@pytest.mark.parametrize("end", [cut, revoked, expired])
async def test_a_cut_lets_hardly_anything_pass(way: str, end: Callable[[Rig], Awaitable[None]]) -> None:
    """At most 256 KiB after it, then a reset; what is recorded is what left."""
    more, uncounted, reset = await after_the_end(end)
    assert more <= AFTER_A_CUT
    assert abs(uncounted) <= AFTER_A_CUT
    assert reset


@plain_only
async def test_control_of_cuts(monkeypatch: pytest.MonkeyPatch, spliced) -> None:
    """A cut that does not end the passage lets all of it pass."""
    monkeypatch.setattr(ClientExchange, "cut", lambda self, reason: setattr(self, "cut_reason", reason))
    big = BODY * 8
    async with before(in_pieces(big, length=len(big))) as (rig, _), rig.client(window=65536) as client:
        await client.send(request("GET", "/reports/a"))
        await client.head()
        there = await held_by_client(client)
        await cut(rig)
        came = 0
        while came - there <= 4 * AFTER_A_CUT and (piece := await client.receive()):
            came += len(piece)
        assert came - there > AFTER_A_CUT


async def test_a_reader_that_does_not_read_is_cut(way: str) -> None:
    """After ten seconds of less than 1 KiB/s, not before."""
    big = BODY * 8
    async with before(in_pieces(big, length=len(big))) as (rig, _), rig.client(window=4096) as client:
        await client.send(request("GET", "/reports/a"))
        await client.head()
        await held_by_client(client)
        assert 0 == tick(rig, 10)
        assert 1 == tick(rig, 1)
        await client.rest()
        assert client.reset
        [record] = await rig.recorded(1)
        assert (Outcome.CUT, "client_too_slow") == (record.outcome, record.reason)


async def test_a_slow_reader_that_keeps_reading_is_not_cut(way: str) -> None:
    """Twice the minimum is enough."""
    big = BODY * 8
    async with before(in_pieces(big, length=len(big))) as (rig, _), rig.client(window=4096) as client:
        await client.send(request("GET", "/reports/a"))
        await client.head()
        for _ in range(20):
            await client.rest_of(8192)
            await asyncio.sleep(0.05)
            assert 0 == tick(rig, 4)


async def test_a_store_that_stalls_is_the_stores_fault(way: str) -> None:
    """The client is not cut for it; the store's own time runs out, and the client's answer ends in a reset."""
    script = in_pieces(BODY[: SIZE // 2], asyncio.Event().wait)
    async with before(script, read_timeout=0.5) as (rig, _), rig.client() as client:
        await client.send(request("GET", "/reports/a"))
        await client.head()
        assert BODY[: SIZE // 2] == await client.rest_of(SIZE // 2)
        assert 0 == tick(rig, 60)
        assert b"" == await client.rest()
        [record] = await rig.recorded(1)
        assert (Outcome.UPSTREAM_FAILED, "upstream_timed_out", True) == (record.outcome, record.reason, client.reset)


async def test_a_reader_that_stalls_is_not_the_stores_fault(way: str) -> None:
    """While the client takes nothing, the store owes nothing."""
    big = BODY * 8
    async with (
        before(in_pieces(big, length=len(big)), read_timeout=1.0) as (rig, _),
        rig.client(window=65536) as client,
    ):
        await client.send(request("GET", "/reports/a"))
        await client.head()
        await held_by_client(client)
        await asyncio.sleep(1.5)
        assert len(big) == len(await client.rest_of(len(big)))
        [record] = await rig.recorded(1)
        assert Outcome.OK == record.outcome


async def test_a_client_that_leaves_is_told_and_frees_everything(way: str) -> None:
    """No permit stays, the store's connection ends, and the record says who left."""
    big = BODY * 8
    async with before(in_pieces(big, length=len(big))) as (rig, seen):
        async with rig.client(window=65536) as client:
            await client.send(request("GET", "/reports/a"))
            await client.head()
            await client.receive()
        [record] = await rig.recorded(1)
        assert (Outcome.CLIENT_GONE, 0) == (record.outcome, len(rig.plane.transfers))
        async with asyncio.timeout(5):
            await seen.closed.wait()


async def test_a_drain_lets_it_come_to_its_end(way: str) -> None:
    """What runs when the listener stops is finished, and its connection is closed then."""
    more = asyncio.Event()
    async with before(in_pieces(BODY[:-1000], more.wait, BODY[-1000:])) as (rig, _), rig.client() as client:
        await client.send(request("GET", "/reports/a"))
        await client.head()
        assert BODY[:-1000] == await client.rest_of(SIZE - 1000)
        assert rig.server is not None
        rig.server.stop_listening()
        more.set()
        assert (BODY[-1000:], b"") == (await client.rest_of(1000), await client.rest())
        assert not client.reset


async def test_a_budget_counts_every_byte(way: str) -> None:
    """What is over is refused before the first byte, what fits moves, and is all that was counted."""
    async with before(whole) as (rig, _):
        token, grant = await rig.granted("a", budget=2 * SIZE - 1)
        got = await rig.fetch(token)
        assert BODY == got.body
        await rig.settled()
        assert SIZE == (await rig.plane.leases.usage([grant.id]))[grant.id].moved
        assert 200 != (await rig.fetch(token)).status
        await rig.settled()
        assert SIZE == (await rig.plane.leases.usage([grant.id]))[grant.id].moved


async def test_a_link_for_one_download_is_counted_before_the_last_byte(way: str) -> None:
    """Who has had all of it finds the link used up at once."""
    async with before(whole) as (rig, _), rig.client() as client:
        token = await rig.link("a", uses=1, once=True)
        await client.send(request("GET", f"/s/{token}"))
        await client.head()
        await client.rest_of(SIZE)
        assert 200 != (await rig.fetch(token)).status


# uploads


class Kept:
    """A store's side of uploads: it takes them, as far as it is told to, and answers."""

    def __init__(self, answer: bytes = reply(extra='etag: "v1"\r\n'), most: int = SIZE) -> None:
        self.answer, self.most = answer, most
        self.body = b""
        self.ended = ""
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.head()
            self.body, self.ended = b"", "cut"
            while len(self.body) < self.most:
                await self.go_on.wait()
                piece = await peer.reader.read(65536)
                if not piece:
                    return
                self.body += piece
            self.ended = "whole"
            await peer.send(self.answer)


def putting(size: int = SIZE, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request("PUT", "/reports/a", {"Content-Length": str(size), **named})


async def sent(client: RawClient, data: bytes) -> None:
    """Send it, unless the other side ends it."""
    try:
        await client.send(data)
    except ConnectionError:  # which is told once, to whoever asks first
        client.reset = True


async def test_an_upload_arrives_whole_and_both_connections_go_on(way: str) -> None:
    """Every byte, in order, each counted once, time after time."""
    store = Kept()
    async with before(store) as (rig, seen), rig.client() as client:
        for number in range(1, 4):
            await client.send(putting() + BODY)
            assert (200, BODY) == ((await client.answer()).status, store.body)
            record = (await rig.recorded(number))[-1]
            assert (Outcome.OK, SIZE) == (record.outcome, record.bytes_in)
    assert 1 == seen.connections


async def test_a_client_that_asks_first_is_answered(way: str) -> None:
    """`100 Continue`, and the body takes the same way."""
    store = Kept()
    async with before(store) as (rig, _), rig.client() as client:
        await client.send(putting(Expect="100-continue"))
        assert 100 == (await client.head()).status
        await client.send(BODY)
        assert (200, BODY) == ((await client.answer()).status, store.body)


async def test_the_last_byte_waits_for_one_more_question(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store has not heard it before the answer was yes."""
    asked, answered, confirm = asyncio.Event(), asyncio.Event(), Renewals.confirm

    async def held_back(*given: object) -> None:
        asked.set()
        await answered.wait()
        await confirm(*given)

    monkeypatch.setattr(Renewals, "confirm", held_back)
    store = Kept()
    async with before(store) as (rig, _), rig.client() as client:
        await client.send(putting() + BODY)
        async with asyncio.timeout(5):
            await asked.wait()
        await asyncio.sleep(0.05)
        assert len(store.body) < SIZE
        answered.set()
        assert (200, BODY) == ((await client.answer()).status, store.body)


@plain_only
async def test_control_of_the_last_byte(monkeypatch: pytest.MonkeyPatch, spliced) -> None:
    """Poured to its end, the store would have it all before anybody asked."""
    splice = pump.splice
    monkeypatch.setattr(bodies, "splice", lambda source, sink, most, told: splice(source, sink, most + 1, told))
    monkeypatch.setattr("gateway.server.request.IncomingBody.skip", lambda self, count: None)
    asked = asyncio.Event()

    async def never(*_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Renewals, "confirm", never)
    store = Kept()
    async with before(store) as (rig, _), rig.client() as client:
        await client.send(putting() + BODY)
        await until(lambda: len(store.body) == SIZE)
        assert not asked.is_set()
        assert spliced.count


@pytest.mark.parametrize("end", [cut, revoked])
async def test_an_upload_that_is_cut_leaves_no_object(way: str, end: Callable[[Rig], Awaitable[None]]) -> None:
    """The store sees a reset in place of the end, and so does the client."""
    store = Kept()
    async with before(store) as (rig, seen), rig.client() as client:
        token = await rig.link("a", actions=[Action.WRITE], overwrite=True)
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": str(SIZE)}) + BODY[: SIZE // 2])
        await until(lambda: moved(rig) == SIZE // 2)
        await end(rig)
        await sent(client, BODY[SIZE // 2 :])
        assert b"" == await client.rest()
        assert client.reset
        [record] = await rig.recorded(1)
        assert Outcome.CUT == record.outcome
        async with asyncio.timeout(5):
            await seen.closed.wait()
    assert ("cut", BODY[: len(store.body)]) == (store.ended, store.body)


async def test_a_client_that_breaks_off_leaves_no_object(way: str) -> None:
    """The store's request breaks off as well."""
    store = Kept()
    async with before(store) as (rig, seen):
        async with rig.client() as client:
            await client.send(putting() + BODY[:-1])
            await until(lambda: len(store.body) > SIZE // 2)
        await rig.recorded(1)
        async with asyncio.timeout(5):
            await seen.closed.wait()
        assert (0, "cut") == (len(rig.plane.transfers), store.ended)


async def test_a_body_above_what_is_allowed_by_now_is_refused(way: str) -> None:
    """An edit that allows less ends what has had more."""
    store = Kept()
    async with before(store) as (rig, _), rig.client() as client:
        token, grant = await rig.granted("a", actions=[Action.WRITE], overwrite=True, max_size=SIZE)
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": str(SIZE)}) + BODY[: SIZE // 2])
        await until(lambda: moved(rig) == SIZE // 2)
        await rig.edit(grant, max_size=SIZE // 2 + 1)
        await sent(client, BODY[SIZE // 2 :])
        await rig.recorded(1)
        await rig.settled()
    assert "whole" != store.ended


@pytest.mark.parametrize("heard", [0, SIZE // 4])
async def test_a_store_that_refuses_early_is_heard(way: str, heard: int, spliced) -> None:
    """Its refusal is told, whatever of the body is still to come."""
    store = Kept(reply(b"<Error><Code>AccessDenied</Code></Error>", "403 Forbidden"), most=heard)
    async with before(store) as (rig, _), rig.client() as client:
        await client.send(putting() + BODY[: SIZE // 2])
        got = await client.answer()
        assert got.status >= 400
        await rig.recorded(1)
        assert 0 == len(rig.plane.transfers)
    spliced.count += (
        way == "over lent sockets" and over_tls.listener() is None
    )  # a refusal may come before the kernel's turn


async def test_a_client_that_leaves_a_refused_upload_is_no_error_of_ours() -> None:
    """Nobody hears its answer out, and that is all."""
    with capture_logs() as logged:
        async with before(Kept()) as (rig, _), rig.client() as client:
            token = await rig.link("a")
            await client.send(request("PUT", f"/s/{token}", {"Content-Length": str(SIZE)}) + BODY[:1000])
            client.sock.close()
            await rig.recorded(1)
    assert [] == [line for line in logged if line["log_level"] == "error"]


async def test_success_before_the_body_is_none(way: str, spliced) -> None:
    """A store cannot have stored what it has not heard."""
    store = Kept(most=SIZE // 2)
    async with before(store) as (rig, _), rig.client() as client:
        await client.send(putting() + BODY[:-1000])
        assert 502 == (await client.answer()).status


async def test_a_store_that_takes_nothing_runs_out_of_time(way: str) -> None:
    """The store's patience counts, not the client's pace."""
    store = Kept()
    async with before(store, read_timeout=1.0) as (rig, _), rig.client() as client:
        store.go_on.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sent(client, putting(64 * SIZE) + BODY * 16))
            await until(lambda: moved(rig) > SIZE // 2)
            before_now = -1
            while before_now != moved(rig):
                before_now = moved(rig)
                await asyncio.sleep(0.1)
            assert 0 == tick(rig, 60)
            [record] = await rig.recorded(1)
            assert "upstream_timed_out" == record.reason
        store.go_on.set()


async def test_an_upload_that_stalls_is_cut(way: str) -> None:
    """After ten seconds of less than 1 KiB/s, not before."""
    store = Kept()
    async with before(store) as (rig, _), rig.client() as client:
        await client.send(putting() + BODY[: SIZE // 2])
        await until(lambda: moved(rig) == SIZE // 2)
        assert 0 == tick(rig, 10)
        assert 1 == tick(rig, 1)
        await client.rest()
        assert client.reset
    assert "whole" != store.ended


async def test_an_upload_that_trickles_is_not_cut(way: str) -> None:
    """Twice the minimum is enough, and what came is passed on at once."""
    store = Kept()
    async with before(store) as (rig, _), rig.client() as client:
        done = SIZE // 2
        await client.send(putting() + BODY[:done])
        await until(lambda: moved(rig) == done)
        for _ in range(15):
            await client.send(BODY[done : done + 8192])
            done += 8192
            await until(lambda: moved(rig) == done)  # noqa: B023 (it is waited for here)
            assert 0 == tick(rig, 4)


# uploads that are looked at on their way


def unsigned_chunks(body: bytes, size: int, crc: int) -> tuple[dict[str, str], bytes]:
    """Headers and wire bytes as SDKs send them over TLS."""
    parts = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in in_sizes(body, size)]
    trailer = b64encode(crc.to_bytes(8)).decode()
    wire = b"".join(parts) + f"0\r\nx-amz-checksum-crc64nvme:{trailer}\r\n\r\n".encode()
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-crc64nvme",
        "x-amz-decoded-content-length": str(len(body)),
        "Content-Length": str(len(wire)),
    }
    return headers, wire


def in_sizes(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


LOOKED_AT = {
    "chunks of 1 MiB": lambda body: unsigned_chunks(body, 1024**2, CRC),
    "chunks of 8 KiB": lambda body: unsigned_chunks(body, 8192, CRC),
    "chunks of 500 bytes": lambda body: unsigned_chunks(body, 500, CRC),
    "a digest": lambda body: ({"Content-MD5": MD5, "Content-Length": str(len(body))}, body),
    "a checksum": lambda body: ({"x-amz-checksum-crc64nvme": CRC_TEXT, "Content-Length": str(len(body))}, body),
}
CRC = awscrt.checksums.crc64nvme(BODY)
CRC_TEXT = b64encode(CRC.to_bytes(8)).decode()
MD5 = b64encode(md5(BODY).digest()).decode()


@pytest.mark.parametrize("kind", LOOKED_AT)
async def test_what_is_looked_at_arrives_whole(way: str, kind: str) -> None:
    """The object's own bytes, time after time on the same connections."""
    store = Kept()
    headers, wire = LOOKED_AT[kind](BODY)
    async with before(store) as (rig, seen), rig.client() as client:
        for number in range(1, 3):
            await client.send(request("PUT", "/reports/a", headers) + wire)
            assert (200, BODY) == ((await client.answer()).status, store.body)
            record = (await rig.recorded(number))[-1]
            assert (Outcome.OK, len(wire)) == (record.outcome, record.bytes_in)
    assert 1 == seen.connections


@pytest.mark.parametrize("kind", LOOKED_AT)
async def test_what_is_found_wrong_leaves_no_object(way: str, kind: str) -> None:
    """Though it differs in its last byte only: the store never hears that one."""
    store = Kept()
    headers, wire = LOOKED_AT[kind](BODY[:-1] + bytes([BODY[-1] ^ 1]))
    async with before(store) as (rig, seen), rig.client() as client:
        await client.send(request("PUT", "/reports/a", headers) + wire)
        assert 400 == (await client.answer()).status
        async with asyncio.timeout(5):
            await seen.closed.wait()
    assert ("cut", True) == (store.ended, len(store.body) < SIZE)


@plain_only
async def test_control_of_what_is_looked_at(monkeypatch: pytest.MonkeyPatch, spliced) -> None:
    """Without the byte that is held back, the store would have it all before it is found wrong."""

    def all_of_it(self: bodies._Rest, came: memoryview) -> list[memoryview]:
        self._proof.look(came)
        self.count(len(came))
        return [came]

    monkeypatch.setattr(bodies._Rest, "_look", all_of_it)
    carry = bodies.carry
    monkeypatch.setattr(bodies, "carry", lambda source, sink, most, through: carry(source, sink, most + 1, through))
    store = Kept()
    headers, wire = LOOKED_AT["a digest"](BODY[:-1] + bytes([BODY[-1] ^ 1]))
    async with before(store) as (rig, _), rig.client() as client:
        await client.send(request("PUT", "/reports/a", headers) + wire)
        await until(lambda: len(store.body) == SIZE)
    assert spliced.count


async def test_signed_chunks_are_verified_on_their_way(way: str) -> None:
    """A chunk whose signature is wrong goes no further, and neither does what follows it."""
    store = Kept()
    async with before(store) as (rig, _), rig.client() as client:
        pair, _ = await rig.key()
        for wrong in (False, True):
            headers, wire = signed_chunks(rig, pair, wrong=wrong)
            await client.send(request("PUT", "/reports/a", headers) + wire)
            assert (403 if wrong else 200) == (await client.answer()).status
            assert wrong or store.body == BODY
        assert len(store.body) < SIZE // 2 + 65536


def signed_chunks(rig: Rig, pair: Credentials, *, wrong: bool) -> tuple[dict[str, str], bytes]:
    """Headers and wire bytes of the form that every SDK once sent; a chunk in the middle may be another one."""
    sizes = in_sizes(BODY, 65536)
    length = sum(len(f"{len(piece):x};chunk-signature={'0' * 64}\r\n\r\n") + len(piece) for piece in [*sizes, b""])
    framing = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    given = {"x-amz-decoded-content-length": str(SIZE), "Content-Length": str(length)}
    _, headers = rig.signed(pair, "PUT", "reports/a", headers=given, payload_hash=framing)
    stamp = headers["x-amz-date"]
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    key = SigningKeys().derive(pair.secret_key, stamp[:8], "us-east-1", "s3")
    previous, parts = next(headers[name] for name in headers if name.lower() == "authorization")[-64:], []
    for number, piece in enumerate([*sizes, b""]):
        text = f"{framing[10:]}\n{stamp}\n{scope}\n{previous}\n{sha256().hexdigest()}\n{sha256(piece).hexdigest()}"
        previous = key.sign(text.encode())
        sent_piece = bytes(len(piece)) if wrong and number == len(sizes) // 2 else piece
        parts.append(f"{len(piece):x};chunk-signature={previous}\r\n".encode() + sent_piece + b"\r\n")
    return headers, b"".join(parts)


# where the kernel has no more to give


def no_more(*_: object) -> int:
    raise OSError(errno.EMFILE, "too many open files")


@pytest.mark.parametrize("what", ["descriptors", "pipes", "pipes after a while"])
async def test_without_descriptors_or_pipes_bodies_go_in_buffers(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody notices."""
    if what == "descriptors":
        monkeypatch.setattr(os, "dup", no_more)
    elif what == "pipes":
        monkeypatch.setattr(os, "pipe2", no_more)
    else:
        taken, take = [0], Pipes.take

        def seldom(self: Pipes):
            taken[0] += 1
            return take(self) if taken[0] % 2 else None

        monkeypatch.setattr(Pipes, "take", seldom)
    store = Kept()

    async def script(peer: Peer) -> None:
        await (store(peer) if peer.number else whole(peer))

    async with before(script) as (rig, _):
        assert BODY == (await rig.ask("GET", "/reports/a")).body
        rig.plane.upstream._stores["lab"].close()
        assert (200, BODY) == ((await rig.ask("PUT", "/reports/a", {}, BODY)).status, store.body)


@plain_only
async def test_no_descriptor_is_left_behind(spliced) -> None:
    """However a transfer ends: whole, cut, broken off by either side; and in any number."""

    async def often() -> None:
        big = BODY * 8
        async with before(in_pieces(big, length=len(big))) as (rig, _), AsyncExitStack() as stack:
            for _ in range(24):
                client = await stack.enter_async_context(rig.client(window=4096))
                await client.send(request("GET", "/reports/a"))
            await until(lambda: len(rig.plane.transfers) == 24)
            await asyncio.sleep(0.1)
            for permit in list(rig.plane.transfers)[:12]:
                permit.cut(Reason.REVOKED)
        await rig.settled()
        for end in (in_pieces(BODY), in_pieces(BODY[:-9])):
            async with before(end) as (rig, _), rig.client() as client:
                await client.send(request("GET", "/reports/a"))
                await client.answer()

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    await often()
    await asyncio.sleep(0.2)  # what is closed is closed by the loop, in a later turn
    first = descriptors()
    await often()
    await until(lambda: descriptors() <= first)
    assert spliced.count


@plain_only
async def test_control_of_deadlines(monkeypatch: pytest.MonkeyPatch, spliced) -> None:
    """Nobody else notices a reader that does not read."""
    monkeypatch.setattr("gateway.splice.lending.Lending.awaited", False)
    big = BODY * 8
    async with before(in_pieces(big, length=len(big))) as (rig, _), rig.client(window=4096) as client:
        await client.send(request("GET", "/reports/a"))
        await client.head()
        await held_by_client(client)
        assert 0 == tick(rig, 60)
        assert spliced.count
        for permit in rig.plane.transfers:
            permit.cut(Reason.REVOKED)
    assert Permit.too_slow
