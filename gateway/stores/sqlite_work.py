"""Owns the transactions of the SQLite engine, as plain functions on a connection inside one.

Refuses to own threads, commits and waiting (`gateway.stores.sqlite_writer`) and reads (`gateway.stores.sqlite`).

Law: whoever runs these holds the write lock, so a condition read here still holds when its change is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Connection
from typing import Final

from gateway.core.grant import Grant
from gateway.core.lease import Lease
from gateway.core.record import AuditEvent, Record, TrailHead
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.trail import chained
from gateway.stores.codec import GrantRow, document_of, grant_of, record_text
from gateway.stores.select import IDEMPOTENCY_WINDOW, target_sql
from gateway.stores.sqlite_schema import head_of

__all__ = [
    "GRANT_COLUMNS",
    "append",
    "audit",
    "create",
    "forget_seal",
    "give_back",
    "note_seal",
    "open_lease",
    "prune",
    "reserve_bytes",
    "revoke",
    "save",
    "settle_bytes",
]

GRANT_COLUMNS: Final = ", ".join(f"g.{name}" for name in GrantRow._fields)

_ENTER: Final = """
INSERT INTO feed (kind, name, prefix, at, reason, by, revokes) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING serial
"""
_INSERT: Final = """
INSERT INTO grants (head, serial, id, hash, kind, owner, version, issued_at, not_before, expires_at, uses, budget,
                    bucket, root, label, rule, session, document)
VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE: Final = """
UPDATE grants SET head = ?, hash = ?, owner = ?, not_before = ?, expires_at = ?, uses = ?, budget = ?, bucket = ?,
                  root = ?, label = ?, rule = ?, session = ?, document = ?, version = version + 1
WHERE id = ? AND version = ?
"""
_BY_ID: Final = f"SELECT {GRANT_COLUMNS} FROM grants AS g WHERE g.id = ?"  # noqa: S608 (fixed columns)
_JOIN_LEASE: Final = """
UPDATE leases SET joined = 1 WHERE grant_id = ? AND key = ? AND expires_at > ? RETURNING moved
"""
_USE_ONE: Final = """
INSERT INTO usage (grant_id, uses, moved, last_used_at) SELECT :id, 1, 0, :now WHERE :uses IS NULL OR :uses > 0
ON CONFLICT (grant_id) DO UPDATE SET uses = uses + 1, last_used_at = :now WHERE :uses IS NULL OR usage.uses < :uses
RETURNING uses
"""
_RESERVE: Final = """
INSERT INTO usage (grant_id, uses, moved) SELECT :id, 0, :wanted WHERE :wanted <= :budget
ON CONFLICT (grant_id) DO UPDATE SET moved = moved + :wanted WHERE usage.moved + :wanted <= :budget
RETURNING moved
"""
_SETTLE: Final = """
INSERT INTO usage (grant_id, uses, moved, last_used_at) VALUES (:id, 0, MAX(0, :change), :now)
ON CONFLICT (grant_id) DO UPDATE SET moved = MAX(0, moved + :change), last_used_at = :now
"""
_SWEPT_AT_ONCE: Final = 8
_PRUNED_AT_ONCE: Final = 1000
_PRUNE: Final = (
    "DELETE FROM records WHERE number IN (SELECT number FROM records WHERE at < ? LIMIT ?)",
    "DELETE FROM feed WHERE serial IN (SELECT serial FROM feed WHERE revokes = 0 AND at < ? LIMIT ?)",
    "DELETE FROM leases WHERE (grant_id, key) IN (SELECT grant_id, key FROM leases WHERE expires_at < ? LIMIT ?)",
)
_END_SESSIONS: Final = """
DELETE FROM grants WHERE head IN (SELECT head FROM grants WHERE session = 1 AND expires_at < ? LIMIT ?) RETURNING id
"""


def enter(connection: Connection, entry: FeedEntry) -> FeedEntry:
    """Write one feed entry; its serial is given here."""
    values = (str(entry.kind), entry.name, entry.prefix, entry.at, entry.reason, entry.by, int(entry.revokes))
    (serial,) = connection.execute(_ENTER, values).fetchone()
    return replace(entry, serial=serial)


def create(connection: Connection, grant: Grant, idempotency: str | None, now: float) -> Grant:
    connection.execute("DELETE FROM idempotency WHERE at <= ?", (now - IDEMPOTENCY_WINDOW,))
    if idempotency is not None:
        known = connection.execute("SELECT grant_id FROM idempotency WHERE text = ?", (idempotency,)).fetchone()
        if known is not None:
            return grant_of(GrantRow(*connection.execute(_BY_ID, known).fetchone()))
    issued = FeedEntry(0, FeedKind.ISSUED, grant.id, at=grant.issued_at, by=grant.issued_by)
    stored = replace(grant, serial=enter(connection, issued).serial, version=1)
    edited = _edited(stored)
    names = (head_of(stored.hash), stored.serial, stored.id, stored.hash, str(stored.kind))
    connection.execute(_INSERT, (*names, edited[0], stored.issued_at, *edited[1:]))
    if idempotency is not None:
        connection.execute("INSERT INTO idempotency VALUES (?, ?, ?)", (idempotency, stored.id, now))
    return stored


