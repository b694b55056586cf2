"""The database's form: moved forward only."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import asyncpg
import pytest
from structlog.testing import capture_logs

from gateway.core.grant import GrantFilter, GrantState
from gateway.core.reasons import SettingsError
from gateway.stores.codec import edited_columns
from gateway.stores.postgres import schema
from gateway.stores.postgres.engine import open_postgres
from gateway.stores.postgres.schema import MIGRATIONS, migrate
from tests.contract.conftest import empty_postgres
from tests.contract.sample import NOW, link


async def test_a_newer_database_is_refused(postgres_url: str) -> None:
    """A database that a newer gateway has migrated is named as such and left as it is."""
    connection = await asyncpg.connect(postgres_url)
    await migrate(connection)
    await migrate(connection)
    assert await connection.fetchval("SELECT version FROM gateway_form") == len(MIGRATIONS)
    await connection.execute("UPDATE gateway_form SET version = version + 1")
    with pytest.raises(SettingsError, match="a newer gateway"):
        await migrate(connection)
    await connection.close()


async def test_a_database_of_version_1_is_brought_up_to_date(postgres_url: str) -> None:
    """What it holds is still there and used, and what this version adds is stored and found."""
    await empty_postgres(postgres_url)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(MIGRATIONS[0])
    await connection.execute("CREATE TABLE gateway_form (version INTEGER NOT NULL)")
    await connection.execute("INSERT INTO gateway_form VALUES (1)")
    kept = link(label="kept")
    columns = edited_columns(kept)
    del columns["suspended_at"], columns["waiting_until"]  # there were none
    row = {"serial": 1, "id": kept.id, "kind": "link", "version": 1, "issued_at": kept.issued_at, **columns}
    places = ", ".join(f"${number}" for number, _ in enumerate(row, 1))
    await connection.execute(f"INSERT INTO gateway_grants ({', '.join(row)}) VALUES ({places})", *row.values())
    await connection.execute("UPDATE gateway_serial SET last = 1")
    engine = await open_postgres(postgres_url)
    found = await engine.grants.get(kept.id)
    assert found == replace(kept, serial=1)
    paused = await engine.grants.save(replace(found, suspended_at=NOW))
    wanted = GrantFilter(now=NOW, state=GrantState.SUSPENDED)
    assert [paused] == list((await engine.grants.page(wanted, None, 10)).grants)
    await engine.close()
    assert len(MIGRATIONS) == await connection.fetchval("SELECT version FROM gateway_form")
    await connection.close()


async def test_a_dump_keeps_the_update_waiting_and_nobody_else(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older gateway asks meanwhile is answered within a second or so; the update comes with the dump's end."""
    monkeypatch.setattr(schema, "_PAUSE_SECONDS", 0.3)
    older, dump = await asyncpg.connect(postgres_url), await asyncpg.connect(postgres_url)
    await older.execute(MIGRATIONS[0])
    await older.execute("CREATE TABLE gateway_form (version INTEGER NOT NULL); INSERT INTO gateway_form VALUES (1)")
    dumping = dump.transaction()
    await dumping.start()
    await dump.execute("LOCK TABLE gateway_grants IN ACCESS SHARE MODE")
    with capture_logs() as logged:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            opening = group.create_task(open_postgres(postgres_url))
            ends, longest = time.monotonic() + 3, 0.0
            while (begun := time.monotonic()) < ends:
                await older.fetch("SELECT id FROM gateway_grants", timeout=10)
                longest = max(longest, time.monotonic() - begun)
                await asyncio.sleep(0.01)
            assert not opening.done()
            await dumping.rollback()
    await opening.result().close()
    assert 0.5 < longest < 2
    assert [line["log_level"] for line in logged] == ["warning"]
    assert len(MIGRATIONS) == await older.fetchval("SELECT version FROM gateway_form")
    for connection in (older, dump):
        await connection.close()
