"""The database's form: moved forward only; errors are told by code."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.core.reasons import DependencyDown, SettingsError
from gateway.stores.postgres_schema import MIGRATIONS, explain, mapped, migrate


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


async def test_errors_are_told_by_code(postgres_url: str) -> None:
    """The server's text stays out of the detail, since it may quote values."""
    connection = await asyncpg.connect(postgres_url)
    with pytest.raises(DependencyDown) as caught, mapped("audit"):
        await connection.execute("SELECT 'hunter2'::int")
    assert (caught.value.dependency, caught.value.detail) == ("audit", "PostgreSQL failed (22P02)")
    with pytest.raises(ValueError, match="exists"), mapped("grants"):
        await connection.execute("CREATE TEMP TABLE t (x INT UNIQUE); INSERT INTO t VALUES (1), (1)")
    await connection.close()


def test_an_unreachable_server_is_named_without_its_address() -> None:
    """Errors of the network show their kind alone."""
    assert explain(ConnectionRefusedError("10.0.0.7 refused")) == (
        "PostgreSQL cannot be reached (ConnectionRefusedError)"
    )
