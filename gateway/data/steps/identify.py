"""Owns step 2: what kind of credential a request presents. Not whether it is any good.

Refuses to own look-ups and proofs (`gateway.data.steps.authenticate`).

Law: one credential a request. A reader answers "not mine" or "mine and bad"; two kinds at once are refused.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from gateway.core.attempt import ANONYMOUS, Principal
from gateway.core.holders import Claim
from gateway.core.reasons import Reason, Refused
from gateway.core.request import LinkPlace, ObjectRequest, Operation
from gateway.core.token import LinkToken
from gateway.data.post_form import ArrivingForm
from gateway.data.presented import (
    ASKED_COOKIE,
    HOLDER_COOKIE,
    HOLDER_HEADER,
    LEASE_COOKIE,
    PASSWORD_COOKIE,
    TERMS_COOKIE,
    FormPresented,
    NothingPresented,
    PageForm,
    Presented,
    SignedPresented,
    TokenPresented,
)
from gateway.server.exchange import ClientExchange
from gateway.wire.http.cookies import read_cookies
from gateway.wire.http.media import declared_essence
from gateway.wire.http.target import host_name, is_local_name
from gateway.wire.s3.operations import RESPONSE_OVERRIDES
from gateway.wire.sig.credentials import Signed, read_credentials
from gateway.wire.sig.post_policy import read_form

_PAGE_FORM_LIMIT: Final = 64 * 1024
"""Bytes: the names of all that a folder's page shows, unless they are very long."""
_FORM: Final = "application/x-www-form-urlencoded"
_PAGE_FIELDS: Final = frozenset(
    {
        *("accept_terms", "archive", "download", "password", "select", "show", "undo"),
        *("email", "code", "challenge", "code_verifier", "other_address"),
    }
)
_PASSING: Final = frozenset({"accept_terms", "password"})
_ASKING: Final = frozenset({"archive", "download", "show"})
_LONGEST_COOKIE: Final = 128
_PASSES: Final = 4
"""Passes of one request that are looked at: whoever can set cookies for this host from beside it may add some."""


async def identify(
    request: ObjectRequest, exchange: ClientExchange, trusted: Principal | None, domains: Sequence[str] = ()
) -> Presented:
    """Read the one credential of a request; a page's form is read from the body, whole and small.

    `trusted` is the app that the listener stands for, under loopback names and our own `domains`.

    Raises:
        Refused: UNKNOWN_TOKEN for text that cannot be a token (no look-up is spent on it), CREDENTIALS_AMBIGUOUS for
            two kinds at once, CREDENTIALS_MALFORMED and its siblings, BAD_REQUEST for `response-*` parameters
            without a credential.
    """
    if isinstance(request.place, LinkPlace):
        return await _read_token(request, request.place, exchange)
    signed = read_credentials(request.auth)
    if request.operation is Operation.POST_OBJECT:
        return await _read_form(request, exchange, signed)
    if signed is not None:
        return SignedPresented(signed)
    if trusted is not None and not _may_come_from_page(request, exchange, domains):
        return NothingPresented(trusted)
    if not RESPONSE_OVERRIDES.keys().isdisjoint(request.params):
        # As S3 has it: an unsigned address must not choose the type that an object is shown as.
        raise Refused(Reason.BAD_REQUEST, "response-* parameters need a signature")
    return NothingPresented(ANONYMOUS)


def _may_come_from_page(request: ObjectRequest, exchange: ClientExchange, domains: Sequence[str]) -> bool:
    """Whether a browser may have sent this for some page, which must not act as the app that a listener trusts.

    Pages reach ports of loopback too. An Origin or fetch metadata gives them away (Fetch standard), or else the public
    name that they had rebound to loopback. No SDK sends the former; the latter has to be one of our own domains.
    """
    if exchange.peer is None:  # a Unix socket, which no page can reach
        return False
    raw = request.raw
    if raw.header_values("origin") or any(site != "none" for site in raw.header_values("sec-fetch-site")):
        return True
    host = host_name(raw)
    return not (request.virtual_host or host in domains or is_local_name(host))


