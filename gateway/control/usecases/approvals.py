"""Owns four eyes: approving and rejecting what waits, of links and keys alike.

Refuses to own what waits, and to whom it is shown (`gateway.control.usecases.release`).

Laws: nobody approves of what they own, made, or asked for more of, admins included, and no session of theirs does. An
approval is given to the version that is stored at that moment, in force here before the call returns. A rejection is a
revocation. After its time what waits cannot be approved any more: its owner has to ask anew, by an edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from gateway.control.caller import Admitted
from gateway.control.usecases.grants import CountedGrant, GrantUseCases, require, require_unrevoked, waits_under
from gateway.control.usecases.release import approving, ask_approval, is_shown
from gateway.control.usecases.revocations import Revocations
from gateway.core.approval import Approval, Waiting
from gateway.core.grant import Grant, GrantKind, GrantState
from gateway.core.policy import rules_to_approve
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Act
from gateway.core.said import phrase
from gateway.core.source import holders_of
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Approvals(GrantUseCases):
    """The use cases of both."""

    revocations: Revocations

    def rules_of(self, caller: Admitted) -> frozenset[str]:
        """The names of the rules that let the caller approve what waits under them."""
        return approving(self.live.policy(), caller)

    async def show(self, caller: Admitted, kind: GrantKind, grant_id: str) -> CountedGrant:
        """A link, or a key, that is the caller's, or waits for them. Raises Refused: UNKNOWN_TOKEN, UNKNOWN_KEY."""
        return await self.count(await self._find(caller, kind, grant_id))

    async def approve(
        self, caller: Admitted, kind: GrantKind, grant_id: str, reason: str | None, version: int | None
    ) -> CountedGrant:
        """Release it, as far as it is the caller's to say. What does not wait, and is the caller's to see, stays.

        Raises:
            Refused: UNKNOWN_TOKEN, UNKNOWN_KEY, REVOKED, EXPIRED when it is too late, NOT_ALLOWED where it is another's
                to say, PRECONDITION_FAILED if the stored version is not `version`.
        """

        def release(grant: Grant) -> Grant:
            if grant.waiting is None:
                return grant
            _require_another(caller, grant, grant.waiting)
            return self._release(caller, grant)

        def tell(grant: Grant, released: Grant) -> dict[str, str]:
            return _describe(grant, reason, released.approvals) | waits_under(released)

        find = partial(self._find_unended, caller, kind, grant_id)
        return await self.edit_grant(caller, "approve", find, release, tell, version=version)

    async def reject(self, caller: Admitted, kind: GrantKind, grant_id: str, reason: str | None) -> CountedGrant:
        """End it: whoever made it may make another one.

        Raises:
            Refused: as `approve`; PRECONDITION_FAILED for what does not wait.
        """
        grant = await self._find_unended(caller, kind, grant_id)
        if grant.waiting is None:
            raise Refused(
                Reason.PRECONDITION_FAILED,
                phrase("not_waiting", "the {kind} does not wait for an approval: revoke it instead", kind=kind),
            )
        _require_another(caller, grant, grant.waiting)
        ended = await self.revocations.end(caller.principal, grant, reason or "was not approved")
        detail = _describe(grant, reason, grant.approvals)
        await self.journal.note(caller.principal, Act(f"{kind}.reject"), grant.id, **detail)
        return await self.count(ended.grant)

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

    async def _find(self, caller: Admitted, kind: GrantKind, grant_id: str) -> Grant:
        policy, now = self.live.policy(), self.live.clock()
        found = await self.stores.grants.get(grant_id)
        return require(kind, found, lambda grant: is_shown(policy, caller, grant, now))

    async def _find_unended(self, caller: Admitted, kind: GrantKind, grant_id: str) -> Grant:
        grant = await self._find(caller, kind, grant_id)
        require_unrevoked(grant)
        if grant.waiting is not None and grant.state(self.live.clock()) is GrantState.EXPIRED:
            raise Refused(
                Reason.EXPIRED,
                phrase(
                    "approval_late", "the {kind} was not approved in time: its owner asks anew by an edit", kind=kind
                ),
            )
        return grant


def _describe(grant: Grant, reason: str | None, approvals: Sequence[Approval]) -> dict[str, str]:
    """What was said about whose, that was so wide by whom."""
    given = [one.rule for one in approvals if not grant.released_under(one.rule)]
    return {
        "reason": reason or "",
        "owner": str(grant.owner),
        "asked_by": ", ".join(() if grant.waiting is None else grant.waiting.asked_by),
        "rule": ", ".join(given) or grant.rule or "",
        "version": str(grant.version),
    }


def _require_another(caller: Admitted, grant: Grant, waiting: Waiting) -> None:
    """Raises Refused(NOT_ALLOWED) for whoever owns, made or widened it, and for sessions that they had issued."""
    theirs = {str(grant.owner), grant.issued_by, *waiting.asked_by}
    if theirs.isdisjoint({str(caller.principal), *holders_of(caller.source)}):
        return
    raise Refused(
        Reason.NOT_ALLOWED,
        phrase("own_approval", "somebody else has to look at the {kind}: you own it, or asked for it", kind=grant.kind),
    )
