"""Grants in PostgreSQL: looking one up reads no whole table."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.stores.postgres.engine import open_postgres
from gateway.stores.postgres.grants import _BY_ID, _GRANTS


@pytest.mark.parametrize(("statement", "value"), [(_BY_ID, "l_1"), (f"{_GRANTS} WHERE g.hash = $1", b"x")])
async def test_look_ups_use_an_index(url: str, statement: str, value: object) -> None:
    """By id and by the hash of a secret, as on the serving path."""
    await (await open_postgres(url)).close()
    connection = await asyncpg.connect(url)
    await connection.execute("SET enable_seqscan = off")
    plan = " ".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", value))
    assert "Index Scan" in plan
    assert "Seq Scan" not in plan
    await connection.close()
