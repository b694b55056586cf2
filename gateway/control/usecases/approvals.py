"""Owns four eyes: approving and rejecting what waits, of links and keys alike.

Refuses to own what waits, and to whom it is shown (`gateway.control.usecases.release`).

Laws: nobody approves of what they own, made, or asked for more of, admins included, and no session of theirs does. An
approval is given to the version that is stored at that moment, in force here before the call returns. A rejection is a
revocation. After its time what waits cannot be approved any more: its owner has to ask anew, by an edit.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.control.caller import Admitted
from gateway.control.deps import Live, Stores
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.links import EDIT_TRIES, CountedGrant, read_counters, waits_under
from gateway.control.usecases.release import approving, ask_approval, is_shown
from gateway.control.usecases.revocations import Revocations
from gateway.core.approval import Approval, Waiting
from gateway.core.grant import Grant, GrantKind, GrantState
from gateway.core.policy import rules_to_approve
from gateway.core.reasons import Reason, Refused
from gateway.core.source import holders_of
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Approvals:
    """The use cases of both."""

    stores: Stores
    live: Live
    journal: Journal
    revocations: Revocations

    def rules_of(self, caller: Admitted) -> frozenset[str]:
        """The names of the rules that let the caller approve what waits under them."""
        return approving(self.live.policy(), caller)

    async def show(self, caller: Admitted, kind: GrantKind, grant_id: str) -> CountedGrant:
        """A link, or a key, that is the caller's, or waits for them. Raises Refused: UNKNOWN_TOKEN, UNKNOWN_KEY."""
        return await read_counters(self.stores, await self._find(caller, kind, grant_id))

    async def approve(
        self, caller: Admitted, kind: GrantKind, grant_id: str, reason: str | None, version: int | None
    ) -> CountedGrant:
        """Release it, as far as it is the caller's to say. What does not wait, and is the caller's to see, stays.

        Raises:
            Refused: UNKNOWN_TOKEN, UNKNOWN_KEY, REVOKED, EXPIRED when it is too late, NOT_ALLOWED where it is another's
                to say, PRECONDITION_FAILED if the stored version is not `version`.
        """
        for _ in range(1 if version is not None else EDIT_TRIES):
            grant = await self._find_unended(caller, kind, grant_id)
            if version is not None and grant.version != version:
                raise Refused(Reason.PRECONDITION_FAILED, f"the {kind} is at version {grant.version}")
            if grant.waiting is None:
                return await read_counters(self.stores, grant)
            _require_another(caller, grant, grant.waiting)
            released = self._release(caller, grant)
            saved = await self.stores.grants.save(released)
            if saved is not None:
                await self.live.apply_now()
                await self._note(caller, "approve", grant, reason, released)
                return await read_counters(self.stores, saved)
        raise Refused(Reason.PRECONDITION_FAILED, f"the {kind} was changed by somebody else at the same time")

    async def reject(self, caller: Admitted, kind: GrantKind, grant_id: str, reason: str | None) -> CountedGrant:
        """End it: whoever made it may make another one.

        Raises:
            Refused: as `approve`; PRECONDITION_FAILED for what does not wait.
        """
        grant = await self._find_unended(caller, kind, grant_id)
        if grant.waiting is None:
            raise Refused(Reason.PRECONDITION_FAILED, f"the {kind} does not wait for an approval: revoke it instead")
        _require_another(caller, grant, grant.waiting)
        ended = await self.revocations.end(caller.principal, grant, reason or "was not approved")
        await self._note(caller, "reject", grant, reason)
        return await read_counters(self.stores, ended.grant)

    def _release(self, caller: Admitted, grant: Grant) -> Grant:
        """The grant with every approval that the caller may give; waiting on for those of others, if there are any."""
        policy, now = self.live.policy(), self.live.clock()
        needed = [rule.name for rule in rules_to_approve(policy, grant)]
        mine = None if caller.reach.owner is None else approving(policy, caller)
        asking = dict.fromkeys((*(() if grant.rule is None else (grant.rule,)), *needed))
        names = [name for name in asking if mine is None or name in mine]
        given = tuple(Approval(name, str(caller.principal), now) for name in names if not grant.released_under(name))
        released = replace(grant, approvals=(*grant.approvals, *given), waiting=None)
        rest = [rule for rule in rules_to_approve(policy, released) if rule.name not in names]
        return ask_approval(rest, released, grant, caller.principal, now)

    async def _note(
        self, caller: Admitted, act: str, grant: Grant, reason: str | None, released: Grant | None = None
    ) -> None:
        """Who said what about whose, that was so wide by whom."""
        after = grant if released is None else released
        given = [one.rule for one in after.approvals if not grant.released_under(one.rule)]
        detail = {
            "reason": reason or "",
            "owner": str(grant.owner),
            "asked_by": ", ".join(() if grant.waiting is None else grant.waiting.asked_by),
            "rule": ", ".join(given) or grant.rule or "",
            "version": str(grant.version),
        }
        if released is not None:
            detail |= waits_under(released)
        await self.journal.note(caller.principal, f"{grant.kind}.{act}", grant.id, **detail)

    async def _find(self, caller: Admitted, kind: GrantKind, grant_id: str) -> Grant:
        grant = await self.stores.grants.get(grant_id)
        if (
            grant is None
            or grant.kind is not kind
            or not is_shown(self.live.policy(), caller, grant, self.live.clock())
        ):
            unknown = Reason.UNKNOWN_TOKEN if kind is GrantKind.LINK else Reason.UNKNOWN_KEY
            raise Refused(unknown, f"no {kind} has this id")
        return grant

    async def _find_unended(self, caller: Admitted, kind: GrantKind, grant_id: str) -> Grant:
        grant = await self._find(caller, kind, grant_id)
        if grant.revoked_at is not None:
            raise Refused(Reason.REVOKED, f"a revoked {kind} stays revoked: create a new one")
        if grant.waiting is not None and grant.state(self.live.clock()) is GrantState.EXPIRED:
            raise Refused(Reason.EXPIRED, f"the {kind} was not approved in time: its owner asks anew by an edit")
        return grant


def _require_another(caller: Admitted, grant: Grant, waiting: Waiting) -> None:
    """Raises Refused(NOT_ALLOWED) for whoever owns, made or widened it, and for sessions that they had issued."""
    theirs = {str(grant.owner), grant.issued_by, *waiting.asked_by}
    if theirs.isdisjoint({str(caller.principal), *holders_of(caller.source)}):
        return
    raise Refused(Reason.NOT_ALLOWED, f"somebody else has to look at the {grant.kind}: you own it, or asked for it")
