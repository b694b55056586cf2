"""Owns the connections to PostgreSQL that the stores in it share, and how they are opened and closed.

Refuses to own tables (`schema`), trials (`probe`) and every query (the stores beside it).

Law: a transaction that writes to the feed locks the one row of serials until its commit, so serials become visible in
their order and no reader can pass one that is still to come. A commit that was acknowledged is on disk:
`synchronous_commit` is never off here. The feed is read on a connection of its own: a table that somebody holds locked,
and whoever waits for it on all the others, keeps nobody from hearing of revocations.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from gateway.core.reasons import Dependency, DependencyDown
from gateway.core.revocation import MAX_VIEW_AGE
from gateway.stores.notifier import Notifier
from gateway.stores.postgres.errors import FAILURES, are_sessions_mixed, map_errors, standby_reads

ANSWER_SECONDS: Final = MAX_VIEW_AGE
"""Longest wait for a connection or an answer: past it, a view is too old anyway."""

_FULL_SECONDS: Final = 30.0
"""How long a disk counts as full after something found no room."""

CHANNEL: Final = "gateway_feed"
"""Where every commit that wrote to the feed is announced."""

_PRIMARY: Final = "read-write"
"""A URL may name several hosts. A standby's feed may lag without end, and its silence would pass for a proof."""

_READING: Final = "SELECT current_setting('transaction_read_only') FROM gateway_serial"
"""As poolers see it, a look-up like any other."""

_DURABILITY: Final = """
SELECT current_setting('synchronous_commit') = 'off', current_setting('default_transaction_isolation')
"""


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """The driver counts its prepared statements, so that those of two processes have the same names. Behind a pooler
    that begins to share connections, another process's would be run in the place of ours, whatever it does; a name that
    nobody else has is an error there.

    The pool asks the server to forget a session's settings whenever a connection is given back. Ours stay the same from
    its beginning on, so that would only be one more way there and back for each call."""

    __slots__ = ()

    def _get_unique_id(self, prefix: str) -> str:
        return f"{prefix}_{secrets.token_hex(16)}"

    def get_reset_query(self) -> str:
        return ""


async def connect(url: str) -> Any:
    """A connection outside the pool. Raises one of `FAILURES`."""
    return await asyncpg.connect(
        url, timeout=ANSWER_SECONDS, target_session_attrs=_PRIMARY, connection_class=_Connection
    )


async def require_primary(connection: Any) -> None:
    """See that what this connection reads comes from a server that takes writes.

    Raises:
        asyncpg.PostgresError: a pooler has a standby answer it.
    """
    if await connection.fetchval(_READING) == "on":
        raise standby_reads()


class PostgresDatabase:
    """An opened database. `clock` gives seconds since the epoch; `notifier` wakes who waits for the feed."""

    def __init__(self, url: str, pool: Any, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.notifier = Notifier()
        self._url = url
        self._pool = pool
        self._listener: Any = None
        self._listening = asyncio.Lock()
        self._full_until = 0.0

    @classmethod
    async def open(cls, url: str, first: Any, clock: Callable[[], float]) -> PostgresDatabase:
        """Make the pool; `first` is a connection that tells what sessions are set to. Raises one of `FAILURES`."""
        await require_primary(first)
        lazy, isolation = await first.fetchrow(_DURABILITY)
        wanted = "SET synchronous_commit = on;" if lazy else ""
        wanted += "" if isolation == "read committed" else "SET default_transaction_isolation = 'read committed'"

        async def prepare(connection: Any) -> None:
            if wanted:  # and not in the connection's first words: poolers let no settings in there
                await connection.execute(wanted)
            await require_primary(connection)

        pool = await asyncpg.create_pool(
            url,
            min_size=0,  # a pool that keeps a connection opens it by itself, and logs a traceback at each try
            max_size=10,
            timeout=ANSWER_SECONDS,
            command_timeout=ANSWER_SECONDS,
            init=prepare,
            target_session_attrs=_PRIMARY,
            connection_class=_Connection,
        )
        return cls(url, pool, clock)

    async def close(self) -> None:
        """Give the connections back, by force if a call does not end in time. Later calls raise DependencyDown."""
        pool, listener, self._pool, self._listener = self._pool, self._listener, None, None
        opened = [one for one in (listener, pool) if one is not None]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for one in opened:
                    await one.close()
        except FAILURES:
            for one in opened:
                one.terminate()
        self.notifier.notify()

    @asynccontextmanager
    async def connection(self, dependency: Dependency) -> AsyncIterator[Any]:
        """A connection of the pool. What fails on it is DependencyDown."""
        if self._pool is None:
            raise DependencyDown(dependency, "the store is not open")
        with map_errors(dependency):
            async with self._pool.acquire(timeout=ANSWER_SECONDS) as connection:
                try:
                    yield connection
                except asyncpg.DiskFullError:
                    self._full_until = time.monotonic() + _FULL_SECONDS
                    raise
                except asyncpg.PostgresError as error:
                    if are_sessions_mixed(error):
                        await self._begin_anew()
                    raise

    def require_space(self) -> None:
        """Raises asyncpg.DiskFullError where the disk had no room for something lately. What a trial writes and takes
        back finds room on a full disk, too."""
        if time.monotonic() < self._full_until:
            raise asyncpg.DiskFullError("lately")

    async def _begin_anew(self) -> None:
        """A pooler has mixed up sessions: what each connection believes to be prepared, set and listened to is not.
        All are replaced; else the mistake would outlive its mending."""
        await self._pool.expire_connections()
        if self._listener is not None:
            self._listener.terminate()

    @asynccontextmanager
    async def writing_feed(self, dependency: Dependency, entries: int) -> AsyncIterator[tuple[Any, int]]:
        """A transaction that holds the feed, with the last of the serials that were taken for it."""
        take = "UPDATE gateway_serial SET last = last + $1 RETURNING last"
        async with self.connection(dependency) as connection, connection.transaction():
            yield connection, await connection.fetchval(take, entries)

    async def read(self, dependency: Dependency, statement: str, *values: object) -> list[Any]:
        """The rows of one statement, which may also change something."""
        async with self.connection(dependency) as connection:
            found: list[Any] = await connection.fetch(statement, *values)
        return found

    async def read_feed(self, statement: str, *values: object) -> list[Any]:
        """The rows of one statement, asked for on the connection that listens."""
        with map_errors("revocations"):
            async with asyncio.timeout(ANSWER_SECONDS), self._listening:
                listener = await self._listened()
                try:
                    found: list[Any] = await listener.fetch(statement, *values)
                except BaseException as error:
                    listener.terminate()  # what was broken off may never end
                    if isinstance(error, asyncpg.PostgresError) and are_sessions_mixed(error):
                        await self._begin_anew()
                    raise
        return found

    async def listen(self) -> None:
        """Hold one connection that listens for announcements; make a new one if it was lost."""
        with map_errors("revocations"):
            async with asyncio.timeout(ANSWER_SECONDS), self._listening:
                await self._listened()

    async def _listened(self) -> Any:
        if self._pool is None:
            raise DependencyDown("revocations", "the store is not open")
        if self._listener is None or self._listener.is_closed():
            opened = await connect(self._url)
            try:
                await require_primary(opened)
                await opened.add_listener(CHANNEL, lambda *_: self.notifier.notify())
            except BaseException:
                opened.terminate()
                raise
            self._listener = opened
        return self._listener
