"""Owns how much of what a store bears at once one holder has, and who waits for a place there.

Refuses to own how many transfers may run at all (`gateway.data.state.transfers`) and the connections themselves
(`gateway.backends.pool`).

Laws: one app or link has at most three quarters of a store's places, which are as many as connections to it, and one
address, which may stand for many people, seven eighths: the rest is always for others, however slowly one reads. Who is
beyond waits in the order of coming, as for a connection, and is refused after as long. As long as an eighth of the
places is enough for all that run, nobody is counted, as most of the time; so no more than that are never counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.route import Backend

Place = tuple[str, str]
"""A backend's name and a holder's."""

LONGEST_WAIT: Final = 30.0


class StoreShares:
    """The places of all stores. `take` and `give_back` are synchronous, so counts are exact within the process."""

    def __init__(self) -> None:
        self._taken: dict[Place, int] = {}
        self._waiting: dict[Place, deque[tuple[asyncio.Future[None], int]]] = {}  # each with the share it looks at

    def are_counted(self, backend: Backend, running: int) -> bool:
        """Whether who comes as one of so many has to `take` a place."""
        return running > backend.max_connections // 8

    def take(self, backend: Backend, holders: Sequence[str]) -> tuple[Place, ...] | None:
        """A place for each of the holders: who asks, and behind them the address that they come from. None, and nothing
        is taken, if one of them has its share."""
        taken, name = self._taken, backend.name
        places = tuple([(name, holder) for holder in holders])
        for place, share in zip(places, _shares(backend), strict=False):
            if taken.get(place, 0) >= share:
                return None
        for place in places:
            taken[place] = taken.get(place, 0) + 1
        return places

    async def wait(self, backend: Backend, holders: Sequence[str]) -> tuple[Place, ...]:
        """The same, once there is one for each.

        Raises:
            Refused: TOO_MANY_TRANSFERS after `LONGEST_WAIT` seconds.
        """
        places: tuple[Place, ...] = ()
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                for holder, share in zip(holders, _shares(backend), strict=False):
                    place = backend.name, holder
                    await self._take_one(place, share)
                    places = *places, place
        except BaseException as failure:
            self.give_back(places)
            if isinstance(failure, TimeoutError):
                detail = f"no place at {backend.name} became free for one who has their share of them"
                raise Refused(Reason.TOO_MANY_TRANSFERS, detail, retry_after=1.0) from None
            raise
        return places

    def give_back(self, places: Iterable[Place]) -> None:
        """Let who waits for longest have them."""
        for place in places:
            left = self._taken[place] - 1
            queue = self._waiting.get(place)
            while queue and left < queue[0][1]:
                waiter, _ = queue.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    left += 1
            if queue is not None and not queue:
                del self._waiting[place]
            if left:
                self._taken[place] = left
            else:
                del self._taken[place]

    async def _take_one(self, place: Place, share: int) -> None:
        if self._taken.get(place, 0) < share:
            self._taken[place] = self._taken.get(place, 0) + 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(place, deque())
        queue.append((waiter, share))
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it was given, and is not wanted any more
                self.give_back((place,))
            elif (waiter, share) in queue:
                queue.remove((waiter, share))
                if not queue:
                    del self._waiting[place]
            raise


def _shares(backend: Backend) -> tuple[int, int]:
    """How many of those that are counted one may have who asks, and one address; an eighth may be uncounted."""
    whole = backend.max_connections
    counted = whole - whole // 8
    return counted - whole // 4, counted - whole // 8
