"""What pruning takes along."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from threading import Event
from typing import cast

import pytest

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


@pytest.mark.parametrize("alone", [True, False])
async def test_records_that_fail_are_taken_back_with_those_before_them(
    path: Path, tx: sqlite3.Connection, alone: bool
) -> None:
    """A batch is written whole or not at all, whether or not other work is in its transaction."""
    state = await open_sqlite(path, clock=lambda: NOW)
    database, queued = state.grants._database, Event()
    bad = cast("list[tuple[str | None, float, str]]", [("g", NOW, "{}"), ("h", NOW, None)])

    async def begin() -> None:
        await database.write("audit", lambda tx: queued.wait())  # all that comes meanwhile is one transaction

    async def append(rows: list[tuple[str | None, float, str]]) -> None:
        await database.write("audit", lambda tx: ledger._append(tx, rows))

    async def fail() -> None:
        with pytest.raises(ValueError, match="exists"):
            await append(bad)

    async def end() -> None:
        queued.set()

    others = 0 if alone else 3
    await asyncio.gather(begin(), *(append(bad[:1]) for _ in range(others)), fail(), end())
    assert others == rows_in(tx, "records")
    await state.close()


async def test_records_of_many_grants_are_found_in_the_order_in_which_they_came(path: Path) -> None:
    """A batch is sorted by its grants; those of one grant, and those of none, keep their order."""
    state = await open_sqlite(path, clock=lambda: NOW)
    await state.ledger.append([record(("g", None, "f")[number % 3], NOW + number) for number in range(9)])
    found = (await state.ledger.export(None, 20)).records
    expected = [
        (grant, NOW + number) for start, grant in ((1, None), (2, "f"), (0, "g")) for number in range(start, 9, 3)
    ]
    assert expected == [(one.grant_id, one.at) for one in found]
    await state.close()


async def test_pruning_takes_all_that_belongs_to_a_lapsed_key(path: Path, tx: sqlite3.Connection) -> None:
    """A lapsed short-lived key leaves neither counters nor an idempotency text; the feed keeps its newest entry."""
    state = await open_sqlite(path, clock=lambda: NOW)
    lapsed = await state.grants.create(key(session_hash=link().hash, expires_at=NOW), "once")
    await state.leases.open_lease(Reservation(lapsed.id, "k"), None, NOW, 1)
    await state.ledger.append([record(lapsed.id, NOW)])
    assert await state.ledger.prune(NOW + 10) == 1
    for table in ("grants", "usage", "leases", "idempotency", "records"):
        assert rows_in(tx, table) == 0, table
    assert 1 == rows_in(tx, "feed")
    await state.close()
