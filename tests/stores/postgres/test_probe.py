"""What a server, or a pooler before it, does only in part is found at the start, and while it runs. Real ones."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from structlog.testing import capture_logs

from gateway.core.reasons import DependencyDown, SettingsError
from gateway.stores.engine import Engine
from gateway.stores.postgres import database as postgres_database
from gateway.stores.postgres import probe as postgres_probe
from gateway.stores.postgres.engine import open_postgres
from gateway.stores.postgres.errors import SESSION_LOST
from tests.contract.sample import link
from tests.contract.servers import pgbouncer, postgres_binary
from tests.stores.cutting import Wire

POOLED = r"a pooler before it gives each transaction another connection.*pool_mode = session"


@pytest.fixture
async def admin(url: str) -> AsyncIterator[Any]:
    """A connection that may do everything."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture(params=["", "alone", "in rotation"])
def shared(request: pytest.FixtureRequest) -> dict[str, str]:
    """How a pooler shares: the connection used last, a single one, or all of them in turn."""
    options: dict[str, dict[str, str]] = {
        "alone": {"default_pool_size": "1"},
        "in rotation": {"server_round_robin": "1"},
    }
    return options.get(request.param, {})


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_shares_connections_is_refused_at_the_start(
    url: str, mode: str, shared: dict[str, str]
) -> None:
    """Whatever its way of sharing, with a sentence that says what to do."""
    with pgbouncer(url, mode, **shared) as pooled, pytest.raises(SettingsError, match=POOLED):
        await open_postgres(pooled)


@pytest.mark.parametrize("behind", [1, 2, 3])
async def test_no_number_of_connections_in_rotation_looks_like_two_of_their_own(url: str, behind: int) -> None:
    """Two in rotation would, if the trial's two took turns evenly; two that are their own pass."""
    for mode, passes in (("transaction", False), ("session", True)):
        with pgbouncer(url, mode, server_round_robin="1") as pooled:
            clients = [await asyncpg.connect(pooled) for _ in range(max(2, behind))]
            for statement in ("BEGIN", "ROLLBACK"):  # as many transactions at once are as many connections
                for client in clients[:behind]:
                    await client.execute(statement)
            told = await asyncio.gather(postgres_probe.require_session(*clients[:2]), return_exceptions=True)
            assert [None if passes else SESSION_LOST] == [getattr(fault, "sqlstate", fault) for fault in told]
            for client in clients:
                await client.close()


@pytest.mark.parametrize("more", [{}, {"server_round_robin": "1"}])
async def test_a_pooler_that_keeps_sessions_is_as_good_as_the_server(url: str, more: dict[str, str]) -> None:
    """Everything works, announcements too, and again after each trial."""
    with pgbouncer(url, "session", **more) as pooled, capture_logs() as logged:
        state = await open_postgres(pooled)
        stored = await state.grants.create(link())
        assert stored == await state.grants.find(stored.hash)
        for _ in range(3):
            assert (await state.probe() or 0) > 1e9
        await state.close()
    assert [] == logged


