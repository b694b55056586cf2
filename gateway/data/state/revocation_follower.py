"""Owns the follower that keeps this process's revocation view true, and its age.

Refuses to own the look-up (`gateway.core.revocation`) and the cutting (`gateway.data.state.transfers`): it informs
both.

Laws: the view is fresh only when the feed itself said that nothing is missing. Everything else lets it age, and past
`MAX_VIEW_AGE` nothing is decided on it: nothing new begins, and `guard` has ended what runs. What another process of
this host has read already is read here as soon as it says so, and before anything more is decided. A feed that no
longer has what was read of it last (its store was restored, or failed over with a loss) gives the same serials again,
and may have given more by the time that it is asked: so it is read again from its beginning, and what was revoked
before stays so here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from gateway.beat import seconds_to_beat
from gateway.core.grant import Grant
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.revocation import MAX_VIEW_AGE, FeedEntry, RevocationFeed, RevocationView
from gateway.core.revocation_target import EVERY, FeedKind
from gateway.core.said import phrase
from gateway.data.state.list_follower import ListFollower
from gateway.telemetry.metrics import Metrics

_log = structlog.get_logger("gateway.data")

_PAGE: Final = 10_000
_HEARTBEAT: Final = 1.0
_BACKOFF: Final = 0.2
_GUARD_TICK: Final = 0.1
_LATE: Final = 0.5
"""Seconds by which a timer is late only if this process itself stood still; so long it may then ask the feed first."""


class Neighbours(Protocol):
    """The processes that serve beside this one on the same host."""

    def tell(self, serial: int) -> None:
        """Say that this process knows all entries up to `serial`."""
        ...

    def newest(self) -> int:
        """The greatest serial that any of them, or this one, has announced."""
        ...

    async def wait_for_news(self) -> None:
        """Return once one of them has announced something new since the last time."""
        ...


class RevocationFollower:
    """Follows one feed. `monotonic` measures the age, `clock` (epoch seconds) only the lag of an entry."""

    def __init__(
        self,
        feed: RevocationFeed,
        on_entries: Callable[[Sequence[FeedEntry]], None],
        *,
        monotonic: Callable[[], float],
        clock: Callable[[], float],
        metrics: Metrics,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.view = RevocationView()
        self._neighbours = neighbours
        self._asked_at = 0, 0  # how far a neighbour, and the view, were when the feed was asked because of that
        self._feed = feed
        self._on_entries = on_entries
        self._monotonic = monotonic
        self._clock = clock
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._proved_at: float | None = None
        self._last_read: FeedEntry | None = None  # of the feed's own: a feed that still has it has all before it, too
        self._last_every = 0  # serial of the newest entry about every grant, which a sidecar's feed adds by itself
        self.fault = ""
        """Why the feed could not be followed, the last time that it was asked."""
        self._list: ListFollower | None = None

    def include(self, followed: ListFollower) -> None:
        """Make a list part of the view and of its age."""
        self._list, self.view.listed = followed, followed.view

    @property
    def age(self) -> float:
        """Seconds since the view was last proved complete; infinite before it ever was.

        A list that is part of it counts as if its own bound were `MAX_VIEW_AGE`.
        """
        return self._find_age()

    def tell_fault(self) -> str | None:
        """Why nothing is decided on the view, if nothing is."""
        age = self._find_age()
        if age <= MAX_VIEW_AGE:
            return None
        if not self.fault:
            return phrase("view_old", "the revocation view is {age:.1f} s old", age=age)
        return phrase("view_old_since", "the revocation view is {age:.1f} s old: {why}", age=age, why=self.fault)

    def _find_age(self) -> float:
        if self._proved_at is None:
            return float("inf")
        age = self._monotonic() - self._proved_at
        return age if self._list is None else max(age, self._list.view_age)

    def require_standing(self, grant: Grant | None, bucket: str, key: str, backend: str) -> None:
        """To be asked for every name that a request touches, not only for its own.

        Raises:
            Refused: REVOKED, VIEW_TOO_OLD.
        """
        age = self._find_age()
        if age > MAX_VIEW_AGE:
            raise Refused(Reason.VIEW_TOO_OLD, f"the revocation view is {age:.1f} s old", retry_after=1.0)
        if grant is not None and self.view.revoked(grant, bucket, key, backend) is not None:
            raise Refused(Reason.REVOKED, "the revocation view says so")

    async def load(self) -> None:
        """Read every revocation there is, once, before the first request is served."""
        async with self._lock:
            while entries := await self._feed.revocations(self.view.serial, _PAGE):
                self.view.apply(entries)
                self._last_read = entries[-1]
        await self.catch_up()

    async def catch_up(self) -> None:
        """Take in all that the feed has now. After a revoke, called before the revoke is acknowledged."""
        async with self._lock:
            await self._read()

    def is_behind(self) -> bool:
        """Whether a neighbour has announced what has not been asked for here."""
        if self._neighbours is None:
            return False
        newest, known = self._neighbours.newest(), self.view.serial
        return newest > known and (newest, known) != self._asked_at

    async def keep_up(self) -> None:
        """Take in what a neighbour has announced, before a request is judged; cheap when there is nothing.

        Raises:
            DependencyDown: there is something, and the feed does not say what.
        """
        if self._neighbours is not None and self.is_behind():
            newest = self._neighbours.newest()
            async with self._lock:
                if newest > self.view.serial:
                    await self._read()
                # Notices that were pruned meanwhile will not come any more: the feed was asked, and that is enough.
                self._asked_at = newest, self.view.serial

    async def _read(self) -> None:
        while True:
            asked_at, known = self._monotonic(), self._last_read
            entries = await self._feed.since(0 if known is None else known.serial - 1, _PAGE)
            if known is not None and (not entries or entries[0] != known):
                self._begin_again()
                continue
            self._take(entries if known is None else entries[1:])
            if len(entries) < _PAGE:
                self._proved_at, self.fault = asked_at, ""
                if self._neighbours is not None:
                    self._neighbours.tell(self.view.serial)
                return

    def _begin_again(self) -> None:
        """As if nothing had been read; what is known of grants may be what the store has lost, too."""
        _log.error(
            "the state has gone back behind what was read of it: it was restored, or lost writes in a failover",
            read=self.view.serial,
            action="what this process knows stays revoked until it ends: revoke anew what was revoked since",
        )
        self.view.rewind()
        self._last_read = None
        self._on_entries((FeedEntry(0, FeedKind.CHANGED, EVERY),))

    async def run(self) -> None:
        """Follow until cancelled. A feed that is down lets the view age; it is asked again and again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            if self._neighbours is not None:
                group.create_task(self._listen(self._neighbours))

    async def _listen(self, neighbours: Neighbours) -> None:
        """Take in what a neighbour announces as it does: what runs here has no next request that would ask."""
        while True:
            await neighbours.wait_for_news()
            with suppress(DependencyDown):  # which `_follow` meets, too
                await self.keep_up()

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                known = 0 if self._last_read is None else self._last_read.serial
                await self._feed.changed(known, seconds_to_beat(loop.time(), _HEARTBEAT))
                await self.catch_up()
            except DependencyDown as failure:
                if self.fault != failure.detail:
                    _log.error("the feed of revocations cannot be followed", detail=failure.detail)
                self.fault = failure.detail
                await asyncio.sleep(_BACKOFF)

    async def guard(self, on_too_old: Callable[[], object]) -> None:
        """Call `on_too_old` as soon as the view is too old, and again while it stays so, until cancelled."""
        while True:
            wait = max(_GUARD_TICK, MAX_VIEW_AGE - self.age)
            woken_by = self._monotonic() + wait
            await asyncio.sleep(wait)
            if self._monotonic() > woken_by + _LATE:
                await asyncio.sleep(_LATE)
            if self.age > MAX_VIEW_AGE:
                on_too_old()

    def _take(self, entries: Sequence[FeedEntry]) -> None:
        entries = [entry for entry in entries if entry.name != EVERY or entry.serial > self._last_every]
        if not entries:
            return
        self.view.apply(entries)
        now = self._clock()
        for entry in entries:
            if entry.name == EVERY:
                self._last_every = entry.serial
            else:
                self._last_read = entry
            if entry.revokes:
                self._metrics.observe_revocation_lag(max(0.0, now - entry.at))
        self._on_entries(entries)
