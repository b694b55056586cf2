"""What is special to the PostgreSQL engine: replicas, a server that goes away, durability that is never off."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from gateway.core.lease import Reservation
from gateway.core.limits import Demand
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores import postgres
from gateway.stores.postgres import PostgresState
from tests.contract.sample import NOW, link
from tests.stores.cutting import Wire

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


async def opened(url: str) -> PostgresState:
    state = PostgresState(url)
    await state.open()
    return state


async def test_replicas_that_start_together_make_one_schema(url: str) -> None:
    """Five gateways on an empty database all start."""
    states = await asyncio.gather(*(opened(url) for _ in range(5)))
    await states[0].create(link())
    assert len(await states[4].since(0, 9)) == 1
    for state in states:
        await state.close()


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


async def test_opposite_orders_never_lock_up(url: str) -> None:
    """Demands on the same limits in any order, and edits beside revocations, all come to an end."""
    state = await opened(url)
    grant = await state.create(link())
    rate = Rate(1, 3600.0, 1000)
    demands = [Demand(name, rate) for name in "abc"]
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(state.take(demands if n % 2 else demands[::-1], NOW) for n in range(40)),
            *(state.revoke([RevocationTarget(FeedKind.OWNER, "app:billing")], NOW, "", "") for _ in range(20)),
            *(state.save(grant) for _ in range(20)),
            *(state.settle_bytes(Reservation("l_1", "k"), 1, NOW) for _ in range(20)),
            *(state.open_lease(Reservation("l_1", "k"), None, NOW, 60) for _ in range(20)),
        )
    await state.close()


async def test_a_follower_misses_nothing_among_slow_writers(url: str) -> None:
    """A writer that holds its serial for long keeps later serials back, so a reader never passes it."""
    state, other = await opened(url), await opened(url)
    seen: list[FeedEntry] = []
    async with asyncio.timeout(20):
        async with state._feeding("revocations", 1) as (tx, serial):
            late = asyncio.gather(other.revoke(LINK, NOW, "", ""))
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
            while not late.done() and not await state._read("grants", waiting):
                pass
            seen += await state.since(0, 9)
            await postgres._enter(tx, [FeedEntry(serial, FeedKind.LINK, "slow")])
        ((later,),) = await late
        seen += await state.since(0, 9)
    assert [entry.serial for entry in seen] == [serial, later.serial]
    await state.close()
    await other.close()


async def test_an_announcement_wakes_another_replica(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation reaches a waiting replica by announcement, without any polling."""
    monkeypatch.setattr(postgres, "POLL_SECONDS", 60)
    state, other = await opened(url), await opened(url)
    await state.changed(0, 0)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(state.changed(0, 60))
        await state.usage(["l_1"])
        await other.revoke(LINK, NOW, "", "admin:ops")
    await state.close()
    await other.close()


async def test_a_lost_server_is_told_and_comes_back(wire: Wire) -> None:
    """While the server is away every call is a DependencyDown; once it is back, the same store works on."""
    state = await opened(wire.url)
    grant = await state.create(link())
    await state.changed(0, 0)
    wire.cut()
    for dependency, call in (
        ("grants", state.find(grant.hash)),
        ("revocations", state.revoke(LINK, NOW, "", "")),
        ("revocations", state.since(0, 9)),
        ("revocations", state.changed(99, 0.1)),
        ("limits", state.take([Demand("a", Rate(1, 1.0, 1))], NOW)),
        ("audit", state.append([])),
    ):
        with pytest.raises(DependencyDown) as caught:
            await call
        assert caught.value.dependency == dependency
    wire.heal()
    assert await state.find(grant.hash) == grant
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(state.changed(grant.serial, 60))
        await state.revoke(LINK, NOW, "", "")
    await state.close()


async def test_a_deaf_server_is_told_in_time(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers costs no more than the answer's time."""
    monkeypatch.setattr(postgres, "ANSWER_SECONDS", 0.2)
    state = await opened(wire.url)
    wire.deafen()
    async with asyncio.timeout(5):
        with pytest.raises(DependencyDown):
            await state.find(link().hash)
    wire.heal()
    assert await state.find(link().hash) is None
    await state.close()


async def test_closing_never_waits_for_ever(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that went deaf does not keep the gateway from ending."""
    monkeypatch.setattr(postgres, "ANSWER_SECONDS", 0.2)
    state = await opened(wire.url)
    await state.changed(0, 0)
    wire.deafen()
    async with asyncio.timeout(5):
        await state.close()


async def test_a_lazy_database_is_made_to_sync(url: str) -> None:
    """Where the database was told to commit lazily or to isolate otherwise, our sessions do not."""
    plain = await asyncpg.connect(url)
    await plain.execute("ALTER ROLE gateway SET synchronous_commit = off")
    await plain.execute("ALTER ROLE gateway SET default_transaction_isolation = 'serializable'")
    try:
        state = await opened(url)
        for setting, value in (("synchronous_commit", "on"), ("default_transaction_isolation", "read committed")):
            rows = await state._read("grants", "SELECT current_setting($1)", setting)
            assert [row[0] for row in rows] == [value]
        await state.close()
    finally:
        await plain.execute("ALTER ROLE gateway RESET ALL")
        await plain.close()


async def test_a_closed_store_says_so(url: str) -> None:
    """After closing, calls are DependencyDown."""
    state = await opened(url)
    await state.close()
    with pytest.raises(DependencyDown):
        await state.find(link().hash)


async def test_a_standby_proves_nothing(url: str) -> None:
    """A server that takes no writes, as after a failover, is not asked: what it has may be old."""
    state = await opened(url)
    assert [] == await state.since(0, 10)
    other = await asyncpg.connect(url)
    name = await other.fetchval("SELECT quote_ident(current_database())")
    await other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    try:
        for _ in range(3):  # the first finds its connection cut, the others would find a new one
            with pytest.raises(DependencyDown):
                await state.since(0, 10)
        with pytest.raises(SettingsError, match="takes no writes, as a standby does: name the primary"):
            await opened(url)
    finally:
        await other.execute("SET default_transaction_read_only = off")
        await other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await other.close()
        await state.close()
