"""Owns the audit trail and the reading of records in PostgreSQL.

Refuses to own connections and the wall for errors (`gateway.stores.postgres`); `read` runs one statement there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from gateway.core.record import AuditEntry, AuditEvent, RecordPage, TrailHead, TrailPage
from gateway.core.trail import chain_event
from gateway.stores.codec import read_cursor, record_from, storable_id, write_cursor

__all__ = ["add_to_trail", "export", "records_of", "trail"]

Read = Callable[..., Awaitable[list[Any]]]
_RECORDS: Final = "SELECT at, number, document FROM gateway_records WHERE grant_id = $1"


async def add_to_trail(tx: Any, event: AuditEvent) -> None:
    """Chain the event to the trail's last entry; `tx` is a connection inside a transaction."""
    # The lock on this row is what makes one chain of many writers.
    head = TrailHead(*await tx.fetchrow("SELECT number, digest FROM gateway_trail_head FOR UPDATE"))
    entry = chain_event(event, head)
    await tx.execute("INSERT INTO gateway_trail VALUES ($1, $2, $3)", entry.number, entry.text, entry.digest)
    await tx.execute("UPDATE gateway_trail_head SET number = $1, digest = $2", entry.number, entry.digest)


async def trail(read: Read, after: int, limit: int) -> TrailPage:
    (head,) = await read("audit", "SELECT number, digest FROM gateway_trail_head")
    statement = "SELECT number, text, digest FROM gateway_trail WHERE number > $1 ORDER BY number LIMIT $2"
    rows = await read("audit", statement, after, limit)
    return TrailPage([AuditEntry(*row) for row in rows], TrailHead(*head))


async def records_of(read: Read, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
    if not storable_id(grant_id):
        return RecordPage([], None)
    newest = f"ORDER BY at DESC, number DESC LIMIT {limit + 1:d}"
    if cursor is None:
        rows = await read("audit", f"{_RECORDS} {newest}", grant_id)
    else:
        at, number = read_cursor("r", cursor, 2)
        statement = f"{_RECORDS} AND (at, number) < ($2, $3::BIGINT) {newest}"
        rows = await read("audit", statement, grant_id, float(at), int(number))
    more = write_cursor("r", rows[limit - 1][0], rows[limit - 1][1]) if len(rows) > limit else None
    return RecordPage([record_from(row[2]) for row in rows[:limit]], more)


async def export(read: Read, cursor: str | None, limit: int) -> RecordPage:
    after = 0 if cursor is None else int(read_cursor("e", cursor, 1)[0])
    statement = "SELECT number, document FROM gateway_records WHERE number > $1 ORDER BY number LIMIT $2"
    rows = await read("audit", statement, after, limit + 1)
    more = write_cursor("e", rows[limit - 1][0]) if len(rows) > limit else None
    return RecordPage([record_from(row[1]) for row in rows[:limit]], more)
