"""Owns what a changed policy makes of grants that are there: what it wants approved waits, what it lets be is released.

Refuses to own the refusal: by its rules such a grant is refused before this has run (`gateway.core.policy`).

Laws: a mark is an edit, so that every replica and every sidecar learns of it and what runs is cut. What was rejected,
or was not approved in time, stays so. Where no rule asks for approvals, nothing but what waits is read. Running it
again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from gateway.control.deps import Live, Stores
from gateway.control.usecases.grants import list_living, repeat_until_done, waits_under
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.release import ask_approval
from gateway.core.attempt import Principal
from gateway.core.grant import LIVING, Grant, GrantFilter, GrantKind, GrantState
from gateway.core.policy import Policy, objections_to_share, rules_to_approve
from gateway.core.reasons import DependencyDown
from gateway.core.record import Act
from gateway.core.values import dataclass

_COMPLAINT: Final = "what has to be approved could not be marked yet: %s"
_COUNT_SECONDS: Final = 15.0
_WAITING: Final = (GrantState.AWAITING_APPROVAL,)
_BY: Final = Principal("admin", "settings")


@dataclass(frozen=True, slots=True)
class UnapprovedGrants:
    """`tell` is given how many grants wait, from time to time."""

    stores: Stores
    live: Live
    journal: Journal
    tell: Callable[[int], None]

    async def watch(self, changed: asyncio.Event) -> None:
        """Bring the stored grants in line with the policy now and whenever `changed` is set, until cancelled."""
        while True:
            changed.clear()
            await repeat_until_done(self.settle, _COMPLAINT)
            while not changed.is_set():
                with suppress(DependencyDown):
                    self.tell(await self.stores.grants.count_waiting(self.live.clock()))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_COUNT_SECONDS):
                        await changed.wait()

    async def settle(self) -> int:
        """Mark and release what the policy in force says; returns how many were written. A sidecar writes nothing.

        Raises:
            DependencyDown: the store cannot answer; what was written stays so.
        """
        if self.stores.issuer is not None:
            return 0
        policy, written = self.live.policy(), 0
        async for grant in self._list_concerned(policy):
            now = self.live.clock()
            wanted = _judge(policy, grant, now)
            saved = None if wanted is None else await self.stores.grants.save(wanted)
            if saved is not None:
                written += 1
                act = "release" if saved.waiting is None else "wait"
                detail = {"owner": str(saved.owner), "rule": saved.rule or "", **waits_under(saved)}
                await self.journal.note(_BY, Act(f"{saved.kind}.{act}"), saved.id, **detail)
        if written:
            await self.live.apply_now()
        return written

    async def _list_concerned(self, policy: Policy) -> AsyncIterator[Grant]:
        """What waits; and all that lives where a rule asks for approvals, of links those in buckets that it names."""
        asking = [rule for rule in policy.rules if rule.approval is not None]
        everything = GrantFilter(now=self.live.clock())
        if not asking:
            async for grant in list_living(self.stores.grants, everything, _WAITING):
                yield grant
            return
        async for grant in list_living(self.stores.grants, replace(everything, kind=GrantKind.KEY)):
            yield grant
        for bucket in policy.buckets:
            named = any(pattern.names_bucket(bucket) for rule in asking for pattern in rule.on)
            wanted = replace(everything, kind=GrantKind.LINK, bucket=bucket)
            async for grant in list_living(self.stores.grants, wanted, LIVING if named else _WAITING):
                yield grant


def _judge(policy: Policy, grant: Grant, now: float) -> Grant | None:
    """The grant as the policy has it, or None where it is that already, or where no rule lets it be at all."""
    if grant.kind is GrantKind.KEY and grant.session_hash is not None and grant.source:
        return None  # nobody could look at a short-lived key in time
    rule = objections_to_share(policy, grant)[1] if grant.kind is GrantKind.LINK else None
    if grant.kind is GrantKind.LINK and rule is None:
        return None
    rules = rules_to_approve(policy, grant)
    if grant.waiting is None:
        return ask_approval(rules, grant, None, grant.owner, now) if rules else None
    if not rules:
        return replace(grant, waiting=None, rule=grant.rule if rule is None else rule.name)
    return None if grant.rule in {one.name for one in rules} else ask_approval(rules, grant, grant, grant.owner, now)
