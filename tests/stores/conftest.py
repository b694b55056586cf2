"""Servers for the tests of single engines, empty for each test; the law that all share is in tests/contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.contract.servers import postgres_server, valkey_server
from tests.stores.cutting import Wire, wire_to


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def running_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey_server(tmp_path_factory.mktemp("valkey") / "server") as url:
        yield url


@pytest.fixture
async def postgres_url(running_postgres: str) -> str:
    connection = await asyncpg.connect(running_postgres)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()
    return running_postgres


@pytest.fixture
async def valkey_url(running_valkey: str) -> str:
    async with Redis.from_url(running_valkey) as client:
        await client.flushall()
    return running_valkey


@pytest.fixture
async def wire(url: str) -> AsyncIterator[Wire]:
    """A relay to the `url` that the test's module names."""
    async with wire_to(url) as wire:
        yield wire
