"""Owns the grants in a SQLite file.

Refuses to own connections and threads (`database`), and revoking (`feed`).

Law: a function on a transaction runs under the write lock, so a condition that it reads still holds when its change is
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Connection
from typing import Final

from gateway.core.grant import Grant, GrantFilter, GrantPage
from gateway.core.grant_codec import GrantRow
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import SecretHash
from gateway.stores.codec import GRANT_COLUMNS, check_filter, check_storable, edited_columns, grant_of, storable_id
from gateway.stores.lists import Count, Read, Steps, page_steps
from gateway.stores.select import IDEMPOTENCY_WINDOW, count_sql, look_sql, read_sql, sizes_sql, waiting_sql
from gateway.stores.sqlite.database import SqliteDatabase
from gateway.stores.sqlite.feed import add_entry
from gateway.stores.sqlite.schema import head_of

# The statements are put together from fixed names; every value is a placeholder.
_GRANTS: Final = f"SELECT {GRANT_COLUMNS} FROM grants AS g"  # noqa: S608
_BY_ID: Final = f"{_GRANTS} WHERE g.id = ?"
_PRUNED_AT_ONCE: Final = 1000
_PRUNE: Final = tuple(
    f"DELETE FROM grants WHERE head IN (SELECT head FROM grants WHERE {end} < ? LIMIT ?) RETURNING id"  # noqa: S608
    for end in ("expires_at", "waiting_until")
)


class SqliteGrants:
    """A `GrantAdmin`."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        return self._read(f"{_GRANTS} WHERE g.head = ? AND g.hash = ?", head_of(secret_hash), secret_hash)

    async def get(self, grant_id: str) -> Grant | None:
        return self._read(_BY_ID, grant_id) if storable_id(grant_id) else None

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        check_storable(grant, idempotency)
        stored = await self._database.write(
            "grants", lambda tx: insert_grant(tx, grant, idempotency, self._database.clock())
        )
        self._database.notifier.notify()
        return stored

    async def save(self, grant: Grant) -> Grant | None:
        return (await self.save_all([grant]))[0]

    async def save_all(self, grants: Sequence[Grant]) -> Sequence[Grant | None]:
        for grant in grants:
            check_storable(grant)
        now = self._database.clock()
        stored = await self._database.write("grants", lambda tx: [_update_grant(tx, grant, now) for grant in grants])
        self._database.notifier.notify()
        return stored

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        check_filter(wanted)
        return await self._database.walk("grants", lambda tx: _read_page(tx, wanted, page_steps(wanted, cursor, limit)))

    async def count(self, target: RevocationTarget) -> int:
        statement, values = count_sql("?", "", target)
        return int((await self._database.scan("grants", statement, values))[0][0])

    async def count_waiting(self, now: float) -> int:
        statement, values = waiting_sql("?", "", now)
        return int((await self._database.scan("grants", statement, values))[0][0])

    async def prune_ended(self, before: float) -> int:
        forgotten = 0
        while True:
            # Many short transactions: a revocation never waits for the whole clean-up.
            gone = await self._database.write("grants", lambda tx: _prune(tx, before))
            forgotten += sum(gone)
            if max(gone) < _PRUNED_AT_ONCE:
                return forgotten

    def _read(self, statement: str, *values: object) -> Grant | None:
        rows = self._database.read("grants", statement, values)
        return grant_of(GrantRow(*rows[0])) if rows else None


def _read_page(tx: Connection, wanted: GrantFilter, steps: Steps) -> GrantPage:
    try:
        asked = next(steps)
        while True:
            if isinstance(asked, Count):
                asked = steps.send(tx.execute(*sizes_sql("?", "", asked)).fetchall()[0])
            elif isinstance(asked, Read):
                asked = steps.send([serial for (serial,) in tx.execute(*read_sql("?", "", asked))])
            else:
                rows = tx.execute(*look_sql("?", "", wanted, asked))
                asked = steps.send([grant_of(GrantRow(*row)) for row in rows])
    except StopIteration as done:
        page: GrantPage = done.value
        return page


def insert_grant(tx: Connection, grant: Grant, idempotency: str | None, now: float) -> Grant:
    """See `GrantAdmin.create`."""
    tx.execute("DELETE FROM idempotency WHERE at <= ?", (now - IDEMPOTENCY_WINDOW,))
    if idempotency is not None:
        known = tx.execute("SELECT grant_id FROM idempotency WHERE text = ?", (idempotency,)).fetchone()
        if known is not None:
            return grant_of(GrantRow(*tx.execute(_BY_ID, known).fetchone()))
    issued = add_entry(tx, FeedEntry(0, FeedKind.ISSUED, grant.id, at=grant.issued_at, by=grant.issued_by))
    fixed = {"head": head_of(grant.hash), "serial": issued.serial, "id": grant.id, "kind": str(grant.kind)}
    columns = {**fixed, "version": 1, "issued_at": grant.issued_at, **edited_columns(grant)}
    places = ", ".join("?" for _ in columns)
    tx.execute(f"INSERT INTO grants ({', '.join(columns)}) VALUES ({places})", tuple(columns.values()))  # noqa: S608
    if idempotency is not None:
        tx.execute("INSERT INTO idempotency VALUES (?, ?, ?)", (idempotency, grant.id, now))
    return replace(grant, serial=issued.serial, version=1)


def _prune(tx: Connection, before: float) -> list[int]:
    """How many grants each of the statements has forgotten."""
    gone = [tx.execute(statement, (before, _PRUNED_AT_ONCE)).fetchall() for statement in _PRUNE]
    tx.executemany("DELETE FROM usage WHERE grant_id = ?", [row for rows in gone for row in rows])
    return list(map(len, gone))


def _update_grant(tx: Connection, grant: Grant, now: float) -> Grant | None:
    columns = {"head": head_of(grant.hash), **edited_columns(grant)}
    changes = ", ".join(f"{name} = ?" for name in columns)
    statement = f"UPDATE grants SET {changes}, version = version + 1 WHERE id = ? AND version = ?"  # noqa: S608
    if tx.execute(statement, (*columns.values(), grant.id, grant.version)).rowcount == 0:
        return None
    add_entry(tx, FeedEntry(0, FeedKind.CHANGED, grant.id, at=now))
    return grant_of(GrantRow(*tx.execute(_BY_ID, (grant.id,)).fetchone()))
