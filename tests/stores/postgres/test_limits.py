"""Counters that replicas share, that leave once they ended, and that survive a clock that jumped back."""

from __future__ import annotations

from typing import Any

from gateway.stores.postgres.engine import open_postgres
from tests.stores.replicas import share_exactly

TAKE = "SELECT allowed, wait FROM gateway_take($1, $2, $3, $4)"


async def test_replicas_share_uses_and_limits_exactly(url: str) -> None:
    """Four replicas at once get exactly the uses of a link and exactly the burst of a limit."""
    await share_exactly(lambda: open_postgres(url))


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
