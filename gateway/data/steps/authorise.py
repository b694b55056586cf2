"""Owns the one question of this room: may this be done now, by the rules and by the revocations in force?

Refuses to own either answer (`gateway.core.policy`, `gateway.data.state.revocation_follower`) and when the question is
asked again (`gateway.data.steps.renew`).

Law: both halves are asked together, here and nowhere else, of what is in force at that moment. Whoever asked one alone
would serve what is revoked, or what no rule allows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant, GrantState
from gateway.core.policy import Policy, decide, only_time_can_end
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action, Operation
from gateway.core.route import Backend, Bucket, Route
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Allowed

_ACTIVE: Final = GrantState.ACTIVE
_NOWHERE: Final = Backend("")
_NO_BUCKET: Final = Bucket("", "", "")


def authorise(plane: DataPlane, grant: Grant | None, attempt: Attempt) -> Route:
    """The route of an attempt that is allowed. To be asked for every name that a request touches.

    Raises:
        Refused: as `decide`; REVOKED, VIEW_TOO_OLD.
    """
    route = _decide(plane.snapshot.policy, grant, attempt)
    plane.follower.require_standing(grant, attempt.bucket, attempt.key, route.backend.name)
    return route


def find_readable(plane: DataPlane, grant: Grant | None, attempt: Attempt, key: str) -> Route | None:
    """The route to the bytes of another object, or of the same one, for who makes this attempt; None if there is no."""
    reading = replace(attempt.touching(Action.READ, attempt.bucket, key), operation=Operation.GET_OBJECT)
    try:
        return authorise(plane, grant, reading)
    except Refused:
        return None


def authorise_same(plane: DataPlane, grant: Grant | None, attempt: Attempt, route: Route, now: float) -> Route | None:
    """The route that `authorise` gave, by the same rules, to the same grant and to the same attempt but for time and
    caller, when `only_time_can_end` says so of them; None once the grant has lapsed: then `authorise` is to be asked.
    It is `now`, whenever the attempt was made.

    Raises:
        Refused: REVOKED, VIEW_TOO_OLD.
    """
    if grant is not None and grant.state(now) is not _ACTIVE:
        return None
    plane.follower.require_standing(grant, attempt.bucket, attempt.key, route.backend.name)
    return route


def reauthorise(plane: DataPlane, grant: Grant | None, before: Allowed, now: float) -> Route:
    """The route of what was allowed and may go on: the same attempt, made now, still comes to the same place.

    Raises:
        Refused: as `authorise`; NOT_ALLOWED when the name stands for another place by now.
    """
    policy = plane.snapshot.policy
    if before.policy is policy and before.grant is grant and only_time_can_end(policy, grant, before.attempt):
        same = authorise_same(plane, grant, before.attempt, before.route, now)
        if same is not None:
            return same
    attempt = before.attempt.again(before.attempt.peer, now)
    plane.follower.require_standing(grant, attempt.bucket, attempt.key, before.route.backend.name)
    try:
        route = _decide(policy, grant, attempt)
    except Refused as refused:
        if refused.reason is Reason.BACKEND_DRAINED:  # the last of all objections: what runs there may end by itself
            return before.route
        raise
    if _place_of(route) != _place_of(before.route):
        raise Refused(Reason.NOT_ALLOWED, f"{attempt.bucket} stands for another place by now")
    return route


def _place_of(route: Route) -> tuple[str, str, str]:
    return route.backend.name, route.bucket.real_bucket, route.real_key


def _decide(policy: Policy, grant: Grant | None, attempt: Attempt) -> Route:
    """The list of one's own buckets has no bucket to decide on: it is refused to whom no rule shows any."""
    if attempt.operation is not Operation.LIST_BUCKETS:
        return decide(policy, grant, attempt)
    if grant is not None and grant.scope is not None:  # with a link's credentials: it has one
        return decide(policy, grant, attempt.within(grant.scope.bucket))
    if grant is not None:
        for reason, detail in grant.objections(attempt):
            raise Refused(reason, detail)
    if not policy.visible_buckets(attempt.principal, grant):
        raise Refused(Reason.NOT_ALLOWED, "no rule shows this principal any bucket")
    limits = policy.limits_for(attempt, grant)
    return Route(rule="", backend=_NOWHERE, bucket=_NO_BUCKET, key="", limits=limits)
