"""The database's form: moved forward only."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.core.reasons import SettingsError
from gateway.stores.postgres.schema import MIGRATIONS, migrate


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
