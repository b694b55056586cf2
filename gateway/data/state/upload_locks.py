"""Owns the right to be the only request that writes to one unfinished upload.

Refuses to own what is written, and any counter of its own: replicas meet in the limit store.

Laws: of two requests at once, one is refused. Here that is exact; between replicas it is a bucket of the limit store
(GCRA) that holds less than two takings: it drains by itself within five seconds when its holder dies, and is emptied
when the holder ends. A holder whose client has fallen silent makes room for a newcomer, who is most likely the same
client on a new connection. Where the protocol says that a client never sends two at once, it makes room at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from typing import Final

from gateway.core.limits import Demand, LimitStore
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.units import Rate
from gateway.core.values import dataclass
from gateway.data.state.transfers import Permit

_RATE: Final = Rate(1000, 1.0, 7000)
"""One unit is a millisecond of holding."""

_TAKEN: Final = 6000
_RENEWED: Final = 2000
_SILENT: Final = 2.0
_PARTING: Final = 5.0


@dataclass(slots=True)
class _Holder:
    permit: Permit
    seen: int = 0
    seen_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def silent(self, now: float) -> bool:
        """Whether the client has sent nothing since this was first asked, two seconds ago or more."""
        if self.seen_at is None or self.permit.exchange.bytes_in != self.seen:
            self.seen, self.seen_at = self.permit.exchange.bytes_in, now
            return False
        return self.permit.exchange.awaits_client and now - self.seen_at >= _SILENT


class UploadLocks:
    """The holders of this process, by name."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._holders: dict[str, _Holder] = {}
        self._monotonic = monotonic

    async def enter(self, name: str, permit: Permit, *, at_once: bool = False) -> None:
        """Become the holder; `at_once` in place of one whose client is not silent either.

        Raises:
            Refused: UPLOAD_BUSY.
        """
        await self.make_room(name, at_once=at_once)
        if name in self._holders:
            raise Refused(Reason.UPLOAD_BUSY, "another request writes to this upload")
        self._holders[name] = _Holder(permit)

    async def make_room(self, name: str, *, at_once: bool = False) -> None:
        """Cut a holder whose client has fallen silent, or any, and wait until what came of it is stored."""
        known = self._holders.get(name)
        if known is None or not (at_once or known.silent(self._monotonic())):
            return
        known.permit.cut(Reason.CLIENT_GONE if at_once else Reason.CLIENT_TOO_SLOW)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await known.ended.wait()

    def leave(self, name: str) -> None:
        self._holders.pop(name).ended.set()


@asynccontextmanager
async def lock_upload(
    locks: UploadLocks,
    limits: LimitStore,
    clock: Callable[[], float],
    permit: Permit,
    name: str,
    *,
    closed: bool,
    at_once: bool = False,
) -> AsyncIterator[None]:
    """Hold `name` for the length of the block, here and among the replicas that share `limits`.

    `closed` is the limit store's posture: whether no lock is given while it cannot answer. `at_once` is as for
    `UploadLocks.enter`.

    Raises:
        Refused: UPLOAD_BUSY while another request does.
        DependencyDown: the limit store cannot answer and its posture is closed.
    """
    await locks.enter(name, permit, at_once=at_once)
    try:
        shared = _SharedLock(limits, clock, name, closed=closed)
        await shared.begin()
        renewing = asyncio.get_running_loop().create_task(shared.renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})
            await shared.end()
    finally:
        locks.leave(name)


class _SharedLock:
    """A holding between replicas: milliseconds in a bucket that drains by one a millisecond."""

    def __init__(self, limits: LimitStore, clock: Callable[[], float], name: str, *, closed: bool) -> None:
        self._limits = limits
        self._clock = clock
        self._closed = closed
        self._name = f"upload:{name}"
        self._taken = 0
        self._since = clock()

    async def begin(self) -> None:
        if not await self._take(_TAKEN):
            raise Refused(Reason.UPLOAD_BUSY, "another replica writes to this upload")

    async def renew(self) -> None:
        """Put back what has drained, until cancelled."""
        while True:
            await asyncio.sleep(_RENEWED / 1000)
            with suppress(DependencyDown):
                await self._take(_RENEWED)

    async def end(self) -> None:
        """Take out what is left, so that the next one need not wait."""
        left = self._taken - int(1000 * max(0.0, self._clock() - self._since))
        if left > 0:
            with suppress(DependencyDown):
                await self._take(-left)

    async def _take(self, cost: int) -> bool:
        try:
            verdict = await self._limits.take([Demand(self._name, _RATE, cost)], self._clock())
        except DependencyDown:
            if self._closed:
                raise
            return True
        if verdict.allowed:
            self._taken += cost
        return verdict.allowed
