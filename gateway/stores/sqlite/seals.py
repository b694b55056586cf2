"""Owns the book of sealing keys (`gateway.core.sealing.SealBook`) in a SQLite file.

Refuses to own connections and threads (`database`).
"""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection

from gateway.stores.sqlite.database import SqliteDatabase


class SqliteSeals:
    """A `SealBook`."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def seals(self) -> Mapping[int, str]:
        return dict(self._database.read("grants", "SELECT number, mark FROM seals"))

    async def note_seal(self, number: int, mark: str) -> str:
        def note(tx: Connection) -> str:
            tx.execute("INSERT INTO seals VALUES (?, ?) ON CONFLICT (number) DO NOTHING", (number, mark))
            return str(tx.execute("SELECT mark FROM seals WHERE number = ?", (number,)).fetchone()[0])

        return await self._database.write("grants", note)

    async def forget_seal(self, number: int) -> None:
        await self._database.write("grants", lambda tx: tx.execute("DELETE FROM seals WHERE number = ?", (number,)))
