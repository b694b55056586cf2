"""Owns the transfers that are running: who they are for, how many, how fast, and their end by force.

Refuses to own why one must end (the revocation view, the clock, `gateway.data.steps.renew`); it asks those and cuts.

Laws: a revocation ends every transfer it is about, in the same call that makes it known: who has sent all, and got
nothing yet, is refused as a later request would be; any other is cut. What cannot be known to be unrevoked is ended,
and so is what its grant's time is over for (promise 2); a peer that moves less than 1 KiB/s over ten seconds while we
wait for it is cut (promise 5). One app, link or address has at most three quarters of all that may run: a quarter is
always for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from gateway.beat import sleep_to_beat
from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.lease import Lease, Reservation
from gateway.core.limits import Limit, Verdict, share_of
from gateway.core.policy import Policy
from gateway.core.reasons import Reason, Refused
from gateway.core.request import DOCUMENTS, ObjectRequest
from gateway.core.revocation import RevocationView
from gateway.core.route import Answer, Route
from gateway.core.values import dataclass
from gateway.server.exchange import ClientExchange

SLOW_WINDOW: Final = 10.0
_TICK: Final = 1.0
_END_TICK: Final = 0.25
NO_ANSWER: Final = frozenset({Reason.CLIENT_GONE, Reason.CLIENT_TOO_SLOW})
"""What nobody is there to hear of."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What is asked of clients: bytes per second at least, and seconds for a whole transfer at most (None: any)."""

    slowest: int = 1024
    longest: float | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """One thing that was allowed, and where it leads. `policy` said so to `grant`, as far as that is known."""

    attempt: Attempt
    route: Route
    policy: Policy | None = None
    grant: Grant | None = None


