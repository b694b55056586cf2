"""Owns the engine of one host: which stores a SQLite file holds, how they are opened, tried and closed.

Refuses to own what each store does (the modules beside it).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection

from gateway.core.limits import LimitStore
from gateway.stores.engine import Engine
from gateway.stores.limits import MemoryLimits
from gateway.stores.sqlite.database import SqliteDatabase
from gateway.stores.sqlite.feed import SqliteFeed
from gateway.stores.sqlite.grants import SqliteGrants
from gateway.stores.sqlite.leases import SqliteLeases
from gateway.stores.sqlite.ledger import SqliteLedger
from gateway.stores.sqlite.limits import SqliteLimits
from gateway.stores.sqlite.seals import SqliteSeals


async def open_sqlite(path: Path, *, clock: Callable[[], float] = time.time, processes: int = 1) -> Engine:
    """Create or migrate the file. A single process counts limits in memory, several share a file beside this one.

    Raises:
        SettingsError: it cannot be used; the message says why.
    """
    database = SqliteDatabase(path, clock)
    shared = SqliteLimits(Path(f"{path}.limits")) if processes > 1 else None
    limits: LimitStore = shared or MemoryLimits()

    async def probe() -> None:
        await database.write("grants", _try_commit)
        database.read("grants", "SELECT last_used_at FROM usage LIMIT 1")

    async def close() -> None:
        await database.close()
        if shared is not None:
            await shared.close()

    return Engine(
        grants=SqliteGrants(database),
        leases=SqliteLeases(database),
        limits=limits,
        feed=SqliteFeed(database),
        ledger=SqliteLedger(database),
        seals=SqliteSeals(database),
        probe=probe,
        close=close,
    )


def _try_commit(tx: Connection) -> None:
    """Write something and take it back: what reaches the disk is a commit like any other."""
    tx.execute("INSERT INTO leases VALUES ('probe', 'probe', 0, 0, 0) ON CONFLICT DO NOTHING")
    tx.execute("DELETE FROM leases WHERE grant_id = 'probe'")
