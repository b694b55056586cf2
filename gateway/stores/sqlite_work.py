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
from gateway.core.lease import Lease, Reservation, Room
from gateway.core.record import AuditEvent, Record, TrailHead
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.trail import chain_event
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
    "release_lapsed",
    "reserve_bytes",
    "revoke",
    "save",
    "settle_bytes",
    "tick",
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
_JOIN_LEASE: Final = "SELECT joined FROM leases WHERE grant_id = ? AND key = ? AND expires_at > ?"
_USE_ONE: Final = """
INSERT INTO usage (grant_id, uses, moved, last_used_at) SELECT :id, 1, 0, :now WHERE :uses IS NULL OR :uses > 0
ON CONFLICT (grant_id) DO UPDATE SET uses = uses + 1, last_used_at = :now WHERE :uses IS NULL OR usage.uses < :uses
RETURNING uses
"""
_STAND: Final = """
INSERT INTO reservations (grant_id, request, key, held, until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (grant_id, request) DO UPDATE SET held = held + excluded.held, until = excluded.until
"""
_ADD: Final = """
INSERT INTO usage (grant_id, uses, moved) VALUES (?, 0, ?)
ON CONFLICT (grant_id) DO UPDATE SET moved = moved + excluded.moved
"""
_FREE_USE: Final = """
DELETE FROM leases WHERE grant_id = :id AND key = :key AND joined = 0 AND moved = 0
AND NOT EXISTS (SELECT 1 FROM reservations AS r WHERE r.grant_id = :id AND r.key = :key)
"""
_SETTLE: Final = """
INSERT INTO usage (grant_id, uses, moved, last_used_at) VALUES (:id, 0, MAX(0, :change), :now)
ON CONFLICT (grant_id) DO UPDATE SET moved = MAX(0, moved + :change), last_used_at = :now
"""
_SWEPT_AT_ONCE: Final = 8
_RELEASED_AT_ONCE: Final = 200
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


def tick(connection: Connection) -> None:
    """Write something and take it back: what reaches the disk is a commit like any other."""
    connection.execute("INSERT INTO leases VALUES ('probe', 'probe', 0, 0, 0) ON CONFLICT DO NOTHING")
    connection.execute("DELETE FROM leases WHERE grant_id = 'probe'")


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
    connection: Connection, mine: Reservation, *, uses: int | None, now: float, window: float, clock: float
) -> Lease | None:
    grant_id, key = mine.grant_id, mine.key or ""
    joined = connection.execute(_JOIN_LEASE, (grant_id, key, now)).fetchone()
    if joined is not None:
        if not joined[0]:
            _stand(connection, mine, 0, clock)
        return Lease(grant_id, key, fresh=False)
    if connection.execute(_USE_ONE, {"id": grant_id, "uses": uses, "now": now}).fetchone() is None:
        return None
    lapsed = connection.execute(
        "SELECT grant_id, key FROM leases WHERE expires_at <= ? LIMIT ?", (now, _SWEPT_AT_ONCE)
    ).fetchall()
    connection.executemany("DELETE FROM leases WHERE grant_id = ? AND key = ?", lapsed)
    connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, 0, 0)", (grant_id, key, now + window))
    _stand(connection, mine, 0, clock)
    return Lease(grant_id, key, fresh=True)


def give_back(connection: Connection, mine: Reservation) -> None:
    held = _end(connection, mine)
    connection.execute("UPDATE usage SET moved = MAX(0, moved - ?) WHERE grant_id = ?", (held, mine.grant_id))
    connection.execute(
        "UPDATE leases SET moved = MAX(0, moved - ?) WHERE grant_id = ? AND key = ?", (held, mine.grant_id, mine.key)
    )
    if connection.execute(_FREE_USE, {"id": mine.grant_id, "key": mine.key}).rowcount:
        connection.execute("UPDATE usage SET uses = uses - 1 WHERE grant_id = ?", (mine.grant_id,))
    connection.execute("DELETE FROM usage WHERE grant_id = ? AND uses = 0 AND moved = 0", (mine.grant_id,))


