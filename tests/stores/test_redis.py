"""What is special to the Redis engine: replicas, a server that goes away, synced writes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.lease import Reservation
from gateway.core.limits import Demand
from gateway.core.reasons import DependencyDown
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores import redis
from gateway.stores.redis import RedisState
from tests.contract.sample import NOW, link, record
from tests.stores.cutting import Wire

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


@pytest.fixture
def url(valkey_url: str) -> str:
    return valkey_url


async def opened(url: str) -> RedisState:
    state = RedisState(url)
    await state.open()
    return state


async def test_replicas_share_uses_and_limits_exactly(url: str) -> None:
    """Four replicas at once get exactly the uses of a link and exactly the burst of a limit."""
    states = [await opened(url) for _ in range(4)]
    leases = await asyncio.gather(
        *(
            state.open_lease(Reservation("l_1", f"{at} {n}"), 30, NOW, 60)
            for at, state in enumerate(states)
            for n in range(20)
        )
    )
    assert sum(lease is not None for lease in leases) == 30
    verdicts = await asyncio.gather(
        *(state.take([Demand("a", Rate(1, 3600.0, 25))], NOW) for state in states for _ in range(20))
    )
    assert sum(verdict.allowed for verdict in verdicts) == 25
    for state in states:
        await state.close()


async def test_clocks_an_hour_apart_share_one_truth(url: str) -> None:
    """The caller's time is a hint that this store does not take."""
    state = await opened(url)
    rate = Rate(1, 3600.0, 3)
    verdicts = [await state.take([Demand("a", rate)], NOW + number * 3600) for number in range(6)]
    assert sum(verdict.allowed for verdict in verdicts) == 3
    await state.close()


async def test_counters_leave_by_themselves(url: str) -> None:
    """Limits, leases and idempotency texts carry an end of their own."""
    state = await opened(url)
    await state.take([Demand("a", Rate(1000, 1.0, 10))], NOW)
    await state.open_lease(Reservation("l_1", "k"), None, NOW, 60)
    await state.create(link(), "once")
    for pattern, longest in (("*limit:*", 1), ("*lease:*", 120), ("*idempotency:*", 86400)):
        for name in await state._client.keys(pattern):
            assert 0 <= await state._client.ttl(name) <= longest
    await state.close()


async def test_many_waiters_take_one_connection(url: str) -> None:
    """However many wait for the feed, one connection listens, and one revocation wakes them all."""
    state = await opened(url)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(80):
            group.create_task(state.changed(0, 60))
        await state.usage(["l_1"])
        await state.revoke(LINK, NOW, "", "admin:ops")
    await state.close()


async def test_writes_are_synced_where_the_server_can(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with an append-only file is asked to sync each change; if it does not, nothing is acknowledged."""
    state = await opened(url)
    assert state._syncs
    await state._client.config_set("appendfsync", "no")
    monkeypatch.setattr(redis, "_SYNC_MILLISECONDS", 20)
    try:
        with pytest.raises(DependencyDown) as caught:
            await state.revoke(LINK, NOW, "", "admin:ops")
        assert caught.value.dependency == "revocations"
    finally:
        await state._client.config_set("appendfsync", "always")
        await state.close()


async def test_a_lost_server_is_told_and_comes_back(wire: Wire) -> None:
    """While the server is away every call is a DependencyDown; once it is back, the same store works on."""
    state = await opened(wire.url)
    grant = await state.create(link())
    wire.cut()
    for dependency, call in (
        ("grants", state.find(grant.hash)),
        ("revocations", state.revoke(LINK, NOW, "", "")),
        ("revocations", state.since(0, 9)),
        ("revocations", state.changed(99, 0.1)),
        ("limits", state.take([Demand("a", Rate(1, 1.0, 1))], NOW)),
    ):
        with pytest.raises(DependencyDown) as caught:
            await call
        assert caught.value.dependency == dependency
    wire.heal()
    assert await state.find(grant.hash) == grant
    await state.close()


async def test_no_command_is_sent_twice(wire: Wire) -> None:
    """A command whose answer was lost is not repeated by the client: it may have counted already."""
    state = await opened(wire.url)
    await state.usage(["l_1"])
    before = wire.accepted
    wire.cut()
    with pytest.raises(DependencyDown):
        await state.reserve_bytes(Reservation("l_1"), 1, budget=10)
    assert wire.accepted <= before + 1
    await state.close()


async def test_a_deaf_server_is_told_in_time(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers costs no more than the answer's time."""
    monkeypatch.setattr(redis, "ANSWER_SECONDS", 0.2)
    state = await opened(wire.url)
    wire.deafen()
    async with asyncio.timeout(5):
        with pytest.raises(DependencyDown):
            await state.find(link().hash)
    wire.heal()
    assert await state.find(link().hash) is None
    await state.close()


async def test_forgotten_scripts_are_sent_again(url: str) -> None:
    """A server that lost its scripts (a restart, a failover) gets them again within the same call."""
    state = await opened(url)
    await state.open_lease(Reservation("l_1", "k"), 1, NOW, 60)
    await state._client.script_flush()
    assert await state.open_lease(Reservation("l_1", "k"), 1, NOW, 60) is not None
    await state._client.script_flush()
    assert len(await state.revoke(LINK, NOW, "", "admin:ops")) == 1
    await state.close()


async def test_a_record_that_comes_while_a_page_is_read_doubles_none(url: str) -> None:
    """What is newer than the page moves every place in the set behind it."""
    state = await opened(url)
    await state.append([record("l_1", NOW + number) for number in range(3)])
    read = state._client.zrange

    async def interrupted(*arguments: Any, **options: Any) -> Any:
        state._client.zrange = read
        rows = await read(*arguments, **options)
        await state.append([record("l_1", NOW + 10)])
        return rows

    state._client.zrange = interrupted
    page = await state.records_of("l_1", None, 10)
    assert [NOW + 2, NOW + 1, NOW] == [found.at for found in page.records]
    await state.close()
