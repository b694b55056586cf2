"""Which engine a URL means, and what is refused before anything is opened."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.core.reasons import SettingsError
from gateway.stores.limits import MemoryLimits
from gateway.stores.limits_breaker import LimitsBreaker
from gateway.stores.memory import MemoryFeed, MemoryGrants, MemoryLeases, MemoryLedger
from gateway.stores.postgres.feed import PostgresFeed
from gateway.stores.postgres.grants import PostgresGrants
from gateway.stores.postgres.leases import PostgresLeases
from gateway.stores.postgres.ledger import PostgresLedger
from gateway.stores.redis.grants import RedisGrants
from gateway.stores.redis.limits import RedisLimits
from gateway.stores.sqlite.feed import SqliteFeed
from gateway.stores.sqlite.ledger import SqliteLedger
from gateway.stores.sqlite.limits import SqliteLimits
from gateway.stores.state import open_state
from tests.contract.sample import link


@pytest.mark.parametrize("url", ["memory:", "memory://"])
async def test_memory_is_all_five(url: str) -> None:
    """One engine in memory is every store."""
    state = await open_state(url)
    kinds = {type(one) for one in (state.grants, state.leases, state.limits, state.feed, state.ledger)}
    assert {MemoryGrants, MemoryLeases, MemoryLimits, MemoryFeed, MemoryLedger} == kinds
    assert len(state.engines) == 1
    await state.close()


async def test_a_sqlite_path_is_relative_with_three_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes are relative to the working directory, four are absolute; percent signs are decoded."""
    monkeypatch.chdir(tmp_path)
    for url, path in (
        ("sqlite:///here.db", "here.db"),
        (f"sqlite:///{tmp_path}/there.db", "there.db"),
        ("sqlite:///with%20space.db", "with space.db"),
    ):
        state = await open_state(url)
        await state.grants.create(link())
        await state.close()
        assert (tmp_path / path).is_file()


async def test_one_process_counts_in_memory(tmp_path: Path) -> None:
    """A single process counts SQLite's limits in memory, several share the file."""
    url = f"sqlite:///{tmp_path}/gateway.db"
    alone = await open_state(url)
    assert isinstance(alone.limits, MemoryLimits)
    await alone.close()
    several = await open_state(url, processes=2)
    assert isinstance(several.limits, SqliteLimits)
    await several.close()


async def test_each_store_is_opened_once(tmp_path: Path, valkey_url: str) -> None:
    """Limits and records go where the grants are unless they name another store; equal URLs are one engine."""
    grants, records = f"sqlite:///{tmp_path}/gateway.db", f"sqlite:///{tmp_path}/records.db"
    state = await open_state(grants, limits=valkey_url, records=records)
    main, counters, ledger = state.engines
    assert (main.grants, main.leases, main.feed) == (state.grants, state.leases, state.feed)
    assert isinstance(state.limits, LimitsBreaker)  # counters in the network are not waited for long
    assert isinstance(counters.limits, RedisLimits)
    assert isinstance(state.ledger, SqliteLedger)
    assert state.ledger is ledger.ledger
    await state.close()
    same = await open_state(grants, limits=valkey_url, records=grants)
    assert len(same.engines) == 2
    await same.close()


async def test_postgres_is_all_five(postgres_url: str) -> None:
    """One PostgreSQL database is every store."""
    state = await open_state(postgres_url)
    kinds = {type(one) for one in (state.grants, state.leases, state.feed, state.ledger)}
    assert {PostgresGrants, PostgresLeases, PostgresFeed, PostgresLedger} == kinds
    assert isinstance(state.limits, LimitsBreaker)
    assert len(state.engines) == 1
    await state.close()


