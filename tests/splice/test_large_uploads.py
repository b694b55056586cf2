"""Every law of a large upload, on both ways that its body may take, and on both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from gateway.core.record import Outcome
from gateway.core.request import Action
from gateway.data import body as bodies
from gateway.data.steps.renew import Renewals
from gateway.splice import pump
from tests.backends.fault_server import reply
from tests.data.harness import Rig, request, tick
from tests.data.real_store import before
from tests.servers import over_tls
from tests.splice.conftest import plain_only
from tests.splice.large import BODY, SIZE, Kept, cut, moved, putting, revoked, sent
from tests.waiting import until


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