def reserve_bytes(
    connection: Connection, mine: Reservation, wanted: int, *, budget: int | None, cap: int | None, clock: float
) -> Room:
    names = (mine.grant_id, mine.key)
    used = connection.execute("SELECT moved FROM usage WHERE grant_id = ?", names[:1]).fetchone() or (0,)
    lease = connection.execute("SELECT moved FROM leases WHERE grant_id = ? AND key = ?", names).fetchone()
    if cap is not None and lease is None:
        return Room.SPENT
    over_budget = 0 if budget is None else used[0] + wanted - budget
    over_cap = 0 if cap is None or lease is None else lease[0] + wanted - cap
    if over_budget > 0 or over_cap > 0:
        held = "SELECT coalesce(sum(held), 0) FROM reservations WHERE grant_id = ?"
        of_grant = connection.execute(held, names[:1]).fetchone()[0]
        of_lease = connection.execute(f"{held} AND key = ?", names).fetchone()[0]
        return Room.HELD if over_budget <= of_grant and over_cap <= of_lease else Room.SPENT
    connection.execute(_ADD, (mine.grant_id, wanted))
    connection.execute("UPDATE leases SET moved = moved + ? WHERE grant_id = ? AND key = ?", (wanted, *names))
    _stand(connection, mine, wanted, clock)
    return Room.TAKEN


def settle_bytes(
    connection: Connection,
    mine: Reservation,
    moved: int,
    *,
    now: float,
    ends: bool,
    keeps: bool,
    bounded: bool,
    clock: float,
) -> None:
    names = (mine.grant_id, mine.request)
    known = connection.execute("SELECT held FROM reservations WHERE grant_id = ? AND request = ?", names).fetchone()
    held = 0 if known is None else known[0]
    counted = min(moved, held) if bounded else moved
    freed = held if ends else min(held, counted)
    connection.execute(_SETTLE, {"id": mine.grant_id, "change": counted - freed, "now": now})
    connection.execute(
        "UPDATE leases SET moved = MAX(0, moved + ?), joined = MAX(joined, ?) WHERE grant_id = ? AND key = ?",
        (counted - freed, int(keeps), mine.grant_id, mine.key),
    )
    if ends:
        _end(connection, mine)
    elif known is not None:
        _stand(connection, mine, -freed, clock)


def release_lapsed(connection: Connection, clock: float) -> int:
    lapsed = connection.execute(
        "SELECT grant_id, key, request FROM reservations WHERE until <= ? LIMIT ?", (clock, _RELEASED_AT_ONCE)
    ).fetchall()
    for row in lapsed:
        give_back(connection, Reservation(*row))
    return len(lapsed)


def _stand(connection: Connection, mine: Reservation, held: int, clock: float) -> None:
    if mine.request:
        connection.execute(_STAND, (mine.grant_id, mine.request, mine.key, held, clock + mine.seconds))


def _end(connection: Connection, mine: Reservation) -> int:
    """Nothing stands in this name any more; returns what it held."""
    ended = connection.execute(
        "DELETE FROM reservations WHERE grant_id = ? AND request = ? RETURNING held", (mine.grant_id, mine.request)
    ).fetchone()
    return 0 if ended is None else int(ended[0])


def append(connection: Connection, records: Sequence[Record]) -> None:
    connection.executemany(
        "INSERT INTO records (grant_id, at, document) VALUES (?, ?, ?)",
        [(record.grant_id, record.at, record_text(record)) for record in records],
    )


def audit(connection: Connection, event: AuditEvent) -> None:
    found = connection.execute("SELECT number, digest FROM trail_head").fetchone()
    entry = chain_event(event, TrailHead() if found is None else TrailHead(*found))
    connection.execute("INSERT INTO trail VALUES (?, ?, ?)", (entry.number, entry.text, entry.digest))
    change = "INSERT INTO trail_head VALUES (?, ?)" if found is None else "UPDATE trail_head SET number = ?, digest = ?"
    connection.execute(change, (entry.number, entry.digest))


def prune(connection: Connection, before: float) -> tuple[int, bool]:
    """How many records were forgotten, and whether something is left to forget."""
    gone = [connection.execute(statement, (before, _PRUNED_AT_ONCE)).rowcount for statement in _PRUNE]
    ended = connection.execute(_END_SESSIONS, (before, _PRUNED_AT_ONCE)).fetchall()
    connection.executemany("DELETE FROM usage WHERE grant_id = ?", ended)
    return gone[0], max(*gone, len(ended)) == _PRUNED_AT_ONCE
