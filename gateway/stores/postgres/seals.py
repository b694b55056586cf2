"""Owns the book of sealing keys (`gateway.core.sealing.SealBook`) in PostgreSQL.

Refuses to own connections (`database`).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.stores.postgres.database import PostgresDatabase


class PostgresSeals:
    """A `SealBook`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def seals(self) -> Mapping[int, str]:
        return dict(await self._database.read("grants", "SELECT number, mark FROM gateway_seals"))

    async def note_seal(self, number: int, mark: str) -> str:
        note = "INSERT INTO gateway_seals VALUES ($1, $2) ON CONFLICT DO NOTHING"
        await self._database.read("grants", note, number, mark)
        rows = await self._database.read("grants", "SELECT mark FROM gateway_seals WHERE number = $1", number)
        return str(rows[0][0])

    async def forget_seal(self, number: int) -> None:
        await self._database.read("grants", "DELETE FROM gateway_seals WHERE number = $1", number)
