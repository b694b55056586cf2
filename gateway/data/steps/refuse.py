"""Owns what a client gets when a step said no or broke: an answer before the first byte, a cut after it.

Refuses to own the wording (`gateway.core.reasons`, `gateway.pages.refusals`), the format (`gateway.wire.replies`) and
when what runs is ended (`gateway.data.state.transfers`).

Laws: whose request is ended before it got anything is told at once what a later request would be told; what ran for it
is broken off, and nobody waits for its end. A page that may read a bucket's answers may read its refusals, from
whichever step they come.
"""

from __future__ import annotations

import structlog

from gateway.core.grant import Grant, GrantKind
from gateway.core.reasons import DependencyDown, Reason, Refused, as_refused
from gateway.core.request import Action, LinkPlace, ObjectRequest
from gateway.core.token import LinkToken
from gateway.data.page_reader import load_pages
from gateway.data.plane import DataPlane
from gateway.data.presented import TokenPresented
from gateway.data.state.records import Account
from gateway.data.state.transfers import NO_ANSWER, Permit
from gateway.data.steps.authenticate import find_link
from gateway.pages.refusals import Asks, Unfinished, refusal_page
from gateway.pages.render import Page, look_for
from gateway.server.exchange import ClientExchange
from gateway.wire.http.cors import actual_headers
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.links.program import Program
from gateway.wire.parse import is_link_path, named_place
from gateway.wire.replies import RefusalDetails, Reply, refusal

_log = structlog.get_logger("gateway.data")
_OF_HOLDERS = frozenset({Reason.HOLDER_REQUIRED, Reason.CODE_WRONG, Reason.SIGN_IN_FAILED})
_GUESSED = frozenset({Reason.UNKNOWN_TOKEN, Reason.TOO_MANY_GUESSES})


async def refuse(plane: DataPlane, exchange: ClientExchange, account: Account) -> None:
    """Turn the account's failure into an answer; never raises for a client that has gone."""
    failure = account.failure
    refused = as_refused(failure)
    if refused.reason is Reason.INTERNAL:
        _log.error("internal error", request_id=exchange.request_id, exc_info=failure)
    if exchange.started or exchange.cut_reason is not None or refused.reason in NO_ANSWER:
        if exchange.cut_reason is None:
            exchange.cut(refused.reason)
            plane.metrics.count_cut(refused.reason)
            exchange.cut_reason = None  # what broke is in the failure: this was no revocation
        else:
            await exchange.wait_refused()
        return
    await _prepare_page(exchange)
    await _let_page_read(plane, exchange, refused.reason, account.now)
    reply = _reply(plane, exchange, refused, request=account.request, grant=account.grant, permit=account.permit)
    try:
        await exchange.send(reply)
    except Refused:
        exchange.cut(Reason.CLIENT_GONE)


async def refuse_ended(plane: DataPlane, permit: Permit, reason: Reason) -> None:
    """Answer in place of what ran by a permit whose right has ended; never raises for a client that has gone."""
    exchange, grant = permit.exchange, permit.grant
    if reason is Reason.REVOKED and grant is not None and not permit.is_revoked(plane.follower.view):
        # Its secret is another's, or nobody's, by now: who comes with it is a stranger.
        reason, grant = (Reason.UNKNOWN_TOKEN if grant.kind is GrantKind.LINK else Reason.UNKNOWN_KEY), None
    await _prepare_page(exchange)
    reply = _reply(plane, exchange, Refused(reason), request=permit.request, grant=grant, permit=permit)
    try:
        exchange.send_refusal(reply)
    except ConnectionError:
        plane.metrics.count_cut(reason)


async def _prepare_page(exchange: ClientExchange) -> None:
    raw = exchange.raw
    if raw is not None and is_link_path(raw) and prefers_html(raw.header("accept")):
        await load_pages()


async def _let_page_read(plane: DataPlane, exchange: ClientExchange, reason: Reason, now: float) -> None:
    """What came to nothing before it was known which bucket's cross-origin rules its answers follow."""
    raw, snapshot = exchange.raw, plane.snapshot
    if exchange.extra or raw is None or raw.method == "OPTIONS" or raw.header("origin") is None:
        return
    try:
        place = named_place(raw, snapshot.domains)
        bucket = place.bucket
        if isinstance(place, LinkPlace):
            token = LinkToken(place.token_text)
            grant = plane.grants.known_now(token.hash)
            if grant is None and reason not in _GUESSED:
                grant = (await find_link(plane, TokenPresented(token, place), exchange.peer, now)).grant
            bucket = grant.scope.bucket if grant is not None and grant.scope is not None else ""
    except (Refused, DependencyDown, ValueError):
        return
    exchange.extra = actual_headers(snapshot.cors_of(bucket), raw, drafts=snapshot.drafts)


def _reply(
    plane: DataPlane,
    exchange: ClientExchange,
    refused: Refused,
    *,
    request: ObjectRequest | None,
    grant: Grant | None,
    permit: Permit | None,
) -> Reply:
    asks = None if grant is None else _asks(plane, grant, exchange, request)

    def page(reason: Reason, request_id: str) -> Page:
        accepted = exchange.raw.header("accept-language") if exchange.raw is not None else None
        look = look_for(plane.snapshot.branding, accepted)
        if grant is None:
            return refusal_page(look, reason, request_id)
        unfinished = _unfinished(grant) if reason is Reason.USED_UP else None
        return refusal_page(look, reason, request_id, terms=grant.terms or "", asks=asks, unfinished=unfinished)

    challenge = None if asks is None or refused.reason not in _OF_HOLDERS else f'Holder realm="link", by="{asks.by}"'
    details = RefusalDetails(
        verdict=refused.verdict or (permit.verdict if permit is not None else None),
        allow=_methods(grant) if grant is not None else None,
        page=page,
        challenge=challenge,
        drafts=plane.snapshot.drafts,
        max_size=_largest(grant, permit),
    )
    return refusal(refused, request, exchange.raw, exchange.request_id, details)


def _asks(plane: DataPlane, grant: Grant, exchange: ClientExchange, request: ObjectRequest | None) -> Asks | None:
    """How a link with holders asks who somebody is."""
    if grant.holders is None:
        return None
    issuers = tuple(rules.sign_in.label for rules in plane.snapshot.sign_ins if rules.sign_in is not None)
    try:
        program = None if request is None else Program.of(request.params)
    except ValueError:
        program = None
    carried = "" if program is None else program.query
    address, challenge = exchange.asked
    return Asks(str(grant.holders.by), address, challenge, issuers, carried)


def _unfinished(grant: Grant) -> Unfinished | None:
    """What goes on at a link whose files have all been begun: those uploads are let pass, so they need their page."""
    if Action.WRITE not in grant.actions:
        return None
    single = grant.scope is not None and grant.scope.key is not None
    return Unfinished(grant.intake.types, single=single, undo=grant.intake.undo is not None)


def _largest(grant: Grant | None, permit: Permit | None) -> int | None:
    """How large what is sent may be, as far as that is known by now."""
    if permit is not None:
        return permit.largest
    return None if grant is None else grant.max_size


def _methods(grant: Grant) -> list[str] | None:
    """The methods that a link's actions come to; None for a key, whose rights depend on the place."""
    if grant.kind is not GrantKind.LINK:
        return None
    reading = ("GET", "HEAD") if grant.actions & {Action.READ, Action.LIST} else ()
    writing = ("POST", "PUT") if Action.WRITE in grant.actions else ()
    return [*reading, "OPTIONS", *writing]
