"""Owns the proof of who somebody is, where a link is for certain people: a code is sent, and taken for a pass.

Refuses to own who those people are (`gateway.core.holders`), what codes and passes are made of
(`gateway.core.holder_pass`), how a code reaches its address (`DataPlane.send_code`), and what a pass opens
(`gateway.data.steps.authorise`).

Laws: whoever asks learns nothing of who is on the list: the answer is the same for every address, and a code leaves
behind it. A code is typed and posted, good for ten minutes, five tries and one pass, whichever gateways are asked.
Every count is the limit store's; while that is down no code is sent or taken, whatever its posture is.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

from gateway.core.attempt import address_class
from gateway.core.grant import Grant
from gateway.core.holder_pass import (
    CHALLENGE_ENTROPY,
    CODE_SECONDS,
    code_of,
    open_challenge,
    prove,
    seal_challenge,
    seal_pass,
)
from gateway.core.holders import Holder, ProvedBy, parse_address
from gateway.core.limits import Demand
from gateway.core.reasons import Reason, Refused
from gateway.core.units import Rate, format_instant
from gateway.data.call import LinkCall
from gateway.data.links.cookies import address_of, cookie_attributes, mark_way_back
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.presented import ASKED_COOKIE, HOLDER_COOKIE, PASSWORD_COOKIE, password_proof
from gateway.data.state.transfers import Permit
from gateway.pages.render import Look, look_for
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.links.program import PROGRAM_PARAMS
from gateway.wire.replies import LINK_HEADERS, Reply

_OF_ADDRESS: Final = Rate(5, 3600.0, 5)
_OF_ADDRESS_ANYWHERE: Final = Rate(20, 3600.0, 20)
_OF_CLIENT: Final = Rate(60, 3600.0, 60)
_OF_LINK: Final = Rate(600, 3600.0, 600)
"""Codes that are asked for: at one link and at all links together, by one client's network, and of one link."""

_TRIES: Final = Rate(5, 7200.0, 5)
ONCE: Final = Rate(1, 7200.0, 1)
"""Of one code. Each period gives nothing back while a code is good, so these are counts."""

_WRONG_OF_CLIENT: Final = Rate(30, 600.0, 30)
_WRONG_OF_LINK: Final = Rate(300, 3600.0, 300)
"""A code is one of a hundred million."""

_ASKED_NO_MORE: Final = f"{ASKED_COOKIE}=; Max-Age=0"


