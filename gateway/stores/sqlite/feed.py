"""Owns the revocation feed in a SQLite file.

Refuses to own connections and threads (`database`).

Law: an empty answer is a proof, so it never comes from a file that nobody else writes to any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Connection
from typing import Final

from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.codec import check_targets
from gateway.stores.select import placing, target_sql
from gateway.stores.sqlite.database import SqliteDatabase

POLL_SECONDS: Final = 0.25
"""How often a waiting process looks for other processes' entries; promise 2 allows a second."""

_ADD: Final = """
INSERT INTO feed (kind, name, prefix, at, reason, by, revokes) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING serial
"""
_FEED: Final = "SELECT serial, kind, name, prefix, at, reason, by FROM feed"


class SqliteFeed:
    """A `RevocationFeed`."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        check_targets(targets, reason, by)
        entries = await self._database.write("revocations", lambda tx: _revoke(tx, targets, at, reason, by))
        self._database.notifier.notify()
        return entries

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return self._entries(f"{_FEED} WHERE serial > ? ORDER BY serial LIMIT ?", serial, limit)

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return self._entries(f"{_FEED} WHERE revokes = 1 AND serial > ? ORDER BY serial LIMIT ?", serial, limit)

    async def last(self) -> int:
        self._database.check("revocations")
        rows = self._database.read("revocations", "SELECT seq FROM sqlite_sequence WHERE name = 'feed'")
        return int(rows[0][0]) if rows else 0

    async def changed(self, serial: int, seconds: float) -> None:
        await self._database.notifier.wait_beyond(serial, seconds, self._newest, POLL_SECONDS)

    def _entries(self, statement: str, serial: int, limit: int) -> list[FeedEntry]:
        self._database.check("revocations")
        rows = self._database.read("revocations", statement, (serial, limit))
        return [FeedEntry(row[0], FeedKind(row[1]), *row[2:]) for row in rows]

    async def _newest(self) -> int:
        return int(self._database.read("revocations", "SELECT coalesce(max(serial), 0) FROM feed")[0][0])


def add_entry(tx: Connection, entry: FeedEntry) -> FeedEntry:
    """Write one entry; its serial is given here."""
    values = (str(entry.kind), entry.name, entry.prefix, entry.at, entry.reason, entry.by, int(entry.revokes))
    (serial,) = tx.execute(_ADD, values).fetchone()
    return replace(entry, serial=serial)


def _revoke(tx: Connection, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> list[FeedEntry]:
    entries = []
    for target in targets:
        entries.append(add_entry(tx, FeedEntry(0, target.kind, target.name, target.prefix, at, reason, by)))
        values: list[object] = [at, reason]
        which = target_sql(target, placing("?", values))
        statement = f"UPDATE grants AS g SET revoked_at = ?1, revoked_reason = ?2 WHERE {which}"  # noqa: S608 (placeholders)
        tx.execute(statement, values)
    return entries
