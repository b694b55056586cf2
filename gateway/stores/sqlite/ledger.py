"""Owns the records and the audit trail in a SQLite file.

Refuses to own connections and threads (`database`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from sqlite3 import Connection
from typing import Final

from gateway.core.record import AuditEntry, AuditEvent, Record, RecordPage, TrailHead, TrailPage
from gateway.core.trail import chain_events
from gateway.stores.codec import read_cursor, record_page, record_texts, storable_id
from gateway.stores.sqlite.database import SqliteDatabase

_RECORDS: Final = "SELECT at, number, document FROM records WHERE grant_id = ?"
_NEWEST: Final = "ORDER BY at DESC, number DESC LIMIT ?"
_ROWS_AT_ONCE: Final = 200
_PRUNED_AT_ONCE: Final = 1000
_PRUNE: Final = (
    "DELETE FROM records WHERE number IN (SELECT number FROM records WHERE at < ? LIMIT ?)",
    """
    DELETE FROM feed WHERE serial IN
    (SELECT serial FROM feed WHERE revokes = 0 AND at < ? AND serial < (SELECT max(serial) FROM feed) LIMIT ?)
    """,
    "DELETE FROM leases WHERE (grant_id, key) IN (SELECT grant_id, key FROM leases WHERE expires_at < ? LIMIT ?)",
)
_PRUNE_SESSIONS: Final = """
DELETE FROM grants WHERE head IN (SELECT head FROM grants WHERE session = 1 AND expires_at < ? LIMIT ?) RETURNING id
"""


class SqliteLedger:
    """A `Ledger`."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def append(self, records: Sequence[Record]) -> None:
        texts = await record_texts(records)
        rows = [(record.grant_id, record.at, text) for record, text in zip(records, texts, strict=True)]
        await self._database.write("audit", lambda tx: _append(tx, rows))

    async def records_of(self, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
        if not storable_id(grant_id):
            return RecordPage([], None)
        if cursor is None:
            rows = self._database.read("audit", f"{_RECORDS} {_NEWEST}", (grant_id, limit + 1))
        else:
            position = read_cursor("r", cursor, 2)
            statement = f"{_RECORDS} AND (at, number) < (?, ?) {_NEWEST}"
            rows = self._database.read("audit", statement, (grant_id, *position, limit + 1))
        return record_page("r", rows, limit)

    async def export(self, cursor: str | None, limit: int) -> RecordPage:
        after = 0 if cursor is None else read_cursor("e", cursor, 1)[0]
        statement = "SELECT number, document FROM records WHERE number > ? ORDER BY number LIMIT ?"
        return record_page("e", await self._database.scan("audit", statement, (after, limit + 1)), limit)

    async def audit(self, *events: AuditEvent) -> None:
        await self._database.write("audit", lambda tx: _add_to_trail(tx, events))

    async def trail(self, after: int, limit: int) -> TrailPage:
        heads = self._database.read("audit", "SELECT number, digest FROM trail_head")
        statement = "SELECT number, text, digest FROM trail WHERE number > ? ORDER BY number LIMIT ?"
        rows = await self._database.scan("audit", statement, (after, limit))
        return TrailPage([AuditEntry(*row) for row in rows], TrailHead(*heads[0]) if heads else TrailHead())

    async def prune(self, before: float) -> int:
        forgotten = 0
        while True:
            # Many short transactions: a revocation never waits for the whole clean-up.
            records, more = await self._database.write("audit", lambda tx: _prune(tx, before))
            forgotten += records
            if not more:
                return forgotten


def _append(tx: Connection, rows: Sequence[tuple[str | None, float, str]]) -> None:
    """Many rows in one statement: between two statements the event loop's thread waits for this one, or this for it.

    Those of one grant stand together, as they came: then each page of the index of grants is written once. FAIL, as a
    statement needs no copy of each page that it changes: what has failed is taken back with all its work.
    """
    rows = sorted(rows, key=lambda row: row[0] or "")
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        places = ", ".join(["(?, ?, ?)"] * len(some))
        statement = f"INSERT OR FAIL INTO records (grant_id, at, document) VALUES {places}"  # noqa: S608 (placeholders)
        tx.execute(statement, list(chain.from_iterable(some)))


def _add_to_trail(tx: Connection, events: Sequence[AuditEvent]) -> None:
    found = tx.execute("SELECT number, digest FROM trail_head").fetchone()
    entries = chain_events(events, TrailHead() if found is None else TrailHead(*found))
    rows = [(entry.number, entry.text, entry.digest) for entry in entries]
    tx.executemany("INSERT INTO trail VALUES (?, ?, ?)", rows)
    change = "INSERT INTO trail_head VALUES (?, ?)" if found is None else "UPDATE trail_head SET number = ?, digest = ?"
    tx.execute(change, (entries[-1].number, entries[-1].digest))


def _prune(tx: Connection, before: float) -> tuple[int, bool]:
    """How many records were forgotten, and whether something is left to forget."""
    gone = [tx.execute(statement, (before, _PRUNED_AT_ONCE)).rowcount for statement in _PRUNE]
    ended = tx.execute(_PRUNE_SESSIONS, (before, _PRUNED_AT_ONCE)).fetchall()
    tx.executemany("DELETE FROM usage WHERE grant_id = ?", ended)
    return gone[0], max(*gone, len(ended)) == _PRUNED_AT_ONCE
