"""Owns plans: what steps 1 to 4 found for a request, kept for those that come with the very same head; and for those
that are alike but signed anew, for which credential and signature are asked (2, 3), and the rest is not.

Refuses to own any rule: what it asks is asked of those who own the answer, and when one of them answers otherwise than
before, the steps are asked again. Only they refuse.

Law: a plan is a memo and nothing else. It is followed while all that it rests on stands: snapshot and listener are the
same, what is presented still stands for this very grant, whose time is not over, and a signature is fresh. Whether
something was revoked is no part of it: that is asked anew of every request, in the turn in which it is let in.
"""

from __future__ import annotations

from gateway.core.attempt import Principal, SignatureVersion
from gateway.core.intake import ANY_FILES
from gateway.core.policy import only_time_can_end
from gateway.core.reasons import Refused
from gateway.core.route import Route
from gateway.core.values import dataclass
from gateway.data.call import Call, S3Call
from gateway.data.plane import DataPlane, Snapshot, Terms
from gateway.data.presented import (
    NothingPresented,
    Presented,
    Resolved,
    ResolvedCaller,
    SignedPresented,
    TokenPresented,
)
from gateway.data.state.records import Account
from gateway.data.steps.authorise import authorise_same
from gateway.data.steps.verify import leaves_type_unsigned
from gateway.server.exchange import ClientExchange
from gateway.wire.likeness import differing_fields
from gateway.wire.sig.credentials import SigV4Header, SigV4Query
from gateway.wire.sig.sigv4 import KnownCanonical, require_fresh

__all__ = ["find_alike", "follow", "follow_alike", "keep"]


@dataclass(frozen=True, slots=True)
class Like:
    """What was found for a request on the S3 face, and the snapshot by which it was judged. `canonical` is what it has
    signed, of which others sign other values."""

    snapshot: Snapshot
    canonical: KnownCanonical | None
    local: bool
    principal: Principal
    signature: SignatureVersion | None
    call: S3Call
    route: Route


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was found, and what it rests on. `local` says that the caller's address was none."""

    snapshot: Snapshot
    terms: Terms
    local: bool
    signed: SigV4Header | SigV4Query | None
    call: Call
    route: Route
    extra: tuple[tuple[str, str], ...]


def follow(plane: DataPlane, snapshot: Snapshot, terms: Terms, account: Account) -> tuple[Call, Route] | None:
    """The call and the route that steps 1 to 4 would come to again, if anybody knows; None if they have to be asked.

    Raises:
        Refused: REVOKED, VIEW_TOO_OLD.
    """
    exchange = account.exchange
    plan = exchange.note
    if not isinstance(plan, _Plan) or plan.terms is not terms or plan.local is not (exchange.peer is None):
        return None
    grant, as_of = plan.call.grant, plane.follower.view.serial
    if plan.snapshot is not snapshot or not _fresh(plan.signed, account.now):
        return None
    if grant is not None and plane.grants.known_now(grant.hash) is not grant:
        return None
    attempt = plan.call.attempt.again(exchange.peer, account.now)
    account.request, account.grant, account.attempt = plan.call.request, grant, attempt
    exchange.extra = plan.extra
    route = authorise_same(plane, grant, attempt, plan.route, account.now)
    return None if route is None else (plan.call.again(attempt, as_of), route)


def find_alike(snapshot: Snapshot, exchange: ClientExchange) -> Like | None:
    """What was found for a request that says the same but for its signature, if anything was."""
    note = exchange.note
    return note if isinstance(note, Like) and note.snapshot is snapshot else None


def follow_alike(
    plane: DataPlane, snapshot: Snapshot, like: Like | None, resolved: Resolved, account: Account
) -> tuple[Call, Route] | None:
    """The call and the route that step 4 would come to again for who was proved in step 3; None if it is to be asked.

    Raises:
        Refused: REVOKED, VIEW_TOO_OLD.
    """
    request, exchange = account.request, account.exchange
    if like is None or request is None or not isinstance(resolved, ResolvedCaller) or snapshot is not plane.snapshot:
        return None
    if (
        like.call.grant is not resolved.grant
        or like.principal != resolved.principal
        or like.signature != resolved.signature
        or like.local is not (exchange.peer is None)
    ):
        return None
    attempt = account.attempt = like.call.attempt.again(exchange.peer, account.now)
    route = authorise_same(plane, resolved.grant, attempt, like.route, account.now)
    return None if route is None else (like.call.alike(request, attempt, resolved.as_of, resolved.verified), route)


def _fresh(signed: SigV4Header | SigV4Query | None, now: float) -> bool:
    if signed is not None:
        try:
            require_fresh(signed, now)
        except Refused:
            return False
    return True


def keep(  # noqa: PLR0917 (what the steps have found)
    snapshot: Snapshot,
    terms: Terms,
    presented: Presented,
    found: tuple[Call, Route],
    exchange: ClientExchange,
    like: Like | None = None,
) -> None:
    """Note what the steps found, unless something else than what `follow` asks can change it.

    It is noted for requests that are `alike`, if there can be any; where such a note was followed, for this very head,
    once that comes again: most that are signed anew never do, and would push out those that come often.

    A password is proved anew every time, and so is what is rare: a form, a signature of version 2; a file's name is
    made anew. What comes with a link's credentials is only kept for requests that are alike: its grant is not found by
    what they show.
    """
    if like is not None and not exchange.comes_again():
        return
    call, route = found
    signed: SigV4Header | SigV4Query | None = None
    match presented:
        case TokenPresented(form=None):
            lasting = call.grant is not None and not call.grant.asks_first and call.grant.intake == ANY_FILES
        case SignedPresented(SigV4Header() | SigV4Query() as by):
            signed, lasting = by, not leaves_type_unsigned(by, call.request)  # which is counted
        case NothingPresented():
            lasting = True
        case _:
            lasting = False
    if lasting and call.form is None and only_time_can_end(snapshot.policy, call.grant, call.attempt):
        local, attempt = exchange.peer is None, call.attempt
        kept = False
        if like is None and isinstance(call, S3Call) and not isinstance(signed, SigV4Query):  # it is in the address
            raw = call.request.raw
            canonical = KnownCanonical.of(signed, raw, differing_fields(raw)) if signed is not None else None
            of_all = Like(snapshot, canonical, local, attempt.principal, attempt.signature, call, route)
            kept = exchange.remember_alike(of_all)
        if not kept and call.credentials is None:
            exchange.remember(_Plan(snapshot, terms, local, signed, call, route, exchange.extra))
