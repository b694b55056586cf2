"""Errors are told by code."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.core.reasons import DependencyDown, SettingsError
from gateway.stores.postgres.engine import open_postgres
from gateway.stores.postgres.errors import explain, map_errors


async def test_errors_are_told_by_code(postgres_url: str) -> None:
    """The server's text stays out of the detail, since it may quote values."""
    connection = await asyncpg.connect(postgres_url)
    with pytest.raises(DependencyDown) as caught, map_errors("audit"):
        await connection.execute("SELECT 'hunter2'::int")
    assert (caught.value.dependency, caught.value.detail) == ("audit", "PostgreSQL failed (22P02)")
    with pytest.raises(ValueError, match="exists"), map_errors("grants"):
        await connection.execute("CREATE TEMP TABLE t (x INT UNIQUE); INSERT INTO t VALUES (1), (1)")
    await connection.close()


def test_an_unreachable_server_is_named_without_its_address() -> None:
    """Errors of the network show their kind alone."""
    assert explain(ConnectionRefusedError("10.0.0.7 refused")) == (
        "PostgreSQL cannot be reached (ConnectionRefusedError)"
    )


async def test_a_server_without_tls_is_told_of(postgres_url: str) -> None:
    """Where the URL asks for it; to the network it is a server like any other."""
    with pytest.raises(SettingsError, match="offers no TLS, which its URL asks for"):
        await open_postgres(f"{postgres_url}?sslmode=require")
