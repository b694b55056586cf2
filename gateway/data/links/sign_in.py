"""Owns the proof of who somebody is by a sign-in at an issuer, where a link is for people who sign in.

Refuses to own who those people are (`gateway.core.holders`), the protocol and its proofs (`gateway.oidc`), and what a
pass opens (`gateway.data.steps.authorise`).

Laws: what was not begun in this browser ends nothing: the way there and back hangs on a secret in a cookie that is new
for each way, of this host alone over TLS, and gone within minutes. The way back is one address for all links, and leads
to a link of this host and to nothing else. A program for which somebody signs in is part of the way. An issuer speaks
only of the addresses that the settings give it.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from gateway.core.holder_pass import CHALLENGE_ENTROPY, prove, seal_handover
from gateway.core.holders import Holder, ProvedBy, parse_address
from gateway.core.identity import IdentityRules
from gateway.core.limits import Demand
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.units import Rate
from gateway.data.call import LinkCall
from gateway.data.links.codes import ProofAnswer, as_holder, client_of, take_try
from gateway.data.links.cookies import comes_by_tls
from gateway.data.page_reader import load_pages
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.pages.links import program_page
from gateway.pages.render import look_for
from gateway.wire.http.cookies import read_cookies
from gateway.wire.links.program import Program
from gateway.wire.replies import LINK_HEADERS, Reply, page_reply

RETURN_PATH: Final = "/s/-/signed-in"
"""No token reads like this. Issuers are told of it once, whatever links there will be."""

_COOKIE: Final = "gateway_sign_in"
_SECONDS: Final = 600
_OTHER: Final = "other-"
_ANY: Final = "any"
_ENTROPY: Final = 32
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_PLACE: Final = re.compile(r"/s/[A-Za-z0-9_-]+(?:/[\x21\x22\x24-\x3e\x40-\x7e]*)?", re.ASCII)
"""The path of a link, as a browser sent it."""

_LONGEST_PLACE: Final = 1024
_SAID: Final = ("code", "state", "iss", "error")
_LONGEST_WORD: Final = 2048
_MOST_WORDS: Final = 32

_OF_CLIENT: Final = Rate(300, 3600.0, 300)
_OF_LINK: Final = Rate(3000, 3600.0, 3000)
"""Steps of sign-ins, each of which asks the issuer something."""


async def answer_sign_in(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """The way to an issuer, or what somebody gets who comes back from there.

    Raises:
        Refused: SIGN_IN_FAILED, nobody came back; NOT_A_HOLDER, somebody for whom the link is not; BAD_RETURN_ADDRESS;
            HOLDER_REQUIRED, to choose an issuer; TOO_MANY_REQUESTS.
        DependencyDown: the issuer does not answer, or nobody counts.
    """
    grant, now, client = permit.grant or call.grant, permit.attempt.now, client_of(permit)
    demands = [Demand(f"sign-in-client:{client}", _OF_CLIENT), Demand(f"sign-in:{grant.id}", _OF_LINK)]
    await take_try(plane, demands, now, Reason.TOO_MANY_REQUESTS, "too many sign-ins")
    params, program = call.request.params, _program(call.request.params)
    if params["sign_in"] != "back":
        return await _go(plane, snapshot, call, params["sign_in"], program)
    if plane.identity is None:
        raise Refused(Reason.SIGN_IN_FAILED, "nobody signs in here")
    from gateway.oidc.code_flow import Way, end_sign_in  # noqa: PLC0415 (only who has an issuer needs it)

    way = Way(snapshot.public_url + RETURN_PATH, _bind(_kept(call.request.raw, snapshot)[0], program))
    try:
        address, groups = _name(*await end_sign_in(snapshot.sign_ins, way, _said(params), plane.identity))
    except Refused as refused:
        raise Refused(Reason.SIGN_IN_FAILED, refused.detail) from None
    holder = prove(grant, address, ProvedBy.OIDC, now, groups)
    if grant.holders is None or not grant.holders.admit(holder):
        raise Refused(Reason.NOT_A_HOLDER, "who signed in is not one of the link's holders")
    as_holder(permit, holder)
    if program is None:
        answer = ProofAnswer(snapshot, call).passed(grant, holder, now)
    else:
        answer = await _offer_code(plane, snapshot, call, holder, program)
    return replace(answer, headers=(*answer.headers, _cookie(snapshot, "", 0)))


def _name(rules: IdentityRules, claims: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The address and the groups of who signed in.

    Raises:
        Refused: the issuer names nobody of whom it may speak.
    """
    said = None if rules.users is None else rules.users.said(claims)
    try:
        address = parse_address("" if said is None else said[0])
    except ValueError:
        address = ""
    if not address or said is None or rules.users is None or not rules.users.speaks_of(f"user:{address}"):
        raise Refused(Reason.SIGN_IN_FAILED, "the issuer names no confirmed address of which it may speak")
    return address, said[1]


