"""Owns whether a grant that is made or edited has to wait for an approval, and to whom what waits is shown.

Refuses to own how an approval is given (`gateway.control.usecases.approvals`) and which rules ask for one
(`gateway.core.policy`).

Laws: an edit that gives more than before takes the approvals back; one that does not leaves them. Whoever made what
waits, or asked for more of it, is remembered until it is released. To who may approve of it, a grant is shown exactly
while it waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.control.caller import Admitted
from gateway.core.approval import Waiting
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantState
from gateway.core.policy import Policy
from gateway.core.rule import Rule
from gateway.core.widening import widens


def keep_approvals(wanted: Grant, before: Grant) -> Grant:
    """The edited grant, without what was approved of the one before where it gives more."""
    return replace(wanted, approvals=()) if wanted.approvals and widens(before, wanted) else wanted


def ask_approval(rules: Sequence[Rule], wanted: Grant, before: Grant | None, actor: Principal, now: float) -> Grant:
    """The grant as it is stored: waiting from now on under the first of the rules, if any still asks for approval."""
    first = next((rule for rule in rules if not rule.released(wanted)), None)
    if first is None or first.approval is None:
        return replace(wanted, waiting=None)
    asked = () if before is None or before.waiting is None else before.waiting.asked_by
    if before is None or not asked or widens(before, wanted):
        asked = tuple(dict.fromkeys((*asked, str(actor))))
    return replace(wanted, rule=first.name, waiting=Waiting(now, now + first.approval.within, asked))


def approving(policy: Policy, caller: Admitted) -> frozenset[str]:
    """The names of the rules that let the caller approve what waits under them."""
    return frozenset(
        rule.name
        for rule in policy.rules
        if rule.approval is not None and rule.approval.names(caller.principal, caller.groups)
    )


def is_shown(policy: Policy, caller: Admitted, grant: Grant, now: float) -> bool:
    """Whether the grant exists for the caller: it is theirs, or waits for them."""
    if caller.reach.over(grant):
        return True
    return grant.state(now) is GrantState.AWAITING_APPROVAL and grant.rule in approving(policy, caller)
