"""Owns the one thread that writes to a SQLite file: many waiting writers share one transaction and one fsync.

Refuses to own SQL: it runs what it is handed.

Law: a write is acknowledged only after the commit that holds it. A piece of work that fails takes back its own
changes and nobody else's; a failed commit fails everybody in it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from gateway.core.reasons import Dependency, DependencyDown
from gateway.core.values import dataclass
from gateway.stores.sqlite.schema import map_errors

_Answer = TypeVar("_Answer")
_LARGEST_GROUP: Final = 512


@dataclass(slots=True)
class _Job:
    """One piece of work and the future that waits for it."""

    dependency: Dependency
    work: Callable[[sqlite3.Connection], Any]
    waiter: asyncio.Future[Any]
    answer: Any = None
    error: Exception | None = None


class GroupWriter:
    """`connect` opens a connection in the thread, again after every failure; `check` runs before every group."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], check: Callable[[], None]) -> None:
        self._connect = connect
        self._check = check
        self._connection: sqlite3.Connection | None = None
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="sqlite-writer", daemon=True)
        self._closed = False

    def start(self) -> None:
        self._thread.start()

    async def run(self, dependency: Dependency, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """What `work` returns, once it is durable.

        Raises:
            DependencyDown: it could not be committed. After that, `work` may run again in a later call.
            ValueError: `work` broke a uniqueness, or raised it.
        """
        if self._closed:
            raise DependencyDown(dependency, "the store is closed")
        waiter: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(dependency, work, waiter))
        return await waiter

    async def close(self) -> None:
        """Commit what waits, then end the thread."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        more = True
        while more:
            group, more = self._next_group()
            if group:
                self._commit(group)
                self._acknowledge(group)
        self._drop()

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Wait for one job and take every other one that is queued; False says that it was the last group."""
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            if not job.waiter.cancelled():
                group.append(job)
            if len(group) == _LARGEST_GROUP:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _commit(self, group: list[_Job]) -> None:
        try:
            self._check()
            connection = self._connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE")
            alone = len(group) == 1
            for job in group:
                _attempt(connection, job, alone=alone)
            connection.execute("ROLLBACK" if alone and group[0].error is not None else "COMMIT")
        except sqlite3.Error as error:
            self._drop()
            for job in group:
                job.error = error

    def _drop(self) -> None:
        """Closing rolls an open transaction back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _acknowledge(group: list[_Job]) -> None:
        for loop in {job.waiter.get_loop() for job in group}:
            mine = [job for job in group if job.waiter.get_loop() is loop]
            with suppress(RuntimeError):  # the loop was closed, and its waiters with it
                loop.call_soon_threadsafe(_resolve, mine)


def _attempt(connection: sqlite3.Connection, job: _Job, *, alone: bool) -> None:
    """Run one piece of work, of which nothing is left if it fails; what is `alone` is taken back with its transaction.

    Raises sqlite3.Error only for faults that the whole group shares.
    """
    if not alone:
        connection.execute("SAVEPOINT job")
    try:
        job.answer = job.work(connection)
    except sqlite3.Error as error:
        if not isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        job.error = error
    except Exception as error:  # noqa: BLE001 (carried to the caller who handed the work in)
        job.error = error
    if alone:
        return
    if job.error is not None:
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _resolve(group: list[_Job]) -> None:
    for job in group:
        if job.waiter.done():
            continue
        if job.error is None:
            job.waiter.set_result(job.answer)
            continue
        try:
            with map_errors(job.dependency):
                raise job.error
        except Exception as error:  # noqa: BLE001 (handed on as the awaited call's own)
            job.waiter.set_exception(error)
