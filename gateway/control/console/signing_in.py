"""Owns the pages of signing in and out, and of one's own sessions.

Refuses to own how somebody is recognised (`gateway.control.guard`, by the very headers that the API takes) and the way
to an issuer (`gateway.oidc.code_flow`).

Laws: a secret comes in a form's body and stays nowhere. Each sign-in has a new cookie. Wrong secrets are throttled as
the API's are, and each sign-in and its end is in the log.
"""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

import structlog

from gateway.control.caller import Access, Admitted, Reach
from gateway.control.console.sessions import SignedInBy
from gateway.control.console.visit import Form, Visit
from gateway.core.identity import User
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.said import phrase
from gateway.core.units import format_instant
from gateway.oidc.code_flow import Way, begin_sign_in, end_sign_in
from gateway.wire.replies import Reply

_log = structlog.get_logger("gateway.control")
_NEXT: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", re.ASCII)
_KEPT: Final = re.compile(r"(links|keys)/(new|[A-Za-z0-9_-]+/edit)|send|revocations", re.ASCII)
"""Forms in which people type what they would not like to lose."""
_PAGE: Final = re.compile(r"(links|keys)/[lk]_[A-Za-z0-9_-]+|[a-z]+", re.ASCII)
"""The page on which a button was, by the beginning of where that leads."""
_NO_PAGES: Final = frozenset({"sign-in", "sign-out", "enter", "callback", "live"})


async def ask_to_sign_in(visit: Visit) -> Reply:
    if visit.proxied or visit.session is not None:
        return visit.go(_next(visit.query.get("next")))
    return _form(visit)


async def ask_again(visit: Visit) -> Reply:
    """For who sent a form after their session had ended: what they typed goes along, if it came from a page of ours."""
    place = visit.place.lstrip("/")
    with suppress(Refused):
        await visit.read_form()
        if _KEPT.fullmatch(place):
            return _form(visit, 403, "signing.ended", place, urlencode(visit.form.kept()))
    found = _PAGE.match(place)
    return _form(visit, 403, "signing.ended", found[0] if found is not None else "")


def offer_again(visit: Visit) -> Reply | None:
    """For who signed in anew in another window while they typed: it is shown to them again, and nothing done by it."""
    place = visit.place.lstrip("/")
    if visit.who is None or not _KEPT.fullmatch(place):
        return None
    return visit.show("console/kept.html", 403, action=place, pairs=visit.form.kept())


async def sign_in(visit: Visit) -> Reply:
    """A token of an admin or an app, or a key's id and secret."""
    form = visit.form
    if not visit.browser.private:
        return _form(visit, 403, "signing.in_clear")
    key_id, secret = form.get("key_id"), form.exact("secret").strip()
    token = form.exact("token").strip()
    if bool(token) == bool(key_id):
        return _form(visit, 422, "signing.one_of_both")
    try:
        shown = f"Basic {b64encode(f'{key_id}:{secret}'.encode()).decode()}" if key_id else f"Bearer {token}"
        admitted = await _admit(visit, shown, form.exact("session_token").strip())
    except Refused as refused:
        told = {Reason.TOO_MANY_GUESSES: "signing.too_many", Reason.NOT_ALLOWED: "signing.narrowed"}
        return _form(visit, 429 if refused.retry_after else 403, told.get(refused.reason, "signing.unknown"))
    return begin(visit, admitted, SignedInBy.KEY if key_id else SignedInBy.TOKEN)


async def _admit(visit: Visit, authorization: str, session_token: str) -> Admitted:
    """Whoever shows this to the API. What reads nothing may still sign in, and what only sidecars ask may not."""
    headers = [("authorization", authorization)]
    if session_token:
        headers.append(("x-amz-security-token", session_token))
    raw, guard, exchange = RawRequest("GET", "/", "", tuple(headers)), visit.api.guard, visit.exchange
    try:
        return await guard.admit(Access.READ, raw, exchange.peer, {}, private=exchange.private)
    except Refused as refused:
        if refused.reason is not Reason.NOT_ALLOWED:
            raise
    return await guard.admit(Access.KNOWN, raw, exchange.peer, {}, private=exchange.private)


async def go_to_issuer(visit: Visit) -> Reply:
    """A link, and no form: a browser would not let a form's answer lead to another site."""
    known = {str(number): rules for number, rules in enumerate(visit.rules.sign_ins)}
    rules = known.get(visit.query.get("issuer"))
    if rules is None:
        raise Refused(Reason.UNKNOWN_TOKEN, phrase("no_sign_in", "nobody signs in there"))
    visit.browser.renew_cookie(visit.api.deps.live.entropy)
    return Reply(303, (("Location", await begin_sign_in(rules, _way(visit))), *visit.cookies))


