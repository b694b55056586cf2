"""Owns the connections to a Redis or Valkey server that the stores in it share, and the wall for its errors.

Refuses to own trials (`probe`), and every command and script (the stores beside it).

Law: a failover may lose what was acknowledged; nothing here can change that. Where the server keeps an append-only
file, changes of grants and revocations wait until it is synced on the node that answered. Commands are never repeated
by the client, because most of them count something.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from gateway.core.reasons import Dependency, DependencyDown
from gateway.core.revocation import MAX_VIEW_AGE
from gateway.stores.notifier import Notifier
from gateway.stores.redis.errors import explain

ANSWER_SECONDS: Final = MAX_VIEW_AGE
"""Longest wait for a connection or an answer: past it, a view is too old anyway."""

PREFIX: Final = "{gateway}:"
"""What every key begins with. The hash tag keeps all of them on one node."""

FAILURES: Final = (RedisError, OSError, TimeoutError)
"""What the client raises when the server refuses, or cannot be had."""

_SYNC_MILLISECONDS: Final = 3000
_UNSYNCED: Final = (
    "Redis syncs no longer what it is told: turn appendonly on again, or restart the gateway to go without"
)
_LATE: Final = "Redis did not sync in time what it was told: its disk is slow, or appendfsync is no"


class _Trust:
    """The context that all connections of one client share, and when the files that it was made of were written."""

    context: ssl.SSLContext | None = None
    written: list[int] | None = None


class _TlsConnection(SSLConnection):
    """The driver would read the authorities for each of its connections, on the loop, and never again. Here they are
    read for all together, and anew when a file was renewed; one that cannot be read changes nothing."""

    def __init__(self, trust: _Trust, **options: Any) -> None:
        super().__init__(**options)
        self._trust = trust

    async def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        with suppress(OSError):  # without any context, the driver meets it again and tells it
            self._renew()
        self.ssl_context.context = self._trust.context
        await super().connect_check_health(*arguments, **options)

    def _renew(self) -> None:
        own, trust = self.ssl_context, self._trust
        files = (own.ca_certs, own.certfile, own.keyfile)
        written = [Path(file).stat().st_mtime_ns for file in files if file]
        if written != trust.written:
            own.context = None
            trust.context, trust.written = own.get(), written


def connect(url: str) -> Any:
    """A client of many connections. Raises ValueError for a wrong URL."""
    options: dict[str, Any] = {
        "max_connections": 64,
        "timeout": ANSWER_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": ANSWER_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        # A pool that waits for such notices takes a closed connection for one that has something to say.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        **parse_url(url),
    }
    if options.get("connection_class") is SSLConnection:
        options |= {"connection_class": _TlsConnection, "trust": _Trust()}
    pool = BlockingConnectionPool(**options)
    try:
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, RedisError):
        raise ValueError("an option is unknown or wrong") from None
    return Redis.from_pool(pool)


class RedisServer:
    """A server that was tried. `clock` gives seconds since the epoch; `notifier` wakes who waits for the feed.

    `syncs` says that it can be asked whether a write is on its disk.
    """

    def __init__(self, client: Any, clock: Callable[[], float], *, syncs: bool) -> None:
        self.clock = clock
        self.notifier = Notifier()
        self._client = client
        self._syncs = syncs

    async def close(self) -> None:
        """Close the connections. Later calls raise DependencyDown."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        self.notifier.notify()

    @contextmanager
    def reach(self, dependency: Dependency) -> Iterator[Any]:
        """The client. What fails inside is DependencyDown."""
        if self._client is None:
            raise DependencyDown(dependency, "the store is not open")
        try:
            yield self._client
        except FAILURES as error:
            raise DependencyDown(dependency, explain(error)) from error

    async def run(self, dependency: Dependency, script: str, *values: object) -> Any:
        """Run a script; its first argument is the prefix."""
        with self.reach(dependency) as client:
            return await client.register_script(script)(args=[PREFIX, *values])

    async def write(self, dependency: Dependency, script: str, *values: object) -> Any:
        """Run a script and wait until its effects are synced, on one connection."""
        return (await self.write_all(dependency, script, [values]))[0]

    async def write_all(self, dependency: Dependency, script: str, calls: Sequence[Sequence[object]]) -> list[Any]:
        """The same for several calls of one script, one after the other."""
        with self.reach(dependency) as client:
            pipe = client.pipeline(transaction=False)
            for values in calls:
                await client.register_script(script)(args=[PREFIX, *values], client=pipe)
            return await self.sync(dependency, pipe)

    async def sync(self, dependency: Dependency, pipe: Any) -> list[Any]:
        """Execute a pipeline and wait until its effects are synced; returns its answers."""
        with self.reach(dependency):
            if not self._syncs:
                answers: list[Any] = await pipe.execute()
                return answers
            pipe.execute_command("WAITAOF", 1, 0, _SYNC_MILLISECONDS)
            *answers, synced = await pipe.execute(raise_on_error=False)
            for failure in answers:
                if isinstance(failure, Exception):
                    raise failure
            if isinstance(synced, ResponseError):
                raise DependencyDown(dependency, _UNSYNCED)
            if not synced[0]:
                raise DependencyDown(dependency, _LATE)
            return answers
