"""The database's form: moved forward only."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from gateway.core.grant import GrantFilter, GrantState
from gateway.core.reasons import SettingsError
from gateway.stores.codec import edited_columns
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