def _way(visit: Visit) -> Way:
    return Way(visit.browser.base + "/ui/callback", visit.browser.cookie)


async def come_back(visit: Visit) -> Reply:
    """From an issuer, who adds to the address what `code_flow` reads."""
    identity = visit.api.deps.live.identity
    if identity is None:
        raise Refused(Reason.UNKNOWN_TOKEN, phrase("no_sign_in", "nobody signs in there"))
    try:
        sent = visit.query.given("code", "state", "iss", "error")
        rules, claims = await end_sign_in(visit.rules.sign_ins, _way(visit), sent, identity)
        user = None if rules.users is None else rules.users.user_of(claims)
        if user is None:
            raise Refused(
                Reason.CREDENTIALS_MISSING, phrase("issuer_stranger", "whom the issuer names has no access here")
            )
    except Refused as refused:
        _log.warning("a sign-in failed", why=refused.detail)
        visit.browser.renew_cookie(visit.api.deps.live.entropy)
        return _form(visit, 403, "signing.not_confirmed")
    return begin(visit, _admitted(user), rules.sign_in.label if rules.sign_in else "", rules.issuer)


def _admitted(user: User) -> Admitted:
    """The session ends by itself: its user is asked for anew by nobody, and the token that named them is gone."""
    return Admitted(principal=user.principal, reach=Reach(user.principal), groups=user.groups)


def begin(visit: Visit, admitted: Admitted, by: str, issuer: str = "") -> Reply:
    """Sign somebody in who was admitted: a new session, a new cookie, and on to the page that they wanted."""
    peer = "" if visit.exchange.peer is None else visit.api.deps.process.shown(str(visit.exchange.peer))
    admitted = replace(admitted, source=(), digest=None)
    visit.browser.keep(visit.sessions.begin(admitted, by, peer, issuer), visit.rules.longest)
    _log.info("signed in", principal=str(admitted.principal), by=by, peer=peer)
    wanted, kept = _next(visit.form.get("next")), visit.form.get("kept")
    if kept and _KEPT.fullmatch(wanted):
        return visit.show("console/kept.html", action=wanted, pairs=Form.parse(kept).kept())
    return visit.go(wanted)


async def sign_out(visit: Visit) -> Reply:
    session = visit.session
    if session is not None:
        visit.sessions.end(session)
        _log.info("signed out", principal=str(session.admitted.principal))
    visit.browser.keep("", 0)
    return visit.go("sign-in")


async def list_sessions(visit: Visit) -> Reply:
    admitted, own = await visit.admit(Access.KNOWN), visit.session
    shown = [
        {
            "id": one.id,
            "by": one.by,
            "issuer": one.issuer,
            "peer": one.peer,
            "began": format_instant(one.began),
            "seen": format_instant(one.seen),
            "own": own is not None and one.digest == own.digest,
        }
        for one in visit.sessions.of(admitted.principal)
    ]
    caller = await visit.need("whoami")
    return visit.show("console/sessions.html", sessions=shown, rules=visit.rules, caller=caller)


async def end_session(visit: Visit) -> Reply:
    """One of one's own, by its id. What is not one's own does not exist."""
    admitted = await visit.admit(Access.KNOWN)
    for session in visit.sessions.of(admitted.principal):
        if session.id == visit.form.get("id"):
            visit.sessions.end(session)
            _log.info("a session was ended", principal=str(admitted.principal))
    return visit.go("sessions")


def _form(visit: Visit, status: int = 200, wrong: str = "", wanted: str | None = None, kept: str = "") -> Reply:
    if not visit.browser.cookie:
        visit.browser.renew_cookie(visit.api.deps.live.entropy)
    issuers = [rules.sign_in.label for rules in visit.rules.sign_ins if rules.sign_in is not None]
    if wanted is None:
        wanted, kept = visit.form.get("next") or visit.query.get("next"), visit.form.get("kept")
    shown = {"issuers": issuers, "wrong": wrong, "next": wanted if _NEXT.fullmatch(wanted) else "", "kept": kept}
    return visit.show(
        "console/sign-in.html", status, private=visit.browser.private, key_private=visit.exchange.private, **shown
    )


def _next(wanted: str) -> str:
    """The page that somebody wanted before they were asked to sign in. Never another site."""
    return wanted if _NEXT.fullmatch(wanted) and wanted.partition("/")[0] not in _NO_PAGES else ""