async def test_redis_needs_the_operators_word(valkey_url: str) -> None:
    """Redis holds grants only where its durability was accepted; for limits it needs nothing."""
    with pytest.raises(SettingsError, match="accept_redis_durability"):
        await open_state(valkey_url)
    state = await open_state(valkey_url, accept_redis_durability=True)
    assert isinstance(state.grants, RedisGrants)
    await state.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gateway.db",
        "sqlite:gateway.db",
        "sqlite://gateway.db",
        "sqlite:///",
        "sqlite:///gateway.db?mode=ro",
        "mysql://root:hunter2@db/gateway",
        "redis:hunter2",
        "memory:x",
        "/gateway.db",
    ],
)
async def test_other_urls_are_refused(url: str) -> None:
    """What names no store is refused with the forms that do, and never repeated: it may hold a password."""
    with pytest.raises(SettingsError) as caught:
        await open_state(url, accept_redis_durability=True)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
async def test_an_unreachable_server_is_told_without_its_password(scheme: str) -> None:
    """A server that does not answer at start is a fault that shows no secret."""
    with pytest.raises(SettingsError, match="state:") as caught:
        await open_state(f"{scheme}://user:hunter2@127.0.0.1:1/0", accept_redis_durability=True)
    assert "hunter2" not in str(caught.value)


async def test_memory_is_not_for_several_processes() -> None:
    """State in memory is refused where workers would each have their own."""
    with pytest.raises(SettingsError, match="not shared"):
        await open_state("memory:", processes=2)
    with pytest.raises(SettingsError, match="not shared"):
        await open_state("sqlite:///gateway.db", limits="memory:", processes=2)


async def test_a_failed_start_leaves_nothing_open(tmp_path: Path) -> None:
    """When a later store cannot be opened, the earlier ones are closed again."""
    with pytest.raises(SettingsError):
        await open_state(f"sqlite:///{tmp_path}/gateway.db", records=f"sqlite:///{tmp_path}/nowhere/records.db")
    assert not list(tmp_path.glob("*-wal"))


async def test_workers_of_a_sidecar_need_a_place_for_limits_and_records() -> None:
    """A central gateway keeps neither, and memory is each process's own."""
    for more in ({}, {"limits": "sqlite:///l.db"}, {"records": "sqlite:///r.db"}):
        with pytest.raises(SettingsError, match="central gateway keeps no limits"):
            await open_state("central+https://gateway.internal", processes=2, token="token", **more)


async def test_sealing_keys_stand_before_the_grants_alone(tmp_path: Path) -> None:
    """The engine still counts and feeds; a start without the keys is refused, and the file shows why."""
    url = f"sqlite:///{tmp_path}/gateway.db"
    state = await open_state(url, sealing_keys=[(1, "a sealing key of enough characters")])
    stored = await state.grants.create(link(password="scrypt$salt$hash"))
    assert state.grants is state.sealed
    assert isinstance(state.feed, SqliteFeed)
    assert "scrypt$salt$hash" == stored.password
    await state.close()
    assert b"scrypt$salt$hash" not in (tmp_path / "gateway.db").read_bytes()
    with pytest.raises(SettingsError, match="sealed under key 1"):
        await open_state(url)
    again = await open_state(url, sealing_keys=[(1, "a sealing key of enough characters")])
    assert stored == await again.grants.find(stored.hash)
    await again.close()


@pytest.mark.parametrize(
    ("url", "library", "engine", "told"),
    [
        (
            "postgresql://127.0.0.1:1/x",
            "asyncpg",
            "gateway.stores.postgres",
            r"needs asyncpg: install gateway\[postgres\]",
        ),
        ("redis://127.0.0.1:1/0", "redis", "gateway.stores.redis", r"needs redis-py: install gateway\[redis\]"),
    ],
)
async def test_an_extra_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str, library: str, engine: str, told: str
) -> None:
    """With the command that brings it; with it, the server is what is missing."""
    with pytest.raises(SettingsError, match=r"cannot be reached|does not answer"):
        await open_state(url, accept_redis_durability=True)
    for name in [name for name in sys.modules if name.startswith((library + ".", engine))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SettingsError, match=told):
        await open_state(url, accept_redis_durability=True)