async def _read_form(request: ObjectRequest, exchange: ClientExchange, signed: Signed | None) -> FormPresented:
    if signed is not None:
        raise Refused(Reason.CREDENTIALS_AMBIGUOUS, "a form came together with a signature in header or query")
    arriving = await ArrivingForm.read(exchange, request.headers.get("content-type", ""))
    return FormPresented(arriving, read_form(arriving.form))


def is_page_form(request: ObjectRequest) -> bool:
    """Whether a link's POST comes from one of our pages rather than being an upload."""
    return request.operation is Operation.POST_OBJECT and _is_form(request)


def _is_form(request: ObjectRequest) -> bool:
    return declared_essence(request.headers.get("content-type")) == _FORM


async def _read_token(request: ObjectRequest, place: LinkPlace, exchange: ClientExchange) -> TokenPresented:
    scheme, _, rest = request.auth.authorization.partition(" ")
    if scheme and scheme.lower() != "basic":
        raise Refused(Reason.CREDENTIALS_AMBIGUOUS, "a link's token came together with an Authorization header")
    try:
        token = _token_of(place.token_text)
    except ValueError:
        raise Refused(Reason.UNKNOWN_TOKEN, "the text is no token") from None
    password = _basic_password(rest) if scheme else None
    form = None
    if request.operation is Operation.CREATE_SESSION:
        password = await _sent_password(request, exchange, password)
    elif is_page_form(request):
        pairs = await _page_pairs(exchange)
        fields = dict(pairs)
        password = fields.get("password", password)
        selected = frozenset(value for name, value in pairs if name == "select")
        form = PageForm(
            show="show" in fields,
            archive=fields.get("archive", ""),
            selected=selected,
            undo=fields.get("undo"),
            accepts="accept_terms" in fields,
            claim=_read_claim(fields),
            passes=not fields.keys().isdisjoint(_PASSING) and fields.keys().isdisjoint(_ASKING),
        )
    came = read_cookies(request.raw)
    cookies = {name: value for name, value in came if len(value) <= _LONGEST_COOKIE or name == ASKED_COOKIE}
    proof, lease, accepted = (cookies.get(name) for name in (PASSWORD_COOKIE, LEASE_COOKIE, TERMS_COOKIE))
    passes = [*request.raw.header_values(HOLDER_HEADER), *(value for name, value in came if name == HOLDER_COOKIE)]
    return TokenPresented(
        token, place, password, proof, lease, form, accepted, cookies.get(ASKED_COOKIE), tuple(passes[:_PASSES])
    )


def _read_claim(fields: Mapping[str, str]) -> Claim | None:
    if "email" in fields or "code" in fields or "other_address" in fields:
        verifier = fields.get("code_verifier")
        return Claim(fields.get("email"), fields.get("code"), fields.get("challenge"), verifier=verifier)
    return None


async def _sent_password(request: ObjectRequest, exchange: ClientExchange, known: str | None) -> str | None:
    """The password in the form of who asks for credentials, or the one that is known without.

    Raises:
        Refused: UNREAD_BODY for another body.
    """
    if _is_form(request):
        return dict(await _page_pairs(exchange)).get("password", known)
    if (await exchange.read_body(_PAGE_FORM_LIMIT)).strip():
        raise Refused(Reason.UNREAD_BODY, "a body that is no form")
    return known


async def _page_pairs(exchange: ClientExchange) -> list[tuple[str, str]]:
    """The fields of a form of ours, with their values.

    Raises:
        Refused: UNREAD_BODY for anything else of that type, most likely a file (`curl -d @FILE`): it would be lost.
    """
    try:
        body = await exchange.read_body(_PAGE_FORM_LIMIT)
    except Refused as refused:
        if refused.reason is Reason.TOO_LARGE:
            raise Refused(Reason.UNREAD_BODY, "a body that is larger than any form of ours") from None
        raise
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    if body and not (pairs and {name for name, _ in pairs} <= _PAGE_FIELDS):
        raise Refused(Reason.UNREAD_BODY, "a body that is no form of ours")
    return pairs


_token_of = lru_cache(4096)(LinkToken)
"""Tokens in use are read again and again; only well-formed ones are remembered."""


def _basic_password(text: str) -> str:
    """The password of HTTP Basic credentials (RFC 7617); the user name is ignored."""
    try:
        decoded = b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(Reason.CREDENTIALS_MALFORMED, "the Basic credentials are malformed") from None
    return decoded.partition(":")[2]
