"""Owns plans: what steps 1 to 4 found for a request, kept for those that come with the very same head; and for those
whose heads are alike (`gateway.wire.likeness`), of which each is proved by its own signature.

Refuses to own any rule: what it asks is asked of those who own the answer, and when one of them answers otherwise than
before, the steps are asked again. Only they refuse.

Law: a plan is a memo and nothing else. It is followed while all that it rests on stands: snapshot and listener are the
same, what is presented still stands for this very grant, whose time is not over, and a signature is fresh, and right.
Whether something was revoked is no part of it: that is asked anew of every request, in the turn in which it is let in;
and where more than time can change what step 4 says, so is step 4.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.core.attempt import Attempt
from gateway.core.intake import ANY_FILES
from gateway.core.policy import only_time_can_end
from gateway.core.reasons import Refused
from gateway.core.route import Route
from gateway.core.values import dataclass
from gateway.data.call import Call, S3Call
from gateway.data.plane import DataPlane, Snapshot, Terms
from gateway.data.presented import NothingPresented, Presented, SignedPresented, TokenPresented
from gateway.data.state.records import Account
from gateway.data.steps.authenticate import prove_alike, stands
from gateway.data.steps.authorise import authorise, authorise_same
from gateway.data.steps.verify import leaves_type_unsigned
from gateway.server.exchange import ClientExchange
from gateway.wire.likeness import differing_fields, read_in_common
from gateway.wire.sig.credentials import SigV4Header, SigV4Query
from gateway.wire.sig.sigv4 import KnownCanonical, require_fresh


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was found for a head, or for all that are alike, and what it rests on. `local` says that the caller's
    address was none. `signed` is what was presented by one of them, `canonical` what is signed of all. `lasting` is
    whether `only_time_can_end` what is allowed."""

    snapshot: Snapshot
    terms: Terms
    local: bool
    signed: SigV4Header | SigV4Query | None
    canonical: KnownCanonical | None
    call: Call
    route: Route
    lasting: bool
    extra: tuple[tuple[str, str], ...]


def follow(plane: DataPlane, snapshot: Snapshot, terms: Terms, account: Account) -> tuple[Call, Route] | None:
    """The call and the route that steps 1 to 4 would come to again, if anybody knows; None if they have to be asked.

    Raises:
        Refused: REVOKED, VIEW_TOO_OLD; as `authorise`, if that has to be asked.
    """
    exchange = account.exchange
    plan = exchange.note
    if not isinstance(plan, _Plan) or plan.terms is not terms or plan.local is not (exchange.peer is None):
        return None
    call = plan.call
    if plan.snapshot is not snapshot or not stands(plane, call.grant, call.credentials):
        return None
    attempt = call.attempt.again(exchange.peer, account.now)
    if exchange.differing is not None:
        found = _prove_anew(plane, plan, exchange, exchange.differing, attempt)
        if found is None:
            return None
        call = found
    elif plan.signed is None or _fresh(plan.signed, account.now):
        call = call.again(attempt, plane.follower.view.serial)
    else:
        return None
    account.request, account.grant, account.attempt = call.request, call.grant, attempt
    exchange.extra = plan.extra
    if plan.lasting:
        route = authorise_same(plane, call.grant, attempt, plan.route, account.now)
        return None if route is None else (call, route)
    found_now = authorise(plane, call.grant, attempt)
    return call, plan.route if found_now == plan.route else found_now  # what was made for a route is made for that one


def _prove_anew(
    plane: DataPlane, plan: _Plan, exchange: ClientExchange, differing: tuple[bytes, ...], attempt: Attempt
) -> S3Call | None:
    """The call of a request that is alike, if it proves the same by a signature of its own; None if the steps have to
    say why it does not.

    It becomes the plan of its own head only when that head comes again: most heads that are signed anew never do, and
    would push out those that come often.
    """
    call, canonical, signed, verified = plan.call, plan.canonical, plan.signed, None
    if not isinstance(call, S3Call):
        return None
    if signed is not None:
        key = call.credentials or call.grant
        if key is None or canonical is None:
            return None
        proved = prove_alike(plane, key, canonical, differing, attempt.now)
        if proved is None:
            return None
        signed, verified = proved
    found = call.alike(attempt, plane.follower.view.serial, verified)
    if exchange.comes_again():
        exchange.remember(replace(plan, call=found, signed=signed))
    return found


def _fresh(signed: SigV4Header | SigV4Query, now: float) -> bool:
    try:
        require_fresh(signed, now)
    except Refused:
        return False
    return True


def keep(
    snapshot: Snapshot, terms: Terms, presented: Presented, found: tuple[Call, Route], exchange: ClientExchange
) -> None:
    """Note what the steps found, unless something else than what `follow` asks can change it; for all that are alike,
    if there can be any, or for this very head.

    A password is proved anew every time, and so is what is rare: a form, a signature of version 2; a file's name is
    made anew.
    """
    call, route = found
    signed: SigV4Header | SigV4Query | None = None
    match presented:
        case TokenPresented(form=None):
            repeats = call.grant is not None and not call.grant.asks_first and call.grant.intake == ANY_FILES
        case SignedPresented(SigV4Header() | SigV4Query() as by):
            signed, repeats = by, not leaves_type_unsigned(by, call.request)  # which is counted
        case NothingPresented():
            repeats = True
        case _:
            repeats = False
    if repeats and call.form is None:
        raw, canonical = call.request.raw, None
        # A link's token and the signature in an address are the same in all that are alike, and nothing is proved anew.
        # Of what is read or written but once, nothing is worth keeping.
        may_be_alike = isinstance(call, S3Call) and not isinstance(signed, SigV4Query)
        alike = may_be_alike and exchange.like_comes_again()
        if may_be_alike and not (exchange.comes_again() or alike):
            return
        if alike and isinstance(signed, SigV4Header) and call.verified is not None:
            canonical = KnownCanonical.of(signed, raw, differing_fields(raw), call.verified)
        local, lasting = exchange.peer is None, only_time_can_end(snapshot.policy, call.grant, call.attempt)
        plan = _Plan(snapshot, terms, local, signed, canonical, call, route, lasting, exchange.extra)
        if alike and (signed is None or canonical is not None):
            in_common = replace(call, request=read_in_common(call.request))
            if exchange.remember_alike(replace(plan, call=in_common)):
                return
        exchange.remember(plan)
