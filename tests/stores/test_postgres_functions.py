"""The server's functions: counters that ended leave, a clock that jumped back heals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from gateway.stores.postgres_schema import migrate
from tests.contract.sample import NOW

TAKE = "SELECT allowed, wait FROM gateway_take($1, $2, $3, $4)"


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(postgres_url)
    await migrate(connection)
    yield connection
    await connection.close()


async def test_one_caller_on_two_replicas_shares_a_use(connection: Any, postgres_url: str) -> None:
    """A second opening under one key waits for the first to commit and joins it: it is not told "used up"."""
    other = await asyncpg.connect(postgres_url)
    statement = f"SELECT gateway_join('l', 'k', '', 1, {NOW}, 60, 60)"
    try:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group, connection.transaction():
            assert await connection.fetchval(statement) is True
            second = group.create_task(other.fetchval(statement))
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not second.done()
        assert second.result() is False
    finally:
        other.terminate()


async def test_limits_that_ended_leave(connection: Any) -> None:
    """Strangers who came once are forgotten as others come."""
    for number in range(60):
        await connection.fetch(TAKE, [f"stranger {number}"], [0.01], [1], [1])
    assert await connection.fetchval("SELECT count(*) FROM gateway_limits") <= 5


async def test_a_clock_that_jumped_back_heals(connection: Any) -> None:
    """A counter from the future keeps its backlog, and drains from now on instead of from then."""
    await connection.fetch(TAKE, ["a"], [50_000.0], [1], [1])
    await connection.execute("UPDATE gateway_limits SET at = at + 3600000000")
    ((allowed, wait),) = await connection.fetch(TAKE, ["a"], [50_000.0], [1], [1])
    assert not allowed
    assert wait <= 50_001
    await connection.execute("SELECT pg_sleep(0.06)")
    ((allowed, _),) = await connection.fetch(TAKE, ["a"], [50_000.0], [1], [1])
    assert allowed


async def test_lapsed_leases_leave(connection: Any) -> None:
    """However many callers come, only open leases stay."""
    for number in range(60):
        await connection.fetch("SELECT gateway_join('l', $1, '', NULL, $2, 10, 60)", str(number), NOW + number)
    assert await connection.fetchval("SELECT count(*) FROM gateway_leases") <= 11