def save(connection: Connection, grant: Grant, now: float) -> Grant | None:
    changed = connection.execute(_UPDATE, (head_of(grant.hash), grant.hash, *_edited(grant), grant.id, grant.version))
    if changed.rowcount == 0:
        return None
    enter(connection, FeedEntry(0, FeedKind.CHANGED, grant.id, at=now))
    return grant_of(GrantRow(*connection.execute(_BY_ID, (grant.id,)).fetchone()))


def note_seal(connection: Connection, number: int, mark: str) -> str:
    connection.execute("INSERT INTO seals VALUES (?, ?) ON CONFLICT (number) DO NOTHING", (number, mark))
    stands: str = connection.execute("SELECT mark FROM seals WHERE number = ?", (number,)).fetchone()[0]
    return stands


def forget_seal(connection: Connection, number: int) -> None:
    connection.execute("DELETE FROM seals WHERE number = ?", (number,))


def _edited(grant: Grant) -> tuple[object, ...]:
    """The columns that an edit replaces, from `owner` on."""
    scope = grant.scope
    return (
        str(grant.owner),
        grant.not_before,
        grant.expires_at,
        grant.uses,
        grant.budget,
        None if scope is None else scope.bucket,
        None if scope is None else scope.root,
        grant.label,
        grant.rule,
        int(grant.session_hash is not None),
        document_of(grant),
    )


def revoke(
    connection: Connection, targets: Sequence[RevocationTarget], at: float, reason: str, by: str
) -> list[FeedEntry]:
    entries = []
    for target in targets:
        entries.append(enter(connection, FeedEntry(0, target.kind, target.name, target.prefix, at, reason, by)))
        values: list[object] = [at, reason]

        def place(value: object, values: list[object] = values) -> str:
            values.append(value)
            return "?"

        which = target_sql(target, place)
        statement = f"UPDATE grants AS g SET revoked_at = ?, revoked_reason = ? WHERE {which}"  # noqa: S608 (placeholders)
        connection.execute(statement, values)
    return entries


def open_lease(
    connection: Connection, grant_id: str, key: str, *, uses: int | None, now: float, window: float
) -> Lease | None:
    joined = connection.execute(_JOIN_LEASE, (grant_id, key, now)).fetchone()
    if joined is not None:
        return Lease(grant_id, key, fresh=False, moved=joined[0])
    if connection.execute(_USE_ONE, {"id": grant_id, "uses": uses, "now": now}).fetchone() is None:
        return None
    lapsed = connection.execute(
        "SELECT grant_id, key FROM leases WHERE expires_at <= ? LIMIT ?", (now, _SWEPT_AT_ONCE)
    ).fetchall()
    connection.executemany("DELETE FROM leases WHERE grant_id = ? AND key = ?", lapsed)
    connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, 0, 0)", (grant_id, key, now + window))
    return Lease(grant_id, key, fresh=True)


def give_back(connection: Connection, lease: Lease) -> None:
    gone = connection.execute(
        "DELETE FROM leases WHERE grant_id = ? AND key = ? AND joined = 0 AND moved = 0", (lease.grant_id, lease.key)
    )
    if gone.rowcount:
        connection.execute("UPDATE usage SET uses = uses - 1 WHERE grant_id = ?", (lease.grant_id,))
        connection.execute("DELETE FROM usage WHERE grant_id = ? AND uses = 0 AND moved = 0", (lease.grant_id,))


def reserve_bytes(connection: Connection, grant_id: str, wanted: int, budget: int) -> bool:
    return connection.execute(_RESERVE, {"id": grant_id, "wanted": wanted, "budget": budget}).fetchone() is not None


def settle_bytes(
    connection: Connection, grant_id: str, lease_key: str | None, *, reserved: int, moved: int, now: float
) -> None:
    connection.execute(_SETTLE, {"id": grant_id, "change": moved - reserved, "now": now})
    if lease_key is not None:
        connection.execute(
            "UPDATE leases SET moved = moved + ? WHERE grant_id = ? AND key = ?", (moved, grant_id, lease_key)
        )


def append(connection: Connection, records: Sequence[Record]) -> None:
    connection.executemany(
        "INSERT INTO records (grant_id, at, document) VALUES (?, ?, ?)",
        [(record.grant_id, record.at, record_text(record)) for record in records],
    )


def audit(connection: Connection, event: AuditEvent) -> None:
    found = connection.execute("SELECT number, digest FROM trail_head").fetchone()
    entry = chained(event, TrailHead() if found is None else TrailHead(*found))
    connection.execute("INSERT INTO trail VALUES (?, ?, ?)", (entry.number, entry.text, entry.digest))
    change = "INSERT INTO trail_head VALUES (?, ?)" if found is None else "UPDATE trail_head SET number = ?, digest = ?"
    connection.execute(change, (entry.number, entry.digest))


def prune(connection: Connection, before: float) -> tuple[int, bool]:
    """How many records were forgotten, and whether something is left to forget."""
    gone = [connection.execute(statement, (before, _PRUNED_AT_ONCE)).rowcount for statement in _PRUNE]
    ended = connection.execute(_END_SESSIONS, (before, _PRUNED_AT_ONCE)).fetchall()
    connection.executemany("DELETE FROM usage WHERE grant_id = ?", ended)
    return gone[0], max(*gone, len(ended)) == _PRUNED_AT_ONCE
