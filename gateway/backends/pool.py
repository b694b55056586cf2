"""Owns the connections to one authority (host, port, TLS or not): making, keeping, handing out and ending them.

Refuses to own what goes over them (`gateway.backends.http_call`).

Law: every connection counts against the maximum from the first packet to `connection_lost`, and exactly once. Waiters
are served in the order they came, and a waiter that is cancelled passes on what it was given.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from mmap import mmap
from typing import Final
from urllib.parse import urlsplit

from gateway.backends.connection import READ_SIZE, Connection, Timeouts
from gateway.backends.lookup import Lookup
from gateway.certificate_fault import certificate_fault
from gateway.core.egress import refuse_reason
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.values import dataclass
from gateway.splice.descriptors import is_kept

IDLE_LIMIT: Final = 25.0
"""Seconds after which an unused connection is closed: below the 30 s and more that stores keep theirs. A read that
meets a store with less patience is repeated."""

WRITE_IDLE_LIMIT: Final = 4.0
"""Seconds after which an unused connection no longer carries a write, which is sent once and cannot be repeated.
HTTP servers close idle connections after 5 s at the earliest by their defaults: within 4 s no close is on its way."""

_SILENT_SECONDS: Final = 30.0
"""For how long an address that did not answer is tried behind the name's others: each try costs a share of the time."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Where to connect. `host` is a name or a numeric address without brackets."""

    host: str
    port: int
    tls: bool

    @classmethod
    def from_url(cls, endpoint: str) -> Authority:
        """Where a URL's host is reached."""
        parts = urlsplit(endpoint)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections, how long to wait (seconds), and whether link-local addresses may be dialled."""

    max_connections: int = 256
    connect_timeout: float = 5.0
    queue_timeout: float = 30.0
    allow_link_local: bool = False


class Pool:
    """Connections to one authority. Not for several event loops."""

    def __init__(
        self, authority: Authority, limits: PoolLimits, timeouts: Timeouts, tls: ssl.SSLContext | None = None
    ) -> None:
        self._authority = authority
        self._limits = limits
        self._timeouts = timeouts
        self._tls = tls
        self._lookup = Lookup(authority.host, authority.port)
        self._idle: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._connecting = 0
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._scratch = memoryview(mmap(-1, READ_SIZE))  # of which only what was read into is held
        self._tick = max(0.01, min(1.0, timeouts.head / 4, timeouts.body / 4))
        self._clock: asyncio.TimerHandle | None = None
        self._idle_limit = IDLE_LIMIT
        self._silent: dict[str, float] = {}  # addresses of the name that did not answer, and when
        self._retired = False

    @property
    def size(self) -> int:
        """Connections that exist or are being made."""
        return len(self._all) + self._connecting

    @property
    def idle(self) -> int:
        return len(self._idle)

    def take(self, *, write: bool) -> Connection | None:
        """An idle connection that is usable right now, without waiting; the one used last comes first.

        For a `write` it must have been used lately, and the kernel is asked whether the peer has closed it.
        """
        if not self._idle:
            return None
        oldest = self._idle[-1].loop.time() - min(self._idle_limit, WRITE_IDLE_LIMIT if write else IDLE_LIMIT)
        while self._idle and self._idle[-1].idle_since >= oldest:
            connection = self._idle.pop()
            if not connection.closed and (not write or connection.is_quiet()):
                return connection
            connection.abort()
        return None

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """A connection when `take` had none: a new one, or one in use as soon as it is free unless `fresh`.

        Raises:
            UpstreamFailed: UPSTREAM_UNREACHABLE, or UPSTREAM_TIMED_OUT when none became free in time.
        """
        while self.size >= self._limits.max_connections:
            if self._idle:
                # The idle ones are too old for a write, or a new one is wanted: the oldest is closed.
                self._idle.popleft().abort()
                break
            given = await self._wait_turn()
            if given is None:
                return await self._connect()
            if fresh:
                given.abort()
                break
            if not given.closed:
                return given
        self._connecting += 1
        return await self._connect()

    def release(self, connection: Connection) -> None:
        """Take back a connection whose exchange ended cleanly."""
        if self._retired or connection.closed:
            connection.abort()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection.keep_alive_seconds is not None:
            # A second less than the store says: its close must not cross our next request.
            self._idle_limit = min(IDLE_LIMIT, connection.keep_alive_seconds - 1.0)
        connection.idle_since = connection.loop.time()
        self._idle.append(connection)

    def retire(self) -> None:
        """Close idle connections, now and from now on; those in use may finish."""
        self._retired = True
        while self._idle:
            self._idle.pop().abort()

    def close(self) -> None:
        """End everything now, transfers included."""
        self.retire()
        for connection in tuple(self._all):
            connection.abort()

    async def _wait_turn(self) -> Connection | None:
        """A connection that became free, or None for the right to make one (already counted in `_connecting`)."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._limits.queue_timeout):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                given = waiter.result()
                if given is None:
                    self._give_up_slot()
                else:
                    self.release(given)
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                raise UpstreamFailed(Reason.UPSTREAM_TIMED_OUT, "no connection to the store became free") from None
            raise

    def _offer_slot(self) -> None:
        while self._waiters and self.size < self._limits.max_connections:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._connecting += 1
                waiter.set_result(None)

    def _give_up_slot(self) -> None:
        self._connecting -= 1
        self._offer_slot()

    async def _connect(self) -> Connection:
        """Make one; the caller has counted it in `_connecting`."""
        connection: Connection | None = None
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                connection = await self._dial()
        except TimeoutError:
            raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, "connecting took too long") from None
        except ssl.SSLError as error:
            fault = certificate_fault(error) or f"TLS failed: {error}"
            raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, fault) from None
        except OSError as error:
            raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, f"cannot connect: {error}") from None
        finally:
            if connection is None or connection.closed:
                self._give_up_slot()
            else:
                self._connecting -= 1
                self._all.add(connection)
        if connection.closed:
            raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, "the store closed the connection at once")
        connection.on_lost = self._forget
        connection.on_done = self.release
        if self._clock is None:
            self._clock = asyncio.get_running_loop().call_later(self._tick, self._sweep)
        return connection

    async def _dial(self) -> Connection:
        """Resolve, filter, and try the addresses in order, those last that lately did not answer; the last one's
        failure is the failure."""
        loop = asyncio.get_running_loop()
        where = self._authority
        addresses = list(await self._lookup.addresses())
        if not self._limits.allow_link_local:
            refused = [why for why in map(refuse_reason, addresses) if why]
            if refused:
                raise OSError(refused[0])
        share, now = self._limits.connect_timeout / max(1, len(addresses)), loop.time()
        self._silent = {one: at for one, at in self._silent.items() if one in addresses and now - at < _SILENT_SECONDS}
        addresses.sort(key=lambda one: self._silent.get(one, 0.0))
        for last, address in zip([*[False] * (len(addresses) - 1), True], addresses, strict=True):
            try:
                async with asyncio.timeout(share):
                    transport, connection = await loop.create_connection(
                        lambda: Connection(loop, self._scratch, self._timeouts),
                        address,
                        where.port,
                        ssl=self._tls if where.tls else None,
                        server_hostname=where.host if where.tls else None,
                    )
            except (OSError, TimeoutError):
                self._silent[address] = loop.time()
                if last:
                    raise
            else:
                if is_kept(transport.get_extra_info("socket").fileno()):
                    connection.abort()
                    raise OSError("this process has no descriptor left for it: see ulimit -n")
                return connection
        raise OSError("the name has no address")

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._offer_slot()

    def _sweep(self) -> None:
        """The pool's clock: close idle connections, and have the others check their time limits."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._idle and now - self._idle[0].idle_since > self._idle_limit:
            self._idle.popleft().abort()
        for connection in tuple(self._all):
            connection.check(now)
        self._clock = loop.call_later(self._tick, self._sweep) if self._all else None
