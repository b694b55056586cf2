"""Owns rate counters that the processes of one host share through a file.

Refuses to own anything that must survive: the counters may be lost with the power, and a damaged file is made anew.
All who share the file share the host's clock, so the caller's `now` is the one truth.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.core.limits import Demand, Verdict
from gateway.stores.limits import judge
from gateway.stores.sqlite.writer import GroupWriter

_DAMAGED: Final = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB"})
_SWEPT_AT_ONCE: Final = 4


class SqliteLimits:
    """A `LimitStore` in a file of its own, exact across processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = GroupWriter(self._connect, lambda: None)
        self._started = False

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        """Raises DependencyDown("limits")."""
        if not self._started:
            self._started = True
            self._writer.start()
        return await self._writer.run("limits", lambda connection: _take(connection, demands, now))

    async def close(self) -> None:
        if self._started:
            await self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "") not in _DAMAGED:
                raise
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        return self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror) from error
        connection = sqlite3.connect(self._path, timeout=2.0, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS limits (key TEXT PRIMARY KEY, arrival REAL NOT NULL) STRICT, WITHOUT ROWID"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS limits_arrival ON limits (arrival)")
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _take(connection: sqlite3.Connection, demands: Sequence[Demand], now: float) -> Verdict:
    def stored(key: str) -> float | None:
        row = connection.execute("SELECT arrival FROM limits WHERE key = ?", (key,)).fetchone()
        return None if row is None else float(row[0])

    verdict, arrivals = judge(demands, now, stored)
    lapsed = connection.execute("SELECT key FROM limits WHERE arrival <= ? LIMIT ?", (now, _SWEPT_AT_ONCE)).fetchall()
    connection.executemany("DELETE FROM limits WHERE key = ?", lapsed)
    connection.executemany("INSERT OR REPLACE INTO limits VALUES (?, ?)", list(arrivals.items()))
    return verdict
