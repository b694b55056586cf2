"""Owns the grants in PostgreSQL.

Refuses to own connections (`database`) and revoking (`feed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.grant import Grant, GrantFilter, GrantPage
from gateway.core.grant_codec import GrantRow
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import SecretHash
from gateway.stores.codec import GRANT_COLUMNS, check_filter, check_storable, edited_columns, grant_of, storable_id
from gateway.stores.lists import Count, Read, page_steps
from gateway.stores.postgres.database import PostgresDatabase
from gateway.stores.postgres.feed import add_entries
from gateway.stores.select import IDEMPOTENCY_WINDOW, count_sql, look_sql, read_sql, sizes_sql, waiting_sql

# The statements are put together from fixed names; every value is a placeholder.
_GRANTS: Final = f"SELECT {GRANT_COLUMNS} FROM gateway_grants AS g"  # noqa: S608
_BY_ID: Final = f"{_GRANTS} WHERE g.id = $1"
_PRUNED_AT_ONCE: Final = 1000
_PRUNE: Final = tuple(
    f"""
    WITH ended AS (DELETE FROM gateway_grants WHERE serial IN
                   (SELECT serial FROM gateway_grants WHERE {end} < $1 LIMIT $2) AND {end} < $1 RETURNING id),
         unused AS (DELETE FROM gateway_usage WHERE grant_id IN (SELECT id FROM ended))
    SELECT id FROM ended
    """  # noqa: S608
    for end in ("expires_at", "waiting_until")
)
"""The end is asked for twice: a grant that is revived while the statement runs is read again, and kept."""


class PostgresGrants:
    """A `GrantAdmin`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        return await self._read(f"{_GRANTS} WHERE g.hash = $1", secret_hash)

    async def get(self, grant_id: str) -> Grant | None:
        return await self._read(_BY_ID, grant_id) if storable_id(grant_id) else None

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        check_storable(grant, idempotency)
        now = self._database.clock()
        async with self._database.writing_feed("grants", 1) as (tx, serial):
            if idempotency is not None:
                await tx.execute("DELETE FROM gateway_idempotency WHERE at <= $1", now - IDEMPOTENCY_WINDOW)
                known = await tx.fetchval("SELECT grant_id FROM gateway_idempotency WHERE text = $1", idempotency)
                if known is not None:
                    return grant_of(GrantRow(*await tx.fetchrow(_BY_ID, known)))
            fixed = {"id": grant.id, "serial": serial, "kind": str(grant.kind), "version": 1}
            columns = {**fixed, "issued_at": grant.issued_at, **edited_columns(grant)}
            places = ", ".join(f"${number}" for number, _ in enumerate(columns, 1))
            statement = f"INSERT INTO gateway_grants AS g ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
            row = await tx.fetchrow(f"{statement} RETURNING {GRANT_COLUMNS}", *columns.values())
            await add_entries(
                tx, [FeedEntry(serial, FeedKind.ISSUED, grant.id, at=grant.issued_at, by=grant.issued_by)]
            )
            if idempotency is not None:
                await tx.execute("INSERT INTO gateway_idempotency VALUES ($1, $2, $3)", idempotency, grant.id, now)
            return grant_of(GrantRow(*row))

    async def save(self, grant: Grant) -> Grant | None:
        return (await self.save_all([grant]))[0]

    async def save_all(self, grants: Sequence[Grant]) -> Sequence[Grant | None]:
        if not grants:
            return []
        for grant in grants:
            check_storable(grant)
        edits = [(grant.id, grant.version, edited_columns(grant)) for grant in grants]
        changes = ", ".join(f"{name} = ${number}" for number, name in enumerate(edits[0][2], 3))
        statement = f"UPDATE gateway_grants AS g SET {changes}, version = version + 1 WHERE id = $1 AND version = $2"  # noqa: S608
        now = self._database.clock()
        async with self._database.writing_feed("grants", len(grants)) as (tx, last):
            values = [(name, version, *columns.values()) for name, version, columns in edits]
            rows = await tx.fetchmany(f"{statement} RETURNING {GRANT_COLUMNS}", values)
            saved = {grant.id: grant for grant in (grant_of(GrantRow(*row)) for row in rows)}
            serials = range(last - len(grants) + 1, last + 1)
            numbered = zip(serials, saved, strict=False)
            await add_entries(tx, [FeedEntry(serial, FeedKind.CHANGED, name, at=now) for serial, name in numbered])
        return [saved.get(grant.id) for grant in grants]

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        check_filter(wanted)
        steps = page_steps(wanted, cursor, limit)
        try:
            asked = next(steps)
            while True:
                if isinstance(asked, Count):
                    statement, values = sizes_sql("$", "gateway_", asked)
                    asked = steps.send((await self._database.read("grants", statement, *values))[0])
                elif isinstance(asked, Read):
                    statement, values = read_sql("$", "gateway_", asked)
                    rows = await self._database.read("grants", statement, *values)
                    asked = steps.send(rows[0][0])
                else:
                    statement, values = look_sql("$", "gateway_", wanted, asked)
                    rows = await self._database.read("grants", statement, *values)
                    asked = steps.send([grant_of(GrantRow(*row)) for row in rows])
        except StopIteration as done:
            page: GrantPage = done.value
            return page

    async def count(self, target: RevocationTarget) -> int:
        statement, values = count_sql("$", "gateway_", target)
        return int((await self._database.read("grants", statement, *values))[0][0])

    async def count_waiting(self, now: float) -> int:
        statement, values = waiting_sql("$", "gateway_", now)
        return int((await self._database.read("grants", statement, *values))[0][0])

    async def prune_ended(self, before: float) -> int:
        forgotten = 0
        while True:
            # Many short transactions, each far below the longest answer.
            gone = [
                len(await self._database.read("grants", statement, before, _PRUNED_AT_ONCE)) for statement in _PRUNE
            ]
            forgotten += sum(gone)
            if max(gone) < _PRUNED_AT_ONCE:
                return forgotten

    async def _read(self, statement: str, value: object) -> Grant | None:
        rows = await self._database.read("grants", statement, value)
        return grant_of(GrantRow(*rows[0])) if rows else None
