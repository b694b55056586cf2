"""Uses that replicas share, and leases that leave."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from tests.contract.sample import NOW


async def test_one_caller_on_two_replicas_shares_a_use(connection: Any, postgres_url: str) -> None:
    """A second opening under one key waits for the first to commit and joins it: it is not told "used up"."""
    other = await asyncpg.connect(postgres_url)
    statement = f"SELECT gateway_open_lease('l', 'k', '', 1, {NOW}, 60, 60)"
    try:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group, connection.transaction():
            assert await connection.fetchval(statement) is True
            second = group.create_task(other.fetchval(statement))
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not second.done()
        assert second.result() is False
    finally:
        other.terminate()


async def test_lapsed_leases_leave(connection: Any) -> None:
    """However many callers come, only open leases stay, and for a day those that nobody kept."""
    opening = "SELECT gateway_open_lease($1, $2, '', NULL, $3, 10, 60)"
    for number in range(60):
        await connection.fetch(opening, "l", str(number), NOW + number)
        if number % 10:
            await connection.execute("UPDATE gateway_leases SET kept = TRUE WHERE key = $1", str(number))
    assert 10 + 6 >= await connection.fetchval("SELECT count(*) FROM gateway_leases")
    for number in range(9):
        await connection.fetch(opening, "other", str(number), NOW + 90_000 + number)
    assert 2 >= await connection.fetchval("SELECT count(*) FROM gateway_leases WHERE grant_id = 'l'")
