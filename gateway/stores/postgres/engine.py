"""Owns the engine that many replicas share durably: which stores a PostgreSQL database holds, how they are opened and
tried.

Refuses to own what each store does (the modules beside it).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

from gateway.core.reasons import SettingsError
from gateway.stores.engine import Engine
from gateway.stores.postgres import database as connections
from gateway.stores.postgres.database import PostgresDatabase
from gateway.stores.postgres.errors import FAILURES, explain, map_errors
from gateway.stores.postgres.feed import POLL_SECONDS, PostgresFeed
from gateway.stores.postgres.grants import PostgresGrants
from gateway.stores.postgres.leases import PostgresLeases
from gateway.stores.postgres.ledger import PostgresLedger
from gateway.stores.postgres.limits import PostgresLimits
from gateway.stores.postgres.probe import can_announce, require_rights, require_session, try_session
from gateway.stores.postgres.schema import MIGRATIONS, find_form, migrate
from gateway.stores.postgres.seals import PostgresSeals

_log = structlog.get_logger("gateway")

_ONE_CONNECTION: Final = (
    "PostgreSQL, or a pooler before it, gave one connection and then no answer: each gateway process takes up to 11, "
    "and 2 at its start (PgBouncer: default_pool_size, by session)"
)


async def open_postgres(url: str, *, clock: Callable[[], float] = time.time) -> Engine:
    """Connect and migrate.

    Raises:
        SettingsError: the server cannot be reached, refuses us, or belongs to a newer gateway.
    """
    database = await _open(url, clock)

    async def probe() -> float:
        async with database.connection("grants") as first, database.connection("grants") as second:
            with map_errors("grants"):
                database.require_space()
                return await try_session(first, second)

    return Engine(
        grants=PostgresGrants(database),
        leases=PostgresLeases(database),
        limits=PostgresLimits(database),
        feed=PostgresFeed(database),
        ledger=PostgresLedger(database),
        seals=PostgresSeals(database),
        probe=probe,
        close=database.close,
    )


async def read_form(url: str) -> tuple[int, int]:
    """The form of a database's tables, 0 where it has none, and the one that a start brings them to. None is changed.

    Raises:
        SettingsError: the server cannot be reached, or refuses us.
    """
    try:
        async with _connection(url) as connection:
            return await find_form(connection), len(MIGRATIONS)
    except (*FAILURES, ValueError) as error:
        raise SettingsError(f"state: {explain(error)}.") from error


async def _open(url: str, clock: Callable[[], float]) -> PostgresDatabase:
    only_one = False
    try:
        async with _connection(url) as first:
            only_one = True
            async with asyncio.timeout(connections.ANSWER_SECONDS), _connection(url) as second:
                await require_session(first, second)
                if not await can_announce(first, second):
                    _log.warning("PostgreSQL brings no announcements: replicas ask instead", seconds=POLL_SECONDS)
            only_one = False
            await migrate(first)
            await require_rights(first)
            return await PostgresDatabase.open(url, first, clock)
    except (*FAILURES, ValueError) as error:
        starved = only_one and isinstance(error, TimeoutError)
        raise SettingsError(f"state: {_ONE_CONNECTION if starved else explain(error)}.") from error


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[Any]:
    connection = await connections.connect(url)
    try:
        yield connection
    finally:
        await connection.close(timeout=connections.ANSWER_SECONDS)
