"""The transactions as plain functions: what they leave in the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.lease import Reservation
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind
from gateway.stores import sqlite_work as work
from gateway.stores.sqlite_schema import SqliteFile
from tests.contract.sample import NOW, key, link, record


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(SqliteFile.prepare(tmp_path / "gateway.db").connect()) as connection:
        yield connection


def count(tx: sqlite3.Connection, table: str) -> int:
    return int(tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_serials_are_never_given_twice(tx: sqlite3.Connection) -> None:
    """Even after the newest entries were pruned, the next serial is a new one."""
    first = work.enter(tx, FeedEntry(0, FeedKind.CHANGED, "l_1", at=NOW))
    work.prune(tx, NOW + 1)
    assert count(tx, "feed") == 0
    assert work.enter(tx, FeedEntry(0, FeedKind.CHANGED, "l_1", at=NOW)).serial > first.serial


def test_old_idempotency_texts_leave(tx: sqlite3.Connection) -> None:
    """Each creation forgets the texts that are older than a day."""
    for day in range(5):
        work.create(tx, link(), f"order {day}", NOW + day * 90_000)
    assert count(tx, "idempotency") == 1


def test_pruning_takes_all_that_belongs_to_a_lapsed_key(tx: sqlite3.Connection) -> None:
    """A lapsed short-lived key leaves neither counters nor an idempotency text behind."""
    lapsed = work.create(tx, key(session_hash=link().hash, expires_at=NOW), "once", NOW)
    work.open_lease(tx, Reservation(lapsed.id, "k"), uses=None, now=NOW, window=1, clock=NOW)
    work.append(tx, [record(lapsed.id, NOW)])
    assert work.prune(tx, NOW + 10) == (1, False)
    for table in ("grants", "usage", "leases", "idempotency", "records", "feed"):
        assert count(tx, table) == 0, table


def test_look_ups_use_an_index(tx: sqlite3.Connection) -> None:
    """None of the statements of the serving path reads a whole table."""
    for statement in (
        "SELECT * FROM grants AS g WHERE g.head = 1 AND g.hash = ?",
        "SELECT * FROM grants AS g WHERE g.id = ?",
        "SELECT * FROM grants AS g WHERE g.owner = ? ORDER BY g.serial DESC LIMIT 9",
        "SELECT * FROM feed WHERE serial > ? ORDER BY serial LIMIT 9",
        "SELECT * FROM feed WHERE revokes = 1 AND serial > ? ORDER BY serial LIMIT 9",
        "SELECT moved FROM leases WHERE grant_id = ? AND key = '' AND expires_at > 0 AND joined = 1",
        "SELECT grant_id, key FROM leases WHERE expires_at <= ? LIMIT 8",
        "SELECT * FROM records WHERE grant_id = ? ORDER BY at DESC, number DESC LIMIT 9",
        "UPDATE grants AS g SET revoked_at = 0 WHERE g.revoked_at IS NULL AND g.owner = ?",
        "UPDATE grants AS g SET revoked_at = 0 WHERE g.revoked_at IS NULL AND g.bucket = ?",
        "UPDATE grants AS g SET revoked_at = 0 WHERE g.revoked_at IS NULL AND g.rule = ?",
    ):
        plan = " ".join(row[3] for row in tx.execute(f"EXPLAIN QUERY PLAN {statement}", ("x",)))
        assert "SEARCH" in plan, statement
        assert "SCAN" not in plan, statement
        assert "TEMP B-TREE" not in plan, statement
