"""How the tests of each store open a PostgreSQL engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from gateway.stores.postgres.schema import migrate


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Any]:
    """To a database that has the tables."""
    connection = await asyncpg.connect(postgres_url)
    await migrate(connection)
    yield connection
    await connection.close()
