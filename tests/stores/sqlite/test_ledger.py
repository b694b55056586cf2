"""What pruning takes along."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.core.lease import Reservation
from gateway.stores.sqlite.engine import open_sqlite
from tests.contract.sample import NOW, key, link, record
from tests.stores.sqlite.conftest import rows_in


async def test_pruning_takes_all_that_belongs_to_a_lapsed_key(path: Path, tx: sqlite3.Connection) -> None:
    """A lapsed short-lived key leaves neither counters nor an idempotency text behind."""
    state = await open_sqlite(path, clock=lambda: NOW)
    lapsed = await state.grants.create(key(session_hash=link().hash, expires_at=NOW), "once")
    await state.leases.open_lease(Reservation(lapsed.id, "k"), None, NOW, 1)
    await state.ledger.append([record(lapsed.id, NOW)])
    assert await state.ledger.prune(NOW + 10) == 1
    for table in ("grants", "usage", "leases", "idempotency", "records", "feed"):
        assert rows_in(tx, table) == 0, table
    await state.close()
