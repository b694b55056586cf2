"""Owns a right that one request at a time has, among all replicas that share a limit store.

Refuses to own what the right is for, and that it is one request's in this process (`upload_locks`, `names`).

Law: it is a bucket of the limit store (GCRA) that holds less than two takings: it drains by itself within five seconds
when its holder dies, and is emptied when the holder ends. A limit store that cannot answer gives it to everybody,
unless its posture is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from gateway.core.limits import Demand, LimitStore
from gateway.core.reasons import DependencyDown, Refused
from gateway.core.units import Rate

_RATE: Final = Rate(1000, 1.0, 7000)
"""One unit is a millisecond of holding."""

_TAKEN: Final = 6000
_RENEWED: Final = 2000


@asynccontextmanager
async def shared_hold(
    limits: LimitStore, clock: Callable[[], float], name: str, busy: Refused, *, closed: bool
) -> AsyncIterator[None]:
    """Hold `name` for the length of the block. `closed` is the limit store's posture.

    Raises:
        Refused: `busy`, while another replica holds it.
        DependencyDown: the limit store cannot answer and its posture is closed.
    """
    hold = _Hold(limits, clock, name, closed=closed)
    if not await hold.take(_TAKEN):
        raise busy
    renewing = asyncio.get_running_loop().create_task(hold.renew())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait({renewing})
        await hold.end()


class _Hold:
    """Milliseconds in a bucket that drains by one a millisecond."""

    def __init__(self, limits: LimitStore, clock: Callable[[], float], name: str, *, closed: bool) -> None:
        self._limits = limits
        self._clock = clock
        self._closed = closed
        self._name = name
        self._taken = 0
        self._since = clock()

    async def take(self, cost: int) -> bool:
        try:
            verdict = await self._limits.take([Demand(self._name, _RATE, cost)], self._clock())
        except DependencyDown:
            if self._closed:
                raise
            return True
        if verdict.allowed:
            self._taken += cost
        return verdict.allowed

    async def renew(self) -> None:
        """Put back what has drained, until cancelled."""
        while True:
            await asyncio.sleep(_RENEWED / 1000)
            with suppress(DependencyDown):
                await self.take(_RENEWED)

    async def end(self) -> None:
        """Take out what is left, so that the next one need not wait."""
        left = self._taken - int(1000 * max(0.0, self._clock() - self._since))
        if left > 0:
            with suppress(DependencyDown):
                await self.take(-left)
