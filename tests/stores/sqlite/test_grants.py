"""What creating leaves in the tables, and that looking up reads no whole table."""

from __future__ import annotations

import sqlite3

from gateway.stores.sqlite.grants import insert_grant
from tests.contract.sample import NOW, link
from tests.stores.sqlite.conftest import rows_in


def test_old_idempotency_texts_leave(tx: sqlite3.Connection) -> None:
    """Each creation forgets the texts that are older than a day."""
    for day in range(5):
        insert_grant(tx, link(), f"order {day}", NOW + day * 90_000)
    assert rows_in(tx, "idempotency") == 1


def test_look_ups_use_an_index(tx: sqlite3.Connection) -> None:
    """None of the statements of the serving path reads a whole table."""
    for statement in (
        "SELECT * FROM grants AS g WHERE g.head = 1 AND g.hash = ?",
        "SELECT * FROM grants AS g WHERE g.id = ?",
        "SELECT * FROM grants AS g WHERE g.owner = ? AND g.kind = 'link' ORDER BY g.serial DESC LIMIT 9",
        "SELECT * FROM feed WHERE serial > ? ORDER BY serial LIMIT 9",
        "SELECT * FROM feed WHERE revokes = 1 AND serial > ? ORDER BY serial LIMIT 9",
        "SELECT moved FROM leases WHERE grant_id = ? AND key = '' AND expires_at > 0 AND kept = 1",
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
