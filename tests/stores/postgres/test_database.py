"""A server that goes away, durability that is never off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from gateway.core.limits import Demand
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores.postgres import database
from gateway.stores.postgres.engine import open_postgres
from tests.contract.sample import NOW, link
from tests.contract.servers import pgbouncer
from tests.stores.cutting import Wire

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


async def test_a_lost_server_is_told_and_comes_back(wire: Wire) -> None:
    """While the server is away every call is a DependencyDown; once it is back, the same store works on."""
    state = await open_postgres(wire.url)
    grant = await state.grants.create(link())
    await state.feed.changed(0, 0)
    wire.cut()
    for dependency, call in (
        ("grants", state.grants.find(grant.hash)),
        ("revocations", state.feed.revoke(LINK, NOW, "", "")),
        ("revocations", state.feed.since(0, 9)),
        ("revocations", state.feed.changed(99, 0.1)),
        ("limits", state.limits.take([Demand("a", Rate(1, 1.0, 1))], NOW)),
        ("audit", state.ledger.append([])),
    ):
        with pytest.raises(DependencyDown) as caught:
            await call
        assert caught.value.dependency == dependency
    wire.heal()
    assert await state.grants.find(grant.hash) == grant
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(state.feed.changed(grant.serial, 60))
        await state.feed.revoke(LINK, NOW, "", "")
    await state.close()


async def test_a_lost_server_is_told_of_in_our_words_alone(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing tries by itself to reach it again, and the driver writes no lines of its own into our log."""
    state = await open_postgres(wire.url)
    assert await state.feed.last() == 0
    wire.cut()
    with pytest.raises(DependencyDown):
        await state.feed.last()
    accepted = wire.accepted
    await asyncio.sleep(1.5)
    assert (accepted, []) == (wire.accepted, [record.getMessage() for record in caplog.records])
    wire.heal()
    assert await state.feed.last() == 0
    await state.close()


async def test_statements_have_names_that_no_other_process_has(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At sessions that a pooler has mixed up none is run in the place of another process's: the driver's own are
    counted, from one in each."""
    names: list[list[str]] = []
    for _ in range(2):
        monkeypatch.setattr(asyncpg.connection, "_uid", 0)
        state = await open_postgres(url)
        await state.grants.find(link().hash)
        rows = await state.feed._database.read("grants", "SELECT name FROM pg_prepared_statements")
        names.append([row[0] for row in rows])
        await state.close()
    first, second = map(set, names)
    assert len(first) > 1
    assert not first & second


async def test_a_deaf_server_is_told_in_time(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers costs no more than the answer's time."""
    monkeypatch.setattr(database, "ANSWER_SECONDS", 0.2)
    state = await open_postgres(wire.url)
    wire.deafen()
    async with asyncio.timeout(5):
        with pytest.raises(DependencyDown):
            await state.grants.find(link().hash)
    wire.heal()
    assert await state.grants.find(link().hash) is None
    await state.close()


async def test_closing_never_waits_for_ever(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that went deaf does not keep the gateway from ending."""
    monkeypatch.setattr(database, "ANSWER_SECONDS", 0.2)
    state = await open_postgres(wire.url)
    await state.feed.changed(0, 0)
    wire.deafen()
    async with asyncio.timeout(5):
        await state.close()


@asynccontextmanager
async def lazy(url: str) -> AsyncIterator[None]:
    """The user's transactions are what ours must not be."""
    plain = await asyncpg.connect(url)
    await plain.execute("ALTER ROLE gateway SET synchronous_commit = off")
    await plain.execute("ALTER ROLE gateway SET default_transaction_isolation = 'serializable'")
    try:
        yield
    finally:
        await plain.execute("ALTER ROLE gateway RESET ALL")
        await plain.close()


async def test_a_lazy_database_is_made_to_sync(url: str) -> None:
    """Where the database was told to commit lazily or to isolate otherwise, our sessions do not."""
    async with lazy(url):
        state = await open_postgres(url)
        for setting, value in (("synchronous_commit", "on"), ("default_transaction_isolation", "read committed")):
            rows = await state.feed._database.read("grants", "SELECT current_setting($1)", setting)
            assert [row[0] for row in rows] == [value]
        await state.close()


async def test_a_lazy_database_behind_a_pooler_is_made_to_sync(url: str) -> None:
    """Though a pooler lets in no connection that brings settings along."""
    async with lazy(url):
        with pgbouncer(url, "session") as pooled:
            state = await open_postgres(pooled)
            for _ in range(2):  # also when a connection has been given back
                rows = await state.feed._database.read("grants", "SHOW synchronous_commit")
                assert [row[0] for row in rows] == ["on"]
            await state.close()


async def test_a_lock_keeps_nobody_from_hearing_of_revocations(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a table is locked, and as many calls wait for it as there are connections, the feed is read; they are told
    in time, and all is well with the lock's end."""
    monkeypatch.setattr(database, "ANSWER_SECONDS", 2.0)
    state = await open_postgres(url)
    operator = await asyncpg.connect(url)
    await operator.execute("BEGIN; LOCK TABLE gateway_grants")
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(refused(state.grants.find(link().hash))) for _ in range(30)]
        await asyncio.sleep(0.2)
        async with asyncio.timeout(1):
            await state.feed.changed(0, 0)
            assert ([], 0) == (await state.feed.since(0, 9), await state.feed.last())
        assert not any(call.done() for call in waiting)
    await operator.close()
    assert await state.grants.find(link().hash) is None
    await state.close()


async def test_a_disk_that_had_no_room_is_told_for_a_while(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the trial writes and takes back finds room on a full disk. A trigger stands for a table that has to grow."""
    state = await open_postgres(url)
    admin = await asyncpg.connect(url)
    await admin.execute("""
        CREATE FUNCTION no_room() RETURNS TRIGGER LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER no_room BEFORE INSERT ON gateway_grants FOR EACH STATEMENT EXECUTE FUNCTION no_room();
    """)
    await state.probe()
    for call in (state.grants.create(link()), state.probe()):
        with pytest.raises(DependencyDown, match="its disk is full"):
            await call
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    await state.probe()
    await state.close()
    await admin.close()


async def refused(call: Awaitable[object]) -> None:
    with pytest.raises(DependencyDown):
        await call


async def test_a_closed_store_says_so(url: str) -> None:
    """After closing, calls are DependencyDown."""
    state = await open_postgres(url)
    await state.close()
    with pytest.raises(DependencyDown):
        await state.grants.find(link().hash)


async def test_a_standby_proves_nothing(url: str) -> None:
    """A server that takes no writes, as after a failover, is not asked: what it has may be old."""
    state = await open_postgres(url)
    assert [] == await state.feed.since(0, 10)
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
                await state.feed.since(0, 10)
        with pytest.raises(SettingsError, match="takes no writes, as a standby does: name the primary"):
            await open_postgres(url)
    finally:
        await other.execute("SET default_transaction_read_only = off")
        await other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await other.close()
        await state.close()