async def test_a_pooler_with_one_session_is_told_from_one_that_is_away(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first connection is there, the second never comes: that is a pool that is too small."""
    monkeypatch.setattr(postgres_database, "ANSWER_SECONDS", 0.5)
    told = pytest.raises(SettingsError, match=r"gave one connection and then no answer.*default_pool_size")
    with pgbouncer(url, "session", default_pool_size="1") as pooled, told:
        await open_postgres(pooled)


async def test_a_pooler_that_lets_nobody_in_is_told_from_one_that_shares(url: str) -> None:
    """It says by one code that its server is away, that it has no such database, and that sessions are mixed up."""
    with pgbouncer(url, "session", server_login_retry="1", query_wait_timeout="1") as pooled:
        await (await open_postgres(pooled)).close()
        with pytest.raises(SettingsError, match="a pooler before it lets nobody in, and says why in its own log"):
            await open_postgres(pooled.replace("/postgres", "/nowhere"))


async def test_a_pooler_that_begins_to_share_is_found_while_it_runs(wire: Wire, url: str) -> None:
    """And so is its end; no statement of the gateway's need have failed."""
    state = await open_postgres(wire.url)
    assert "" == await told(state)
    with pgbouncer(url, "transaction") as pooled:
        wire.lead_to(pooled)
        await told(state)  # only that its connections are cut
        assert re.search(POOLED, await told(state))
    wire.lead_to(url)
    async with asyncio.timeout(10):
        while await told(state):
            pass
    await state.close()


async def test_a_pooler_that_is_set_right_again_is_trusted_again(url: str) -> None:
    """No connection goes on with what it believed to be prepared at the server, and announcements come again."""
    with pgbouncer(url, "session", admin_users="gateway", server_round_robin="1") as pooled:
        state = await open_postgres(pooled)
        await asyncio.gather(*(state.grants.find(link().hash) for _ in range(10)))
        await state.feed.changed(0, 0)
        set_mode(pooled, "transaction")
        for _ in range(20):
            await asyncio.gather(*(state.feed.last() for _ in range(10)), told(state), return_exceptions=True)
        set_mode(pooled, "session")
        await asyncio.gather(*(tried(state) for _ in range(10)))
        async with asyncio.timeout(10):
            while await told(state) or not all(await asyncio.gather(*(tried(state) for _ in range(10)))):
                pass
        for _ in range(20):
            assert [True] * 10 == await asyncio.gather(*(tried(state) for _ in range(10)))
            assert "" == await told(state)
        await state.close()


def set_mode(pooled: str, mode: str) -> None:
    """Tell a running pooler how to share."""
    place = urlsplit(pooled)
    asking = [postgres_binary("psql"), "-q", "-h", "127.0.0.1", "-p", str(place.port), "-U", str(place.username)]
    subprocess.run([*asking, "-c", f"SET pool_mode = '{mode}'", "pgbouncer"], check=True)


async def tried(state: Engine) -> bool:
    try:
        await state.grants.find(link().hash)
        await state.feed.since(0, 9)
        await state.feed.last()
    except DependencyDown:
        return False
    return True


async def told(state: Engine) -> str:
    """What a trial says against the server."""
    try:
        await state.probe()
    except DependencyDown as failure:
        return failure.detail
    return ""


async def test_a_pooler_that_reads_from_a_standby_is_refused(url: str, admin: Any) -> None:
    """At the start, at each new connection and by a trial. The tables say here what a standby says: that a look-up is
    answered by a server that takes no writes, while all that is written is taken."""
    state, late = await open_postgres(url), await open_postgres(url)
    await state.probe()
    await admin.execute("""
        CREATE FUNCTION current_setting(name TEXT) RETURNS TEXT LANGUAGE sql AS $$
            SELECT CASE name WHEN 'transaction_read_only' THEN 'on' ELSE pg_catalog.current_setting(name) END $$;
        ALTER ROLE gateway SET search_path = public, pg_catalog;
    """)
    try:
        with pytest.raises(SettingsError, match="a pooler before it has a standby answer what is read"):
            await open_postgres(url)
        for call in (late.grants.find(link().hash), late.feed.since(0, 9), late.feed.changed(0, 0), late.probe()):
            with pytest.raises(DependencyDown, match="load_balance_mode = off"):
                await call
    finally:
        await admin.execute("ALTER ROLE gateway RESET search_path; DROP FUNCTION public.current_setting")
    assert await late.grants.find(link().hash) is None
    assert [] == await late.feed.since(0, 9)
    await late.close()
    await state.close()


@pytest.fixture
def guest(url: str) -> str:
    """The URL of a user who owns nothing."""
    place = urlsplit(url)
    return place._replace(netloc=f"guest@{place.hostname}:{place.port}").geturl()


async def test_a_user_who_lacks_a_right_is_told_which(url: str, admin: Any, guest: str) -> None:
    """Each right on each table is needed; with all of them, tables may be another's, and nothing need be creatable."""
    await (await open_postgres(url)).close()
    await admin.execute("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA public TO guest")
    try:
        with pytest.raises(SettingsError, match="lacks a right on the gateway's tables"):
            await open_postgres(guest)
        await admin.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest")
        state = await open_postgres(guest)
        await state.grants.create(link())
        await state.probe()
        for needed in postgres_probe._NEEDED:
            table, _, rights = needed.partition(":")
            for right in rights.split(","):
                await admin.execute(f"REVOKE {right} ON {table} FROM guest")
                with pytest.raises(SettingsError, match=rf"{right} on {table}|lacks a right"):
                    await open_postgres(guest)
                await admin.execute(f"GRANT {right} ON {table} TO guest")
        await admin.execute("REVOKE INSERT ON gateway_leases FROM guest")
        with pytest.raises(DependencyDown, match="lacks a right on the gateway's tables"):
            await state.probe()
        await state.close()
    finally:
        await admin.execute("DROP OWNED BY guest; DROP ROLE guest")


async def test_rights_on_every_table_are_asked_for(url: str, admin: Any) -> None:
    """A table that the list forgets would fail at the first request that needs it, and not at the start."""
    await (await open_postgres(url)).close()
    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row[0] for row in tables} == {needed.partition(":")[0] for needed in postgres_probe._NEEDED}


async def test_announcements_that_do_not_come_are_told_and_replicas_ask(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking is half a second slower and within every promise, so it is a warning."""
    monkeypatch.setattr(postgres_probe, "_NOTIFY_SECONDS", 0.1)
    real = asyncpg.Connection.add_listener
    monkeypatch.setattr(asyncpg.Connection, "add_listener", lambda self, name, heard: real(self, "another", heard))
    with capture_logs() as logged:
        await (await open_postgres(url)).close()
    assert ["PostgreSQL brings no announcements: replicas ask instead"] == [line["event"] for line in logged]


async def test_a_server_that_is_too_old_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it fails at some statement that it does not know."""
    await (await open_postgres(url)).close()
    monkeypatch.setattr(postgres_probe, "_OLDEST", 99)
    with pytest.raises(SettingsError, match="99 or newer is needed"):
        await open_postgres(url)


async def test_a_trial_leaves_nothing_behind(url: str, admin: Any) -> None:
    """However often it is made."""
    state = await open_postgres(url)
    for _ in range(3):
        await state.probe()
    assert 0 == await admin.fetchval("SELECT count(*) FROM gateway_leases")
    await state.close()
