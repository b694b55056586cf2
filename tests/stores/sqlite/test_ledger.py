"""What pruning takes along."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.core.lease import Reservation
from gateway.stores.sqlite import ledger
from gateway.stores.sqlite.engine import open_sqlite
from tests.contract.sample import NOW, key, link, record
from tests.stores.sqlite.conftest import rows_in


async def test_many_records_go_in_a_few_statements(path: Path, tx: sqlite3.Connection) -> None:
    """However many there are, each is there once, in order."""
    state = await open_sqlite(path, clock=lambda: NOW)
    many = 2 * ledger._ROWS_AT_ONCE + 1
    await state.ledger.append([record("g", NOW + number) for number in range(many)])
    found = (await state.ledger.export(None, many + 1)).records
    assert [NOW + number for number in range(many)] == [one.at for one in found]
    await state.close()


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
