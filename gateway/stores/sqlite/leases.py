"""Owns the counted uses and bytes in a SQLite file.

Refuses to own connections and threads (`database`).

Law: a function on a transaction runs under the write lock, so a condition that it reads still holds when its change is
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Final

from gateway.core.lease import UNKEPT_SECONDS, Lease, Reservation, Room, Settlement, Usage, Use
from gateway.stores.sqlite.database import SqliteDatabase
from gateway.stores.uses import CountingSql, together

_USE_ONE: Final = """
INSERT INTO usage (grant_id, uses, moved, last_used_at) SELECT :id, 1, 0, :now WHERE :uses IS NULL OR :uses > 0
ON CONFLICT (grant_id) DO UPDATE SET uses = uses + 1, last_used_at = :now WHERE :uses IS NULL OR usage.uses < :uses
RETURNING uses
"""
_RESERVE: Final = """
INSERT INTO reservations (grant_id, request, key, held, until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (grant_id, request) DO UPDATE SET held = held + excluded.held, until = excluded.until
"""
_ADD: Final = """
INSERT INTO usage (grant_id, uses, moved) VALUES (?, 0, ?)
ON CONFLICT (grant_id) DO UPDATE SET moved = moved + excluded.moved
"""
_FREE_USE: Final = """
DELETE FROM leases WHERE grant_id = :id AND key = :key AND kept = 0 AND moved = 0
AND NOT EXISTS (SELECT 1 FROM reservations AS r WHERE r.grant_id = :id AND r.key = :key)
"""
_SETTLE: Final = """
INSERT INTO usage (grant_id, uses, moved, last_used_at) VALUES (:id, 0, MAX(0, :change), :now)
ON CONFLICT (grant_id) DO UPDATE SET moved = MAX(0, moved + :change), last_used_at = :now
"""
_COUNTING: Final = CountingSql.of("", "?")
_SWEEP: Final = f"""
DELETE FROM leases WHERE (grant_id, key) IN (
    SELECT grant_id, key FROM leases WHERE expires_at <= :at AND (kept OR expires_at <= :at - {UNKEPT_SECONDS})
    LIMIT :most
)
"""  # noqa: S608 (a number of ours)
_HELD: Final = "SELECT coalesce(sum(held), 0) FROM reservations WHERE grant_id = ?"
_SWEPT_AT_ONCE: Final = 8
_RELEASED_AT_ONCE: Final = 200


class SqliteLeases:
    """A `LeaseStore`."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        # Most requests of a download join a lease that is kept anyway: nothing is left to write then.
        kept = "SELECT 1 FROM leases WHERE grant_id = ? AND key = ? AND expires_at > ? AND kept = 1"
        if self._database.read("grants", kept, (mine.grant_id, mine.key, now)):
            return Lease(mine.grant_id, mine.key or "", fresh=False)
        return await self._database.write("grants", lambda tx: self._open(tx, mine, uses, now, window))

    async def give_back(self, mine: Reservation) -> None:
        await self._database.write("grants", lambda tx: _give_back(tx, mine))

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        return await self._database.write("grants", lambda tx: self._reserve(tx, mine, wanted, budget, cap))

    async def settle_bytes(self, mine: Reservation, done: Settlement, now: float) -> None:
        await self._database.write("grants", lambda tx: self._settle(tx, mine, done, now))

    async def count_uses(self, uses: Sequence[Use], window: float) -> None:
        if uses:
            await self._database.write("grants", lambda tx: _count_uses(tx, together(uses), window))

    async def release_lapsed(self) -> int:
        now = self._database.clock()
        if not self._database.read("grants", "SELECT 1 FROM reservations WHERE until <= ? LIMIT 1", (now,)):
            return 0
        return await self._database.write("grants", lambda tx: _release_lapsed(tx, now))

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        places = ", ".join("?" for _ in grant_ids)
        statement = f"SELECT grant_id, uses, moved, last_used_at FROM usage WHERE grant_id IN ({places})"  # noqa: S608
        rows = self._database.read("grants", statement, grant_ids)
        return {grant_id: Usage(*counters) for grant_id, *counters in rows}

    def _open(self, tx: Connection, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        grant_id, key = mine.grant_id, mine.key or ""
        open_lease = "SELECT kept FROM leases WHERE grant_id = ? AND key = ? AND expires_at > ?"
        joined = tx.execute(open_lease, (grant_id, key, now)).fetchone()
        if joined is not None:
            if not joined[0]:
                self._hold(tx, mine, 0)
            return Lease(grant_id, key, fresh=False)
        if tx.execute(_USE_ONE, {"id": grant_id, "uses": uses, "now": now}).fetchone() is None:
            return None
        tx.execute(_SWEEP, {"at": now, "most": _SWEPT_AT_ONCE})
        tx.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, 0, 0)", (grant_id, key, now + window))
        self._hold(tx, mine, 0)
        return Lease(grant_id, key, fresh=True)

    def _reserve(self, tx: Connection, mine: Reservation, wanted: int, budget: int | None, cap: int | None) -> Room:
        names = (mine.grant_id, mine.key)
        used = tx.execute("SELECT moved FROM usage WHERE grant_id = ?", names[:1]).fetchone() or (0,)
        lease = tx.execute("SELECT moved FROM leases WHERE grant_id = ? AND key = ?", names).fetchone()
        if cap is not None and lease is None:
            return Room.SPENT
        over_budget = 0 if budget is None else used[0] + wanted - budget
        over_cap = 0 if cap is None or lease is None else lease[0] + wanted - cap
        if over_budget > 0 or over_cap > 0:
            of_grant = tx.execute(_HELD, names[:1]).fetchone()[0]
            of_lease = tx.execute(f"{_HELD} AND key = ?", names).fetchone()[0]
            return Room.HELD if over_budget <= of_grant and over_cap <= of_lease else Room.SPENT
        tx.execute(_ADD, (mine.grant_id, wanted))
        tx.execute("UPDATE leases SET moved = moved + ? WHERE grant_id = ? AND key = ?", (wanted, *names))
        self._hold(tx, mine, wanted)
        return Room.TAKEN

    def _settle(self, tx: Connection, mine: Reservation, done: Settlement, now: float) -> None:
        names = (mine.grant_id, mine.request)
        held = "SELECT held FROM reservations WHERE grant_id = ? AND request = ?"
        known = tx.execute(held, names).fetchone() if mine.request else None
        reserved = 0 if known is None else known[0]
        counted = min(done.moved, reserved) if done.bounded else done.moved
        freed = reserved if done.ends else min(reserved, counted)
        tx.execute(_SETTLE, {"id": mine.grant_id, "change": counted - freed, "now": now})
        tx.execute(
            "UPDATE leases SET moved = MAX(0, moved + ?), kept = MAX(kept, ?) WHERE grant_id = ? AND key = ?",
            (counted - freed, int(done.keeps), mine.grant_id, mine.key),
        )
        if known is None:
            return
        if done.ends:
            _end(tx, mine)
        else:
            self._hold(tx, mine, -freed)

    def _hold(self, tx: Connection, mine: Reservation, more: int) -> None:
        """Renew the reservation, with so many bytes more than before."""
        if mine.request:
            until = self._database.clock() + mine.seconds
            tx.execute(_RESERVE, (mine.grant_id, mine.request, mine.key, more, until))


def _count_uses(tx: Connection, uses: Sequence[Use], window: float) -> None:
    """In as few statements as one takes: between two, the event loop's thread waits for this one, or this for it."""
    places = ", ".join(["(?, ?, ?, ?)"] * len(uses))
    used = f"WITH used (grant_id, key, moved, at) AS (VALUES {places})"
    values = [value for use in uses for value in (use.grant_id, use.key, use.moved, use.at)]
    tx.execute(used + _COUNTING.used, values)
    opened = tx.execute(used + _COUNTING.opened, [*values, window]).rowcount
    if opened:
        tx.execute(_SWEEP, {"at": min(use.at for use in uses), "most": opened * _SWEPT_AT_ONCE})
    tx.execute(used + _COUNTING.kept, values)


def _end(tx: Connection, mine: Reservation) -> int:
    """Remove the reservation; returns the bytes that it held."""
    ended = tx.execute(
        "DELETE FROM reservations WHERE grant_id = ? AND request = ? RETURNING held", (mine.grant_id, mine.request)
    ).fetchone()
    return 0 if ended is None else int(ended[0])


def _give_back(tx: Connection, mine: Reservation) -> None:
    held = _end(tx, mine)
    tx.execute("UPDATE usage SET moved = MAX(0, moved - ?) WHERE grant_id = ?", (held, mine.grant_id))
    tx.execute(
        "UPDATE leases SET moved = MAX(0, moved - ?) WHERE grant_id = ? AND key = ?", (held, mine.grant_id, mine.key)
    )
    if tx.execute(_FREE_USE, {"id": mine.grant_id, "key": mine.key}).rowcount:
        tx.execute("UPDATE usage SET uses = uses - 1 WHERE grant_id = ?", (mine.grant_id,))
    tx.execute("DELETE FROM usage WHERE grant_id = ? AND uses = 0 AND moved = 0", (mine.grant_id,))


def _release_lapsed(tx: Connection, now: float) -> int:
    lapsed = "SELECT grant_id, key, request FROM reservations WHERE until <= ? LIMIT ?"
    found = tx.execute(lapsed, (now, _RELEASED_AT_ONCE)).fetchall()
    for row in found:
        _give_back(tx, Reservation(*row))
    return len(found)