async def answer_proof(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """What somebody gets who proves to be one of the link's holders.

    Raises:
        Refused: BAD_ADDRESS; TOO_MANY_REQUESTS, TOO_MANY_GUESSES, CODE_WRONG.
        DependencyDown: nobody counts, or no code can be sent.
    """
    grant, claim = permit.grant or call.grant, call.claim
    give = ProofAnswer(snapshot, call)
    if claim is not None and claim.enters:
        return give.entered(grant)
    if claim is None or grant.holders is None or grant.holders.by is not ProvedBy.CODE:
        raise Refused(Reason.BAD_REQUEST, "no code is asked for here")
    if claim.code is not None:
        text = claim.challenge or call.asked or ""
        return give.passed(grant, await _take_code(plane, grant, permit, text, claim.code), permit.attempt.now)
    if claim.email is None:
        return give.begun_anew()
    look = look_for(snapshot.branding, call.request.raw.header("accept-language"))
    return give.asked(await _send_code(plane, grant, permit, claim.email, look))


async def _send_code(plane: DataPlane, grant: Grant, permit: Permit, email: str, look: Look) -> str:
    """The challenge of the code that was asked for, whether one was sent or not."""
    now = permit.attempt.now
    try:
        address = parse_address(email.strip())
    except ValueError as error:
        raise Refused(Reason.BAD_ADDRESS, "no address") from error
    send = plane.send_code
    if send is None:
        raise Refused(Reason.DEPENDENCY_DOWN, "no way to send mail is configured")
    who, client = _mark(address.lower()), client_of(permit)
    demands = [
        Demand(f"holder-ask:{grant.id}:{who}", _OF_ADDRESS),
        Demand(f"holder-ask:{who}", _OF_ADDRESS_ANYWHERE),
        Demand(f"holder-ask-client:{client}", _OF_CLIENT),
        Demand(f"holder-ask-link:{grant.id}", _OF_LINK),
    ]
    await take_try(plane, demands, now, Reason.TOO_MANY_REQUESTS, "codes are asked for too often")
    text = seal_challenge(grant, address, now, plane.entropy(CHALLENGE_ENTROPY))
    addressee = None if grant.holders is None else grant.holders.addressee(address)
    await send(addressee, code_of(grant, text), look)
    return text


async def _take_code(plane: DataPlane, grant: Grant, permit: Permit, text: str, code: str) -> Holder:
    """Who typed the right code."""
    now, client = permit.attempt.now, client_of(permit)
    wrong = (
        Demand(f"holder-wrong-client:{client}", _WRONG_OF_CLIENT),
        Demand(f"holder-wrong:{grant.id}", _WRONG_OF_LINK),
    )
    # Until it is proved: many tries at once are as many guesses.
    await take_try(plane, wrong, now, Reason.TOO_MANY_GUESSES, "too many wrong codes")
    challenge = open_challenge(grant, text, now)
    if challenge is None or not (await plane.limits.take([Demand(f"holder-try:{challenge.id}", _TRIES)], now)).allowed:
        raise Refused(Reason.CODE_WRONG, "no such challenge, or no try is left")
    typed = "".join(letter for letter in code if letter not in " -\t\r\n\u00a0\u2009")
    right = hmac.compare_digest(typed.encode("utf-8", "surrogatepass"), code_of(grant, text).encode())
    listed = grant.holders is not None and grant.holders.addressee(challenge.address) is not None
    if not right or not listed:
        raise Refused(Reason.CODE_WRONG, "the code is another one")
    if not (await plane.limits.take([Demand(f"holder-used:{challenge.id}", ONCE)], now)).allowed:
        raise Refused(Reason.CODE_WRONG, "the code was used before")
    await plane.limits.take([Demand(demand.key, demand.rate, -1) for demand in wrong], now)
    return as_holder(permit, prove(grant, challenge.address, ProvedBy.CODE, now))


async def take_try(plane: DataPlane, demands: Sequence[Demand], now: float, reason: Reason, detail: str) -> None:
    """Count one more try, whatever the posture of the limit store is.

    Raises:
        Refused: for this reason, when there were too many.
        DependencyDown: nobody counts.
    """
    verdict = await plane.limits.take(demands, now)
    if not verdict.allowed:
        raise Refused(reason, detail, retry_after=verdict.retry_after)


def as_holder(permit: Permit, holder: Holder) -> Holder:
    """Have the request's record say who it was."""
    permit.attempt = replace(permit.attempt, holder=holder)
    return holder


class ProofAnswer:
    """What is answered: to a browser a cookie and the way on, to a program a document."""

    def __init__(self, snapshot: Snapshot, call: LinkCall) -> None:
        self._page = prefers_html(call.request.raw.header("accept"))
        self._attributes = cookie_attributes(snapshot.public_url, call.place.token_text)
        self._params, self._raw, self._now = call.request.params, call.request.raw, call.attempt.now
        self._at = address_of(call.request.raw, call.place.token_text)

    def asked(self, challenge: str) -> Reply:
        """The same, whether a code was sent or not."""
        if self._page:
            return self._on(f"{ASKED_COOKIE}={challenge}; Max-Age={int(CODE_SECONDS)}")
        return _document(202, {"challenge": challenge, "expires_in": int(CODE_SECONDS)})

    def begun_anew(self) -> Reply:
        return self._on(_ASKED_NO_MORE)

    def entered(self, grant: Grant) -> Reply:
        """Back from the page that asks for a password, to the one that asks who somebody is; not to an issuer at once:
        browsers let no form of ours lead there (CSP, form-action), by redirects neither."""
        query = urlencode({name: self._params[name] for name in PROGRAM_PARAMS if name in self._params})
        return self._on(f"{PASSWORD_COOKIE}={password_proof(grant)}", query=query)

    def passed(self, grant: Grant, holder: Holder, now: float) -> Reply:
        text = seal_pass(grant, holder)
        if self._page:
            return self._on(f"{HOLDER_COOKIE}={text}; Max-Age={math.ceil(holder.until - now)}", _ASKED_NO_MORE)
        return _document(200, {"pass": text, "expires_at": format_instant(holder.until)})

    def _on(self, *cookies: str, query: str = "") -> Reply:
        if not query and self._params.get("page") == "1":
            query = "page=1"
        given = (("Set-Cookie", f"{cookie}{self._attributes}") for cookie in cookies)
        address = f"{self._at}?{query}" if query else self._at
        if cookies != (_ASKED_NO_MORE,):
            address = mark_way_back(address, self._raw, self._now)
        return Reply(303, (("Location", address), *LINK_HEADERS, *given))


def _document(status: int, members: dict[str, object]) -> Reply:
    return Reply(status, (("Content-Type", "application/json"), *LINK_HEADERS), json.dumps(members).encode() + b"\n")


def client_of(permit: Permit) -> str:
    """By what a client's network is counted."""
    return address_class(permit.attempt.peer)


def _mark(address: str) -> str:
    """What tells addresses apart in counters, which hold none."""
    return sha256(address.encode()).hexdigest()[:32]
