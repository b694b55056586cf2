"""Owns the grants in PostgreSQL.

Refuses to own connections (`database`) and revoking (`feed`).
"""

from __future__ import annotations

from typing import Final

from gateway.core.grant import Grant, GrantFilter, GrantPage
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import SecretHash
from gateway.stores.codec import (
    EDITED_COLUMNS,
    GRANT_COLUMNS,
    GrantRow,
    check_filter,
    check_storable,
    edited_values,
    grant_of,
    grant_page,
    read_cursor,
    storable_id,
)
from gateway.stores.postgres.database import PostgresDatabase
from gateway.stores.postgres.feed import add_entries
from gateway.stores.select import IDEMPOTENCY_WINDOW, filter_sql, placing, target_sql

__all__ = ["PostgresGrants"]

# The statements are put together from fixed names; every value is a placeholder.
_GRANTS: Final = f"SELECT {GRANT_COLUMNS} FROM gateway_grants AS g"  # noqa: S608
_BY_ID: Final = f"{_GRANTS} WHERE g.id = $1"
_FIXED: Final = ("id", "serial", "kind", "version", "issued_at")
_EDITED: Final = len(EDITED_COLUMNS)
_INSERT: Final = f"""
INSERT INTO gateway_grants ({", ".join(EDITED_COLUMNS + _FIXED)})
VALUES ({", ".join(f"${place}" for place, _ in enumerate(EDITED_COLUMNS + _FIXED, 1))})
RETURNING {GRANT_COLUMNS.replace("g.", "")}
"""  # noqa: S608
_UPDATE: Final = f"""
UPDATE gateway_grants AS g
SET {", ".join(f"{name} = ${place}" for place, name in enumerate(EDITED_COLUMNS, 1))}, version = version + 1
WHERE id = ${_EDITED + 1} AND version = ${_EDITED + 2} RETURNING {GRANT_COLUMNS}
"""  # noqa: S608


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
            fixed = (grant.id, serial, str(grant.kind), 1, grant.issued_at)
            row = await tx.fetchrow(_INSERT, *edited_values(grant), *fixed)
            await add_entries(
                tx, [FeedEntry(serial, FeedKind.ISSUED, grant.id, at=grant.issued_at, by=grant.issued_by)]
            )
            if idempotency is not None:
                await tx.execute("INSERT INTO gateway_idempotency VALUES ($1, $2, $3)", idempotency, grant.id, now)
            return grant_of(GrantRow(*row))

    async def save(self, grant: Grant) -> Grant | None:
        check_storable(grant)
        async with self._database.writing_feed("grants", 1) as (tx, serial):
            row = await tx.fetchrow(_UPDATE, *edited_values(grant), grant.id, grant.version)
            if row is None:
                return None
            await add_entries(tx, [FeedEntry(serial, FeedKind.CHANGED, grant.id, at=self._database.clock())])
            return grant_of(GrantRow(*row))

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        check_filter(wanted)
        values: list[object] = []
        place = placing("$", values)
        conditions = filter_sql(wanted, place)
        if cursor is not None:
            conditions.append(f"g.serial < {place(read_cursor('g', cursor, 1)[0])}")
        where = " AND ".join(f"({condition})" for condition in conditions) or "TRUE"
        rows = await self._database.read(
            "grants",
            f"{_GRANTS} LEFT JOIN gateway_usage AS u ON u.grant_id = g.id "
            f"WHERE {where} ORDER BY g.serial DESC LIMIT {limit + 1:d}",
            *values,
        )
        return grant_page([grant_of(GrantRow(*row)) for row in rows], limit)

    async def count(self, target: RevocationTarget) -> int:
        values: list[object] = []
        which = target_sql(target, placing("$", values))
        statement = f"SELECT count(*) FROM gateway_grants AS g WHERE {which}"  # noqa: S608
        return int((await self._database.read("grants", statement, *values))[0][0])

    async def _read(self, statement: str, value: object) -> Grant | None:
        rows = await self._database.read("grants", statement, value)
        return grant_of(GrantRow(*rows[0])) if rows else None
