"""Owns the revocation feed in PostgreSQL.

Refuses to own connections and the order of serials (`database`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.codec import check_targets
from gateway.stores.postgres.database import PostgresDatabase
from gateway.stores.select import placing, target_sql

POLL_SECONDS: Final = 0.5
"""How often a waiting process reads the feed without an announcement: announcements can be lost."""

_ADD: Final = "INSERT INTO gateway_feed VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
_FEED: Final = "SELECT serial, kind, name, prefix, at, reason, by FROM gateway_feed"


class PostgresFeed:
    """A `RevocationFeed`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        check_targets(targets, reason, by)
        if not targets:
            return []
        async with self._database.writing_feed("revocations", len(targets)) as (tx, last):
            first = last - len(targets) + 1
            entries = [
                FeedEntry(first + place, target.kind, target.name, target.prefix, at, reason, by)
                for place, target in enumerate(targets)
            ]
            await add_entries(tx, entries)
            # Targets of one kind share a statement, so a list of links is one round trip.
            marks: dict[str, list[list[object]]] = {}
            for target in targets:
                values: list[object] = [at, reason]
                which = target_sql(target, placing("$", values))
                statement = f"UPDATE gateway_grants AS g SET revoked_at = $1, revoked_reason = $2 WHERE {which}"  # noqa: S608
                marks.setdefault(statement, []).append(values)
            for statement, rows in marks.items():
                await tx.executemany(statement, rows)
        return entries

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return await self._entries(f"{_FEED} WHERE serial > $1 ORDER BY serial LIMIT $2", serial, limit)

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return await self._entries(f"{_FEED} WHERE revokes AND serial > $1 ORDER BY serial LIMIT $2", serial, limit)

    async def last(self) -> int:
        rows = await self._database.read_feed("SELECT last FROM gateway_serial")
        return int(rows[0][0])

    async def changed(self, serial: int, seconds: float) -> None:
        await self._database.listen()
        await self._database.notifier.wait_beyond(serial, seconds, self._newest, POLL_SECONDS)

    async def _entries(self, statement: str, serial: int, limit: int) -> list[FeedEntry]:
        rows = await self._database.read_feed(statement, serial, limit)
        return [FeedEntry(row[0], FeedKind(row[1]), *row[2:]) for row in rows]

    async def _newest(self) -> int:
        rows = await self._database.read_feed("SELECT coalesce(max(serial), 0) FROM gateway_feed")
        return int(rows[0][0])


async def add_entries(tx: Any, entries: Sequence[FeedEntry]) -> None:
    """Write entries with their serials, inside the transaction that took them."""
    rows = [
        (entry.serial, str(entry.kind), entry.name, entry.prefix, entry.at, entry.reason, entry.by, entry.revokes)
        for entry in entries
    ]
    await tx.executemany(_ADD, rows)
