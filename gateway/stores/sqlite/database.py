"""Owns the ways to one SQLite file that the stores in it share: reading, scanning, writing.

Refuses to own the file's form (`schema`), the writing thread (`writer`) and every query (the stores beside it).

Law: reads run in the event loop's thread, because a point read costs some ten microseconds and a change of threads
ten times that. Writes run in the writer's thread and return when they are on the disk.
Several processes may share the file; each learns of the others' changes within a quarter of a second
by itself, and at once where they share serials (`gateway.stores.shared_serial`).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.core.reasons import Dependency, DependencyDown
from gateway.stores.notifier import Notifier
from gateway.stores.sqlite.schema import SqliteFile, map_errors
from gateway.stores.sqlite.writer import GroupWriter

_Answer = TypeVar("_Answer")

_WALKERS_KEPT: Final = 2
"""Connections that are kept for walks, of which few go on at once."""


class SqliteDatabase:
    """An opened file. `clock` gives seconds since the epoch; `notifier` wakes who waits for the feed."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Create or migrate the file.

        Raises:
            SettingsError: it cannot be used; the message says why.
        """
        self.clock = clock
        self.notifier = Notifier()
        self._file: SqliteFile | None = SqliteFile.prepare(path)
        self._reader: sqlite3.Connection | None = None
        self._walkers: deque[sqlite3.Connection] = deque()
        self._writer = GroupWriter(self._file.connect, self._file.check)
        self._writer.start()

    async def close(self) -> None:
        """Commit what waits and close the file. Later calls raise DependencyDown."""
        await self._writer.close()
        self._file = None
        self._drop_reader()
        while self._walkers:
            self._drop_walker()
        self.notifier.notify()

    def check(self, dependency: Dependency) -> None:
        """Raises DependencyDown when the path no longer leads to the file that was opened."""
        file = self._opened(dependency)
        with map_errors(dependency):
            file.check()

    async def write(self, dependency: Dependency, change: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """What `change` returns, once it is durable; see `GroupWriter.run`."""
        return await self._writer.run(dependency, change)

    def read(self, dependency: Dependency, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """The rows of a look-up by an index."""
        file = self._opened(dependency)
        try:
            if self._reader is None:
                self._reader = file.connect(reader=True)
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._drop_reader()
            with map_errors(dependency):
                raise error  # noqa: TRY201 (the name is what `map_errors` looks at)

    async def scan(self, dependency: Dependency, statement: str, values: Sequence[object]) -> list[Any]:
        """The rows of a read that may take long."""
        return await self.walk(dependency, lambda connection: connection.execute(statement, values).fetchall())

    async def walk(self, dependency: Dependency, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """What `work` finds: in a thread of its own, so that transfers go on meanwhile."""
        file = self._opened(dependency)

        def run() -> _Answer:
            with map_errors(dependency):
                return self._walk(file, work)

        return await asyncio.to_thread(run)

    def _walk(self, file: SqliteFile, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        # A connection that is kept knows the form of the tables and their upper pages: most of what a short walk takes.
        connection = self._take_walker() or file.connect(reader=True, shared=True)
        try:
            file.check()
            found = work(connection)
        except BaseException:
            connection.close()
            raise
        self._walkers.append(connection)
        if self._file is None or len(self._walkers) > _WALKERS_KEPT:
            self._drop_walker()
        return found

    def _take_walker(self) -> sqlite3.Connection | None:
        with suppress(IndexError):  # another thread took the last one
            return self._walkers.pop()
        return None

    def _drop_walker(self) -> None:
        if (connection := self._take_walker()) is not None:
            connection.close()

    def _opened(self, dependency: Dependency) -> SqliteFile:
        if self._file is None:
            raise DependencyDown(dependency, "the store is closed")
        return self._file

    def _drop_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