async def _offer_code(plane: DataPlane, snapshot: Snapshot, call: LinkCall, holder: Holder, program: Program) -> Reply:
    """The page on which a person sees as whom and at which port a program wants to open the link, before anything goes
    there (RFC 8252, 8.6)."""
    grant, now = call.grant, call.attempt.now
    code = seal_handover(grant, holder, program.challenge, now, plane.entropy(CHALLENGE_ENTROPY))
    await load_pages()
    look = look_for(snapshot.branding, call.request.raw.header("accept-language"))
    port = urlsplit(program.address).port
    return page_reply(program_page(look, who=holder.address, port=str(port), address=program.answer(code)))


def _program(params: Mapping[str, str]) -> Program | None:
    try:
        return Program.of(params)
    except ValueError as error:
        raise Refused(Reason.BAD_RETURN_ADDRESS, str(error)) from None


def _bind(secret: str, program: Program | None) -> str:
    """Who comes back for one program comes back for no other, and not without one."""
    return secret if program is None or not secret else f"{secret} {program.query}"


async def _go(plane: DataPlane, snapshot: Snapshot, call: LinkCall, chosen: str, program: Program | None) -> Reply:
    """To the issuer of this number, or to `any` if there is but one; `other-` before it has it ask for the account."""
    issuers = {str(number): rules for number, rules in enumerate(snapshot.sign_ins)}
    if chosen == _ANY:
        if len(issuers) > 1:
            raise Refused(Reason.HOLDER_REQUIRED, "there are several issuers")
        chosen = "0"
    rules = issuers.get(chosen.removeprefix(_OTHER))
    if rules is None:
        raise Refused(Reason.SIGN_IN_FAILED, "there is no such issuer")
    from gateway.oidc.code_flow import Way, begin_sign_in  # noqa: PLC0415 (as above)

    secret = urlsafe_b64encode(plane.entropy(_ENTROPY)).decode().rstrip("=")
    way = Way(snapshot.public_url + RETURN_PATH, _bind(secret, program))
    address = await begin_sign_in(rules, way, anew=chosen.startswith(_OTHER))
    path, root = call.request.raw.path, f"/s/{call.place.token_text}"
    place = path if len(path) <= _LONGEST_PLACE and _PLACE.fullmatch(path) else root
    if program is not None:
        place += f"?{program.query}"
    kept = f"{secret}.{urlsafe_b64encode(place.encode()).decode().rstrip('=')}"
    return Reply(303, (("Location", address), *LINK_HEADERS, _cookie(snapshot, kept, _SECONDS)))


def lead_back(raw: RawRequest, snapshot: Snapshot) -> Reply | None:
    """From the one address that issuers know to the link from which somebody went; None if nothing says which."""
    place = _kept(raw, snapshot)[1]
    if not place:
        return None
    try:
        said = _said(dict(parse_qsl(raw.query, max_num_fields=_MOST_WORDS)))
    except ValueError:  # no issuer's answer: the link says so
        said = {}
    more = urlencode({"sign_in": "back", **said})
    return Reply(303, (("Location", f"{place}{'&' if '?' in place else '?'}{more}"), *LINK_HEADERS))


def _said(params: Mapping[str, str]) -> dict[str, str]:
    return {name: params[name] for name in _SAID if len(params.get(name, "")) <= _LONGEST_WORD and name in params}


def _kept(raw: RawRequest, snapshot: Snapshot) -> tuple[str, str]:
    """The secret of the way that was begun in this browser, and from which path, with the program for which, if it was
    for one; "" for both if there is none."""
    found = [value for name, value in read_cookies(raw) if name == _cookie_name(snapshot)]
    secret, _, place = found[0].partition(".") if len(found) == 1 else ("", "", "")
    try:
        kept = urlsafe_b64decode(place + "=" * (-len(place) % 4)).decode("ascii")
        path, _, query = kept.partition("?")
        program = Program.of(dict(parse_qsl(query, max_num_fields=2)))
    except ValueError:
        return "", ""
    same = kept == (path if program is None else f"{path}?{program.query}")
    good = same and _SECRET.fullmatch(secret) and len(path) <= _LONGEST_PLACE and _PLACE.fullmatch(path)
    return (secret, kept) if good else ("", "")


def _cookie_name(snapshot: Snapshot) -> str:
    """Over TLS no other host and no plain connection can set a cookie that is called so (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{_COOKIE}" if comes_by_tls(snapshot.public_url) else _COOKIE


def _cookie(snapshot: Snapshot, text: str, seconds: int) -> tuple[str, str]:
    secure = "; Secure" if comes_by_tls(snapshot.public_url) else ""
    return "Set-Cookie", f"{_cookie_name(snapshot)}={text}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