@dataclass(slots=True)
class Permit:
    """The right to run one admitted request; given back when its body ends.

    `grant` is the one in force, as it was at the feed's position `as_of`; `decided` is by which policy and for which
    grant `route` was found; `ended` is why the right has ended for good; `version` the entity tag of what the store
    sends; `credentials` the key that came for the grant, which is its link's.
    `consumed` becomes true once the caller got what a use is counted for. `moved` counts object bytes, `copied` those
    that came from `source` through here; `further` is what else it touches now. `reserved` counts those that were
    reserved in the name of `reservation`, and `counted` the moved ones that were reported to the store. `store_error`
    is the reason of a store's error that was passed on, `store_said` what the log says of it. `intake` reserves of what
    a link may receive; `accepted` are the bytes of it that were stored, None for those that moved, once they were
    consumed. `upload` is the id of a resumable upload that this request begins. `held` is what is open of a store for
    it. `counted_by` are the counts in which it is one, `places` what it has of its store's
    (`gateway.data.state.store_shares`). `part` is the number of a form's file; `request` is what was asked, or of a
    form this file.
    """

    exchange: ClientExchange
    grant: Grant | None
    attempt: Attempt
    route: Route
    decided: tuple[Policy, Grant | None] | None = None
    as_of: int = 0
    credentials: Grant | None = None
    part: int = 0
    request: ObjectRequest | None = None
    ended: Reason | None = None
    version: str | None = None
    lease: Lease | None = None
    verdict: Verdict | None = None
    consumed: bool = False
    store_error: Reason | None = None
    store_said: str = ""
    moved: int = 0
    source: Allowed | None = None
    further: tuple[Allowed, ...] = ()
    copied: int = 0
    reserved: int = 0
    reservation: Reservation | None = None
    counted: int = 0
    lease_key: str | None = None
    intake: Reservation | None = None
    accepted: int | None = None
    upload: str | None = None
    held: AbstractAsyncContextManager[Answer] | None = None
    counted_by: tuple[str, ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    _ended: asyncio.Event | None = None
    _slow_since: float | None = None
    _began: float | None = None
    _seen: int = 0

    @property
    def touched(self) -> Iterator[Allowed]:
        """All that this is about: the request's own place, where a copy's bytes come from, an archive's member."""
        yield self.own_place
        yield from self.other_places

    @property
    def own_place(self) -> Allowed:
        """The request's own."""
        policy, grant = self.decided or (None, None)
        return Allowed(self.attempt, self.route, policy, grant)

    @property
    def other_places(self) -> tuple[Allowed, ...]:
        """Where a copy's bytes come from, an archive's members: most requests are about none."""
        return self.further if self.source is None else (self.source, *self.further)

    @property
    def owner(self) -> str:
        """Whose link or key it came with; without one, who acts."""
        return str(self.attempt.principal if self.grant is None else self.grant.owner)

    def holders(self) -> tuple[str, ...]:
        """Whose share of what all have in common this takes: the app's, or the link's and its caller's address.

        A trusted listener's app is alone on it. An address may stand for many people: their links have shares, too.
        """
        principal = self.attempt.principal
        if principal.kind not in {"link", "anonymous"}:
            return () if self.grant is None else (principal.text,)
        who = (principal.text,) if principal.kind == "link" else ()
        return who if self.attempt.peer is None else (*who, f"address {self.exchange.address_class}")

    @property
    def largest(self) -> int | None:
        """The most bytes that may come now: of an object, while a document about one has bounds of its own."""
        return None if self.attempt.operation in DOCUMENTS else self.largest_object

    @property
    def largest_object(self) -> int | None:
        """The most bytes that what is written may have now."""
        ruled, granted = self.route.max_size, self.grant.max_size if self.grant is not None else None
        if ruled is None or granted is None:
            return granted if ruled is None else ruled
        return min(ruled, granted)

    @property
    def name(self) -> str:
        """Under which this is known to the counters: the request's id, and of a form with several files which it is."""
        return f"{self.exchange.request_id}.{self.part}" if self.part else self.exchange.request_id

    def types(self) -> tuple[str, ...]:
        """The types that an uploaded file may have, none for any."""
        return () if self.grant is None else self.grant.intake.types

    def paced(self) -> bool:
        """Whether any limit says how fast bytes may move."""
        limits = self.route.limits
        return bool(limits) and any(limit.bandwidth is not None for limit in limits)

    def is_revoked(self, view: RevocationView) -> bool:
        """Whether a revocation ends this use of the grant, for any of the places."""
        grant = self.grant
        return grant is not None and any(
            view.revoked(grant, place.attempt.bucket, place.attempt.key, place.route.backend.name)
            for place in self.touched
        )

    def count_moved(self, count: int) -> None:
        """Object bytes have moved past us."""
        self.moved += count

    def cut(self, reason: Reason) -> None:
        """Take the right back while it is used."""
        self.exchange.cut(reason)
        self._wake()

    def refuse(self, reason: Reason, refusing: Coroutine[Any, Any, None]) -> None:
        """As `cut`, of a client that awaits its answer: `refusing` gives it one."""
        self.exchange.refuse(reason, refusing)
        self._wake()

    def _wake(self) -> None:
        if self._ended is not None:
            self._ended.set()

    async def pause(self, seconds: float) -> None:
        """Wait, but not past a cut.

        Raises:
            Refused: the reason of the cut.
        """
        if self._ended is None:
            self._ended = asyncio.Event()
            if self.exchange.cut_reason is not None:
                self._ended.set()
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return
        raise Refused(self.exchange.cut_reason or Reason.REVOKED, "cut while waiting")

    def too_slow(self, now: float, pace: Pace) -> bool:
        """Whether the client has moved less than the slowest allowed over the window, or has had its time."""
        if self._began is None:
            self._began = now
        if pace.longest is not None and now - self._began > pace.longest:
            return True
        if not self.exchange.awaits_client:
            self._slow_since = None
            return False
        delivered = self.exchange.delivered()
        if self._slow_since is None or delivered - self._seen >= pace.slowest * SLOW_WINDOW:
            self._slow_since, self._seen = now, delivered
            return False
        if now - self._slow_since < SLOW_WINDOW:
            return False
        slow = delivered - self._seen < pace.slowest * (now - self._slow_since)
        self._slow_since, self._seen = now, delivered
        return slow


class Transfers:
    """Every permit that is out. All methods are synchronous, so counts are exact within the process."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        on_cut: Callable[[Reason], None],
        refuse: Callable[[Permit, Reason], Coroutine[Any, Any, None]],
        pace: Callable[[], Pace] = Pace,
    ) -> None:
        """`refuse` answers in place of what ran by a permit."""
        self._pace = pace
        self._running: dict[int, Permit] = {}
        self._counts: dict[str, int] = {}
        self._monotonic = monotonic
        self._on_cut = on_cut
        self._refuse = refuse

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[Permit]:
        return iter(list(self._running.values()))

    def enter(self, permit: Permit, max_transfers: int) -> None:
        """Count a permit in.

        Raises:
            Refused: OVERLOADED or TOO_MANY_TRANSFERS; nothing was counted.
        """
        if len(self._running) >= max_transfers:
            raise Refused(Reason.OVERLOADED, f"{max_transfers} transfers are running", retry_after=1.0)
        counts, holders = self._counts, permit.holders()
        for holder in holders:
            if holder in counts and counts[holder] >= (share := share_of(max_transfers)):
                raise Refused(Reason.TOO_MANY_TRANSFERS, f"{share} transfers are running for {holder}", retry_after=1.0)
        if permit.route.limits:
            holders = *self._require_concurrent(permit.route.limits), *holders
        permit.counted_by = holders
        for key in holders:
            counts[key] = counts.get(key, 0) + 1
        self._running[id(permit)] = permit

    def _require_concurrent(self, limits: Iterable[Limit]) -> Iterator[str]:
        """The counts in which a transfer is one by limits of its own."""
        for limit in limits:
            if limit.concurrent is None:
                continue
            if self._counts.get(limit.key, 0) >= limit.concurrent:
                detail = f"{limit.concurrent} transfers are running for {limit.key}"
                verdict = Verdict(allowed=False, retry_after=1.0, remaining=0, limit=limit.concurrent, reset=1.0)
                raise Refused(Reason.TOO_MANY_TRANSFERS, detail, retry_after=1.0, verdict=verdict)
            yield limit.key

    def runs(self, permit: Permit) -> bool:
        return id(permit) in self._running

    def leave(self, permit: Permit) -> None:
        """Count it out again; a second time does nothing."""
        if self._running.pop(id(permit), None) is None:
            return
        counts = self._counts
        for key in permit.counted_by:
            left = counts[key] - 1
            if left:
                counts[key] = left
            else:
                del counts[key]

    def cut_revoked(self, view: RevocationView) -> int:
        """Cut what the view now calls revoked; returns how many."""
        return self.cut_where(lambda permit: Reason.REVOKED if permit.is_revoked(view) else None)

    def cut_undecided(self) -> int:
        """Cut all that a revocation might have ended while the feed could not be read; returns how many.

        Requests that act without a grant go on: no revocation ends them.
        """
        return self.cut_where(lambda permit: None if permit.grant is None else Reason.VIEW_TOO_OLD)

    def cut_expired(self, now: float) -> int:
        """Cut all whose grant's time is over, in seconds since the epoch; returns how many."""

        def judge(permit: Permit) -> Reason | None:
            ends = None if permit.grant is None else permit.grant.expires_at
            return Reason.EXPIRED if ends is not None and now >= ends else None

        return self.cut_where(judge)

    def cut_of(self, request_id: str, owner: str) -> int:
        """Cut an owner's transfer by its request's id; returns how many."""

        def judge(permit: Permit) -> Reason | None:
            meant = permit.exchange.request_id == request_id and permit.owner == owner
            return Reason.ENDED_BY_OWNER if meant else None

        return self.cut_where(judge)

    def cut_where(self, judge: Callable[[Permit], Reason | None]) -> int:
        """Cut every transfer for which `judge` names a reason; returns how many."""
        number = 0
        for permit in self:
            reason = judge(permit)
            if reason is not None:
                number += self._cut(permit, reason)
        return number

    def end(self, permit: Permit, reason: Reason) -> None:
        """Its right is over for good. Of one that has left meanwhile, nothing is cut: its connection serves another."""
        permit.ended = reason
        if id(permit) in self._running:
            self._cut(permit, reason)

    def _cut(self, permit: Permit, reason: Reason) -> bool:
        if permit.exchange.cut_reason is not None:
            return False
        if permit.exchange.awaits_answer and reason not in NO_ANSWER:
            permit.refuse(reason, self._refuse(permit, reason))
        else:
            permit.cut(reason)
            self._on_cut(reason)
        return True

    async def watch_ends(self, clock: Callable[[], float]) -> None:
        """Cut what has expired, four times a second, until cancelled. (A timer would miss a clock that is set.)"""
        while True:
            await sleep_to_beat(_END_TICK)
            self.cut_expired(clock())

    async def watch(self) -> None:
        """Cut slow clients, once a second, until cancelled."""
        while True:
            await sleep_to_beat(_TICK)
            self.cut_slow(self._monotonic())

    def cut_slow(self, now: float) -> int:
        """Cut every client that has been too slow or has taken too long; to be called once a second."""
        pace = self._pace()
        return self.cut_where(lambda permit: Reason.CLIENT_TOO_SLOW if permit.too_slow(now, pace) else None)
