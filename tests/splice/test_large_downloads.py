"""Every law of a large download, on both ways that its body may take, and on both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.core.reasons import Reason
from gateway.core.record import Outcome
from gateway.server.exchange import ClientExchange
from tests.backends.fault_server import Peer, reply
from tests.data.harness import Rig, request, tick
from tests.data.raw_client import held_by_client
from tests.data.real_store import before
from tests.splice.conftest import Spliced, plain_only
from tests.splice.large import AFTER_A_CUT, BODY, SIZE, cut, expired, in_pieces, revoked, whole


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
