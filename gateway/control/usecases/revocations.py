"""Owns the end of grants, of one or of many at once, and reading the list of revocations.

Refuses to own what a revocation ends (`gateway.core.revocation`) and how it travels (`gateway.stores`).

Law: a revocation is never refused for being late, doubled or about something that is gone, and it is in force in
this process before the call returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from gateway.control.caller import Reach
from gateway.control.usecases.grants import GrantUseCases, list_all
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantState
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Act
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.said import phrase
from gateway.core.source import Session, session_of
from gateway.core.units import format_instant
from gateway.core.values import dataclass

_PAGE: Final = 500
_ONE: Final = {FeedKind.LINK: GrantKind.LINK, FeedKind.KEY: GrantKind.KEY}
_Read = Callable[[int, int], Awaitable[Sequence[FeedEntry]]]


@dataclass(frozen=True, slots=True)
class Revoked:
    """How many living grants it ended, or would end, and the feed's serial from then on (None if nothing was written).

    `known` tells a name that has nothing left to end from one that was mistyped.
    """

    count: int
    serial: int | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """A revoked grant, and the feed's serial of its end; None if that was before."""

    grant: Grant
    serial: int | None


class LongPolls:
    """The reads of the list that wait right now, so that a shutdown need not wait for them."""

    __slots__ = ("_limits", "_over")

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()
        self._over = False

    @asynccontextmanager
    async def at_most(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError after so many seconds, or as soon as `end` is called."""
        async with asyncio.timeout(0 if self._over else seconds) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    def end(self) -> None:
        """Answer all who wait, now and from now on."""
        self._over = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0)


@dataclass(frozen=True, slots=True)
class Revocations(GrantUseCases):
    """The revocation use cases."""

    waits: LongPolls

    async def end(self, actor: Principal, grant: Grant, reason: str) -> Ended:
        """End one link or key, durably and in this process before it returns; a revoked one stays as it is.

        Every call is noted: the one before may have ended the grant and failed at the audit trail.
        """
        serial = None
        if grant.revoked_at is None:
            [entry] = await self.stores.feed.revoke([_target_of(grant)], self.live.clock(), reason, str(actor))
            grant, serial = replace(grant, revoked_at=entry.at, revoked_reason=entry.reason), entry.serial
        await self.live.apply_now()
        await self.journal.note(actor, Act(f"{grant.kind}.revoke"), grant.id, owner=str(grant.owner), reason=reason)
        return Ended(grant, serial)

    async def revoke(
        self,
        actor: Principal,
        reach: Reach,
        target: RevocationTarget,
        reason: str,
        *,
        dry_run: bool,
        issued_before: float | None = None,
    ) -> Revoked:
        """End all that the target names, in one write; with `issued_before`, only what is older than that instant.

        Stores do not know which bucket lives on which backend, so for a backend the links are looked up here and
        named one by one in the same write; keys are reached through the backend's own entry. What is older than an
        instant is named one by one as well: the feed's own "before" is the moment of its entry; and so is what somebody
        who sees only their own has in a prefix.

        Raises:
            Refused: a link or key target that does not exist; an instant that has not come yet; a target that is not
                the caller's.
            DependencyDown: a store cannot answer; nothing is revoked unless it was durable.
        """
        if (kind := _ONE.get(target.kind)) is not None:  # it may be named by its leaked token, URL or access key id
            one = await self.find_named(reach, kind, target.name)
            target = _target_of(one)
            if issued_before is None and not dry_run:
                ended = await self.end(actor, one, reason)
                return Revoked(int(ended.serial is not None), ended.serial)
        _require_own(reach, target)
        targets = [target]
        if issued_before is not None or (reach.owner is not None and target.kind is FeedKind.PREFIX):
            targets = [_target_of(grant) async for grant in self._list_older(reach, target, issued_before)]
            count = len(targets)
        elif target.kind is FeedKind.BACKEND:
            targets += [_target_of(grant) async for grant in self._list_links_on(target.name)]
            count = len(targets) - 1
        else:
            count = await self.stores.grants.count(target)
        known = count > 0 or (reach.owner is None and await self._is_known(target))
        if dry_run or not targets:
            return Revoked(count, None, known)
        name = f"{target.kind} {target.name}" + (f"/{target.prefix}" if target.kind is FeedKind.PREFIX else "")
        since = {} if issued_before is None else {"issued_before": format_instant(issued_before)}
        return Revoked(count, await self._write(actor, targets, name, reason=reason, count=str(count), **since), known)

    async def revoke_sessions(
        self,
        actor: Principal,
        reach: Reach,
        asked: Session,
        reason: str,
        *,
        dry_run: bool,
        issued_before: float | None = None,
    ) -> Revoked:
        """End the living sessions that were asked for as this: of a role, or by a name. What is asked for later is
        another session: to keep a role from being taken, take it out of the settings.

        Raises:
            DependencyDown: a store cannot answer; nothing is revoked unless it was durable.
        """
        now = self.live.clock()
        wanted = GrantFilter(now=now, kind=GrantKind.KEY, owner=reach.owner, state=GrantState.ACTIVE)
        targets = []
        async for grant in self._list_all(wanted):
            found = session_of(grant.source)
            if (
                found is not None
                and (asked.role or found.role, asked.name or found.name) == found
                and (issued_before is None or grant.issued_at < issued_before)
            ):
                targets.append(_target_of(grant))
        known = bool(targets) or asked.role in self.live.callers().sts_roles
        if dry_run or not targets:
            return Revoked(len(targets), None, known)
        name = f"role {asked.role}" if asked.role else f"session {asked.name}"
        count = len(targets)
        return Revoked(count, await self._write(actor, targets, name, reason=reason, count=str(count)), known)

    async def _write(
        self, actor: Principal, targets: Sequence[RevocationTarget], name: str, *, reason: str, **detail: str
    ) -> int | None:
        """End all of them, and note it under one name; the feed's serial from then on."""
        entries = await self.stores.feed.revoke(targets, self.live.clock(), reason, str(actor))
        await self.live.apply_now()
        await self.journal.note(actor, Act.REVOKE, name, reason=reason, **detail)
        return max((entry.serial for entry in entries), default=None)

    async def after(self, serial: int, limit: int, seconds: float, *, notices: bool = False) -> Sequence[FeedEntry]:
        """Revocations after `serial`, oldest first; waits up to `seconds` for the first one if there is none.

        With `notices`, entries of every kind.
        """
        read = self.stores.feed.since if notices else self.stores.feed.revocations
        found = await read(serial, limit)
        if found or seconds <= 0:
            return found
        try:
            async with self.waits.at_most(seconds):
                return await self._wait_for_first(read, serial, limit, seconds)
        except TimeoutError:
            return ()

    async def lost_to(self, serial: int) -> int | None:
        """The greatest serial that was ever given, if it is less than this one, which somebody has read: the state has
        lost what was after it."""
        last = await self.stores.feed.last()
        return last if last < serial else None

    async def _wait_for_first(self, read: _Read, serial: int, limit: int, seconds: float) -> Sequence[FeedEntry]:
        cursor = serial
        while True:
            while passed := await self.stores.feed.since(cursor, _PAGE):
                cursor = passed[-1].serial
            if found := await read(serial, limit):
                return found
            await self.stores.feed.changed(cursor, seconds)

    async def _is_known(self, target: RevocationTarget) -> bool:
        """Whether the policy, or for an owner some grant that ended, has the name. What it revokes is the same."""
        policy = self.live.policy()
        match target.kind:
            case FeedKind.BACKEND:
                return target.name in policy.backends
            case FeedKind.PREFIX:
                return target.name in policy.buckets
            case FeedKind.POLICY:
                return any(rule.name == target.name for rule in policy.rules)
            case FeedKind.OWNER:
                if any(pattern.text == target.name for rule in policy.rules for pattern in rule.who):
                    return True
                owned = GrantFilter(now=self.live.clock(), owner=Principal.parse(target.name))
                return bool((await self.stores.grants.page(owned, None, 1)).grants)
            case _:
                return True  # a link and a key were found, or the call has been refused

    async def _list_links_on(self, backend: str) -> AsyncIterator[Grant]:
        for bucket in self.live.policy().buckets.values():
            if bucket.backend == backend:
                async for grant in self._list_all(
                    GrantFilter(now=self.live.clock(), kind=GrantKind.LINK, bucket=bucket.name)
                ):
                    yield grant

    async def _list_older(self, reach: Reach, target: RevocationTarget, instant: float | None) -> AsyncIterator[Grant]:
        """What the target names and was issued before the instant, if any; keys that ended by themselves left out."""
        now = self.live.clock()
        if instant is not None and instant > now:
            raise Refused(
                Reason.BAD_ARGUMENT,
                phrase("before_future", "issued_before lies in the future: leave it out to revoke everything"),
            )
        async for grant in self._list_named(reach, target, now):
            if (instant is None or grant.issued_at < instant) and not (
                grant.kind is GrantKind.KEY and grant.lapsed(now)
            ):
                yield grant

    async def _list_named(self, reach: Reach, target: RevocationTarget, now: float) -> AsyncIterator[Grant]:
        match target.kind:
            case FeedKind.LINK | FeedKind.KEY:
                grant = await self.stores.grants.get(target.name)
                if grant is not None and grant.revoked_at is None:
                    yield grant
            case FeedKind.OWNER:
                async for grant in self._list_all(GrantFilter(now=now, owner=Principal.parse(target.name))):
                    yield grant
            case FeedKind.POLICY:
                async for grant in self._list_all(GrantFilter(now=now)):
                    if grant.rule == target.name:
                        yield grant
            case FeedKind.PREFIX if reach.owner is not None:
                prefix = target.prefix or None
                async for grant in self._list_all(
                    GrantFilter(now=now, kind=GrantKind.LINK, owner=reach.owner, bucket=target.name, prefix=prefix)
                ):
                    yield grant
            case _:
                raise Refused(
                    Reason.BAD_ARGUMENT, phrase("revoked_whole", "a {kind} is revoked as a whole", kind=target.kind)
                )

    async def _list_all(self, wanted: GrantFilter) -> AsyncIterator[Grant]:
        """Every grant that fits and is not revoked."""
        async for grant in list_all(self.stores.grants, wanted):
            if grant.revoked_at is None:
                yield grant


def _require_own(reach: Reach, target: RevocationTarget) -> None:
    """Raises Refused for what is not the caller's: there is no other owner, and others share a rule and a backend."""
    if reach.owner is None or target.kind in {FeedKind.LINK, FeedKind.KEY, FeedKind.PREFIX}:
        return
    if target.kind is not FeedKind.OWNER:
        raise Refused(
            Reason.NOT_ALLOWED,
            phrase("revoke_kind", "only an admin revokes a {kind}: its grants are many owners'", kind=target.kind),
        )
    if target.name != str(reach.owner):
        raise Refused(Reason.UNKNOWN_TOKEN, phrase("nothing_of_owner", "nothing of this owner is there"))


def _target_of(grant: Grant) -> RevocationTarget:
    return RevocationTarget(FeedKind.LINK if grant.kind is GrantKind.LINK else FeedKind.KEY, grant.id)
