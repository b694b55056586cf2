"""Owns asking again: whether what was let in may go on, after a change and before what cannot be taken back.

Refuses to own the question (`gateway.data.steps.authorise`), the cutting (`gateway.data.state.transfers`) and
revocations, which need no second question: the view answers for all that runs at once.

Laws: an edit acts on what runs as a revocation does. A grant that was edited is read once for all its transfers, by the
secret that let them in, and each is decided on again. What cannot be read again is cut when the view would be too old.
What a store is about to hear the last byte of is asked for once more, unless all of it was let in in this very turn.
Nothing here is asked while nothing changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.core.grant import Grant, GrantKind
from gateway.core.lease import UNUSED, Usage
from gateway.core.link_credentials import standing
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.request import TRANSFERS, Action
from gateway.core.revocation import MAX_VIEW_AGE, FeedEntry
from gateway.core.revocation_target import EVERY, FeedKind
from gateway.core.token import SecretHash
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.data.steps.authorise import authorise, reauthorise
from gateway.eager import has_waited

_A_TURN: Final = 50
"""Transfers that are decided on again before others have their turn."""

_AT_ONCE: Final = 16
_BACKOFF: Final = 0.2


async def _catch_up(plane: DataPlane, permit: Permit) -> None:
    """Let the permit stand on its grant as it is now; mostly there is nothing to do."""
    while permit.grant is not None and not plane.grants.is_current(permit.grant.id, permit.as_of):
        as_of = plane.follower.view.serial
        _replace_grant(permit, await plane.grants.look_up(permit.grant.hash), as_of)


def _replace_grant(permit: Permit, grant: Grant | None, as_of: int) -> None:
    """The permit's grant is this one now.

    Raises:
        Refused: another secret or password, another version of the object, or no leave to overwrite or to send
            this type any more.
    """
    before = permit.grant
    if before is None or grant is None or grant.id != before.id:
        raise Refused(Reason.REVOKED, "the secret was replaced")
    if (grant.sealed, grant.session_hash) != (before.sealed, before.session_hash):
        raise Refused(Reason.REVOKED, "the key's secret was replaced")
    if permit.credentials is not None:
        grant = standing(permit.credentials, grant)
    if grant.password not in {None, before.password}:
        raise Refused(Reason.PASSWORD_REQUIRED, "the password was replaced")
    if grant.etag not in {None, before.etag, permit.version}:
        raise Refused(Reason.OBJECT_CHANGED, "the link is for another version by now")
    if before.intake.types != grant.intake.types and permit.attempt.action is Action.WRITE:
        raise Refused(Reason.NOT_ALLOWED, "the link takes other types of files by now")
    if before.overwrite and not grant.overwrite and permit.attempt.action is Action.WRITE:
        raise Refused(Reason.NOT_ALLOWED, "the link may not overwrite any more")
    permit.grant, permit.as_of = grant, as_of


def _decide_again(plane: DataPlane, permit: Permit) -> None:
    """Raises Refused when anything that the permit touches would not be allowed now."""
    if permit.ended is not None:
        raise Refused(permit.ended, "the right has ended")
    now = plane.clock()
    route = reauthorise(plane, permit.grant, permit.own_place, now)
    for place in permit.other_places:
        reauthorise(plane, permit.grant, place, now)
    if route.max_size != permit.route.max_size:
        permit.route = replace(permit.route, max_size=route.max_size)
    if permit.attempt.action is Action.WRITE and permit.largest is not None and permit.moved > permit.largest:
        raise Refused(Reason.TOO_LARGE, f"more came already than the {permit.largest} bytes allowed now")


def _is_used_up(permit: Permit, usage: Usage) -> bool:
    """Whether more is taken, this transfer included, than its grant has by now."""
    grant = permit.grant
    uncounted = permit.lease is None
    if grant is None or (uncounted and not _takes_use(permit, grant)):
        return False
    if grant.uses is not None and usage.uses + uncounted > grant.uses:
        return True
    rest = max(0, permit.moved - permit.reserved)
    return grant.budget is not None and usage.moved + rest > grant.budget


def _is_full(permit: Permit, received: Usage) -> bool:
    """Whether more came in, this upload included, than its link may receive by now."""
    if permit.grant is None or permit.attempt.action is not Action.WRITE:
        return False
    intake, uncounted = permit.grant.intake, permit.intake is None
    if intake.max_files is not None and received.uses + uncounted > intake.max_files:
        return True
    return intake.total_bytes is not None and received.moved + uncounted * permit.moved > intake.total_bytes


def _takes_use(permit: Permit, grant: Grant) -> bool:
    """Whether it would take one of what is counted now. Of a key without limits nothing was counted before."""
    return permit.lease_key is not None or (grant.kind is GrantKind.KEY and permit.attempt.operation in TRANSFERS)


def _has_less(before: Grant | None, after: Grant) -> bool:
    """Whether it has fewer uses, or a smaller budget of bytes, than before."""
    if before is None:
        return False
    pairs = (
        (before.uses, after.uses),
        (before.budget, after.budget),
        (before.intake.max_files, after.intake.max_files),
        (before.intake.total_bytes, after.intake.total_bytes),
    )
    return any(now is not None and (then is None or now < then) for then, now in pairs)


class Renewals:
    """Decides again on what runs. `monotonic` measures how long an edit may stay unread."""

    def __init__(self, plane: DataPlane, *, monotonic: Callable[[], float]) -> None:
        self._plane = plane
        self._monotonic = monotonic
        self._edited: dict[str, float] = {}
        self._all = False
        self._reading = asyncio.Lock()
        self._news = asyncio.Event()

    async def admit_again(self, permit: Permit) -> None:
        """Decide once more on a request that had to wait before it could run, by what is in force when this returns.

        Raises:
            Refused: as `authorise`; REVOKED for a secret that was replaced meanwhile, PASSWORD_REQUIRED for a password.
            DependencyDown: the grant was edited and cannot be read.
        """
        await _catch_up(self._plane, permit)
        permit.route = authorise(self._plane, permit.grant, permit.attempt)
        permit.decided = self._plane.snapshot.policy, permit.grant

    async def confirm(self, permit: Permit) -> None:
        """Ask whether what runs may go on, and return in the same turn in which the answer was yes.

        Raises:
            Refused: the right has ended, and why.
            DependencyDown: a store that has to be asked does not answer.
        """
        plane, grant = self._plane, permit.grant
        if plane.follower.is_behind():
            await plane.follower.keep_up()
        elif not has_waited():
            return
        if grant is not None and not plane.grants.is_current(grant.id, permit.as_of):
            await _catch_up(plane, permit)
        _decide_again(plane, permit)

    def note(self, entries: Sequence[FeedEntry]) -> None:
        """Hear of edits, in the call that takes them in. What is admitted later finds them by itself."""
        names = {entry.name for entry in entries if entry.kind is FeedKind.CHANGED}
        if not names:
            return
        every = EVERY in names
        until = self._monotonic() + max(0.0, MAX_VIEW_AGE - self._plane.follower.age)
        for permit in self._plane.transfers:
            if permit.grant is not None and (every or permit.grant.id in names):
                self._edited.setdefault(permit.grant.id, until)
                self._news.set()

    def rules_changed(self) -> None:
        """Hear that other rules are in force, which what is admitted later is judged by already."""
        self._all = True
        self._news.set()

    async def settle(self) -> None:
        """Return when every change that was noted has been acted on.

        Raises:
            DependencyDown: a grant cannot be read; it stays noted.
        """
        async with self._reading:
            unread: dict[str, float] = {}
            if self._all:
                self._all = False
                await self._each(list(self._plane.transfers), partial(_decide_again, self._plane))
            while self._edited:
                batch = dict(list(self._edited.items())[:_AT_ONCE])
                for name in batch:
                    del self._edited[name]
                read = await asyncio.gather(*(self._renew(name, until) for name, until in batch.items()))
                unread |= {name: until for (name, until), done in zip(batch.items(), read, strict=True) if not done}
            for name, until in unread.items():
                self._edited[name] = until
        if unread:
            raise DependencyDown("grants", "a grant that was edited cannot be read")

    async def run(self) -> None:
        """Act on changes as they arrive, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.settle()
            except DependencyDown:
                await asyncio.sleep(_BACKOFF)
                self._news.set()

    async def _renew(self, grant_id: str, until: float) -> bool:
        """Read a grant, and decide again on what runs by it; false if it cannot be read yet."""
        plane, groups = self._plane, dict[SecretHash, list[Permit]]()
        for permit in plane.transfers:
            if permit.grant is not None and permit.grant.id == grant_id:
                groups.setdefault(permit.grant.hash, []).append(permit)
        for secret_hash, permits in groups.items():
            as_of = plane.follower.view.serial
            left = max(0.0, until - self._monotonic())
            limit = asyncio.timeout(left)
            try:
                async with limit:
                    grant = await plane.grants.look_up(secret_hash)
                    usage = await self._usage(grant, permits)
            except (DependencyDown, TimeoutError):
                if left and not limit.expired():
                    return False
                for permit in permits:
                    plane.transfers.end(permit, Reason.VIEW_TOO_OLD)
                continue
            await self._each(permits, partial(self._judge, grant, as_of, usage))
        return True

    async def _usage(self, grant: Grant | None, permits: Sequence[Permit]) -> tuple[Usage, Usage] | None:
        """What is used, and was received, of a grant whose numbers have become less; None if it is not needed."""
        if grant is None or not any(_has_less(permit.grant, grant) for permit in permits):
            return None
        counters = [grant.id, grant.intake_id] if grant.intake.counted else [grant.id]
        usage = await self._plane.leases.usage(counters)
        return usage.get(grant.id, UNUSED), usage.get(grant.intake_id, UNUSED)

    def _judge(self, grant: Grant | None, as_of: int, usage: tuple[Usage, Usage] | None, permit: Permit) -> None:
        if permit.as_of >= as_of:
            return  # it was admitted, or confirmed, by what is as new
        _replace_grant(permit, grant, as_of)
        if usage is not None and (_is_used_up(permit, usage[0]) or _is_full(permit, usage[1])):
            raise Refused(Reason.USED_UP, "more is taken than the grant has by now")
        _decide_again(self._plane, permit)

    async def _each(self, permits: Sequence[Permit], judge: Callable[[Permit], None]) -> None:
        """Judge one after the other, and end what is refused; others have their turn in between."""
        for number, permit in enumerate(permits, 1):
            try:
                judge(permit)
            except Refused as refused:
                self._plane.transfers.end(permit, refused.reason)
            if not number % _A_TURN:
                await asyncio.sleep(0)
