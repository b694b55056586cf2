"""Owns the records and the audit trail in PostgreSQL.

Refuses to own connections (`database`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.record import AuditEntry, AuditEvent, Record, RecordPage, TrailHead, TrailPage
from gateway.core.trail import chain_events
from gateway.stores.codec import read_cursor, record_page, record_texts, storable_id
from gateway.stores.postgres.database import PostgresDatabase

_APPEND: Final = """
INSERT INTO gateway_records (grant_id, at, document) SELECT grant_id, at, document
FROM unnest($1::TEXT[], $2::DOUBLE PRECISION[], $3::TEXT[]) WITH ORDINALITY AS r (grant_id, at, document, number)
ORDER BY r.number
"""
_RECORDS: Final = "SELECT at, number, document FROM gateway_records WHERE grant_id = $1"
_PRUNED_AT_ONCE: Final = 1000
_PRUNE: Final = (
    """
    DELETE FROM gateway_records WHERE number IN
    (SELECT number FROM gateway_records WHERE at < $1 LIMIT $2) RETURNING 1
    """,
    """
    DELETE FROM gateway_feed WHERE serial IN
    (SELECT serial FROM gateway_feed WHERE NOT revokes AND at < $1
     AND serial < (SELECT max(serial) FROM gateway_feed) LIMIT $2) RETURNING 1
    """,
    """
    DELETE FROM gateway_leases WHERE (grant_id, key) IN
    (SELECT grant_id, key FROM gateway_leases WHERE expires_at < $1 LIMIT $2) RETURNING 1
    """,
    """
    WITH ended AS (DELETE FROM gateway_grants WHERE serial IN
                   (SELECT serial FROM gateway_grants WHERE session AND expires_at < $1 LIMIT $2) RETURNING id),
         unused AS (DELETE FROM gateway_usage WHERE grant_id IN (SELECT id FROM ended))
    SELECT id FROM ended
    """,
)


class PostgresLedger:
    """A `Ledger`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def append(self, records: Sequence[Record]) -> None:
        texts = await record_texts(records)
        grants, instants = [record.grant_id for record in records], [record.at for record in records]
        await self._database.read("audit", _APPEND, grants, instants, texts)

    async def records_of(self, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
        if not storable_id(grant_id):
            return RecordPage([], None)
        newest = f"ORDER BY at DESC, number DESC LIMIT {limit + 1:d}"
        if cursor is None:
            rows = await self._database.read("audit", f"{_RECORDS} {newest}", grant_id)
        else:
            at, number = read_cursor("r", cursor, 2)
            statement = f"{_RECORDS} AND (at, number) < ($2, $3::BIGINT) {newest}"
            rows = await self._database.read("audit", statement, grant_id, float(at), int(number))
        return record_page("r", rows, limit)

    async def export(self, cursor: str | None, limit: int) -> RecordPage:
        after = 0 if cursor is None else int(read_cursor("e", cursor, 1)[0])
        statement = "SELECT number, document FROM gateway_records WHERE number > $1 ORDER BY number LIMIT $2"
        return record_page("e", await self._database.read("audit", statement, after, limit + 1), limit)

    async def audit(self, *events: AuditEvent) -> None:
        async with self._database.connection("audit") as tx, tx.transaction():
            # The lock on this row is what makes one chain of many writers.
            head = TrailHead(*await tx.fetchrow("SELECT number, digest FROM gateway_trail_head FOR UPDATE"))
            entries = chain_events(events, head)
            rows = [(entry.number, entry.text, entry.digest) for entry in entries]
            await tx.executemany("INSERT INTO gateway_trail VALUES ($1, $2, $3)", rows)
            last = entries[-1]
            await tx.execute("UPDATE gateway_trail_head SET number = $1, digest = $2", last.number, last.digest)

    async def trail(self, after: int, limit: int) -> TrailPage:
        (head,) = await self._database.read("audit", "SELECT number, digest FROM gateway_trail_head")
        statement = "SELECT number, text, digest FROM gateway_trail WHERE number > $1 ORDER BY number LIMIT $2"
        rows = await self._database.read("audit", statement, after, limit)
        return TrailPage([AuditEntry(*row) for row in rows], TrailHead(*head))

    async def prune(self, before: float) -> int:
        forgotten = 0
        while True:
            # Many short transactions, each far below the longest answer.
            gone = [len(await self._database.read("audit", statement, before, _PRUNED_AT_ONCE)) for statement in _PRUNE]
            forgotten += gone[0]
            if max(gone) < _PRUNED_AT_ONCE:
                return forgotten
