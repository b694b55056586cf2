"""Every engine behind one fixture. The servers are real and start once a session, on free ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from gateway.stores.engine import Engine
from gateway.stores.memory import open_memory
from gateway.stores.postgres.engine import open_postgres
from gateway.stores.redis.engine import open_redis
from gateway.stores.sqlite.engine import open_sqlite
from tests.contract.sample import FakeClock
from tests.contract.servers import postgres_server, valkey_server

SERVERS = ("postgres", "valkey")
ENGINES = ("memory", "sqlite", *SERVERS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey_server(tmp_path_factory.mktemp("valkey") / "server") as url:
        yield url


async def empty_postgres(url: str) -> None:
    """Drop what earlier tests left."""
    connection = await asyncpg.connect(url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


async def empty_valkey(url: str) -> None:
    """Drop what earlier tests left."""
    async with Redis.from_url(url) as client:
        await client.flushall()


@pytest.fixture
async def engine(
    request: pytest.FixtureRequest, engine_name: str, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Engine]:
    url = request.getfixturevalue(f"{engine_name}_url") if engine_name in SERVERS else ""
    if engine_name == "postgres":
        await empty_postgres(url)
    if engine_name == "valkey":
        await empty_valkey(url)
    engine = await _open(engine_name, url, clock, tmp_path)
    yield engine
    await engine.close()


async def _open(engine_name: str, url: str, clock: FakeClock, folder: Path) -> Engine:
    if engine_name == "sqlite":
        return await open_sqlite(folder / "gateway.db", clock=clock, processes=2)
    if engine_name == "postgres":
        return await open_postgres(url, clock=clock)
    if engine_name == "valkey":
        return await open_redis(url, clock=clock)
    return open_memory(clock=clock)


@pytest.fixture
async def rival(
    request: pytest.FixtureRequest, engine: Engine, engine_name: str, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Engine]:
    """A second gateway's hold on the same state; memory is held by one process only, so it is the same engine."""
    if engine_name == "memory":
        yield engine
        return
    url = request.getfixturevalue(f"{engine_name}_url") if engine_name in SERVERS else ""
    other = await _open(engine_name, url, clock, tmp_path)
    yield other
    await other.close()
