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
from gateway.core.request import RawRequest
from gateway.core.route import Route
from gateway.core.values import dataclass
from gateway.data.call import Call, S3Call
from gateway.data.plane import DataPlane, Snapshot, Terms
from gateway.data.presented import NothingPresented, Presented, SignedPresented, TokenPresented
from gateway.data.state.records import Account
from gateway.data.steps.authenticate import prove_again, stands
from gateway.data.steps.authorise import authorise, authorise_same
from gateway.data.steps.verify import leaves_type_unsigned
from gateway.server.exchange import ClientExchange
from gateway.wire.likeness import differing_fields, read_alike
from gateway.wire.sig.credentials import SigV4Header, SigV4Query, read_again
from gateway.wire.sig.sigv4 import KnownCanonical, require_fresh


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was found for a head, which said `raw`, and what it rests on. `local` says that the caller's address was
    none. `canonical` is what was signed, of which those that are alike sign other values. `lasting` is whether
    `only_time_can_end` what is allowed."""

    raw: RawRequest | None
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
    call, as_of = plan.call, plane.follower.view.serial
    if plan.snapshot is not snapshot or not stands(plane, call.grant, call.credentials):
        return None
    attempt = call.attempt.again(exchange.peer, account.now)
    if exchange.raw is not plan.raw:
        found = _prove_anew(plane, plan, exchange, attempt, as_of)
        if found is None:
            return None
        call = found
    elif plan.signed is None or _fresh(plan.signed, account.now):
        call = call.again(attempt, as_of)
    else:
        return None
    account.request, account.grant, account.attempt = call.request, call.grant, attempt
    exchange.extra = plan.extra
    if plan.lasting:
        route = authorise_same(plane, call.grant, attempt, plan.route, account.now)
        return None if route is None else (call, route)
    found_now = authorise(plane, call.grant, attempt)
    return call, plan.route if found_now == plan.route else found_now  # what was made for a route is made for that one


def _prove_anew(plane: DataPlane, plan: _Plan, exchange: ClientExchange, attempt: Attempt, as_of: int) -> S3Call | None:
    """The call of a request that is alike, if it proves the same by a signature of its own; None if the steps have to
    say why it does not.

    It becomes the plan of its own head once that comes again: most that are signed anew never do, and would push out
    those that come often.
    """
    call, raw, signed, verified = plan.call, exchange.raw, plan.signed, None
    if raw is None or not isinstance(call, S3Call):
        return None
    request = read_alike(call.request, raw)
    if signed is not None:
        key = call.credentials or call.grant
        if key is None or plan.canonical is None or not isinstance(signed, SigV4Header):
            return None
        try:
            signed = read_again(signed, raw)
            verified = prove_again(plane, key, signed, request, attempt.now, plan.canonical)
        except Refused:
            return None
    found = call.alike(request, attempt, as_of, verified)
    if exchange.comes_again():
        exchange.remember(replace(plan, raw=raw, call=found, signed=signed))
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
        if alike and isinstance(signed, SigV4Header):
            canonical = KnownCanonical.of(signed, raw, differing_fields(raw))
        local, lasting = exchange.peer is None, only_time_can_end(snapshot.policy, call.grant, call.attempt)
        plan = _Plan(exchange.raw, snapshot, terms, local, signed, canonical, call, route, lasting, exchange.extra)
        if not (alike and exchange.remember_alike(plan)):
            exchange.remember(plan)
