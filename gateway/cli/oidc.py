"""Owns what the command line says to an OpenID Connect issuer: where its doors are, codes, devices, tokens, renewal.

Refuses to own the browser's way back (`gateway.cli.loopback`), where tokens are kept (`gateway.cli.sign_ins`) and their
signature: the control API proves it at every call.

Laws: an answer counts only if it is to this question (state, nonce, PKCE with S256) and of this issuer (`iss`). Nothing
is sent but over TLS or to this machine, no redirect is followed, and no error that is shown holds a secret.
Sources: OpenID Connect Core 1.0 and Discovery 1.0; RFC 7636 (PKCE), 8252 (native apps), 8628 (devices), 9207 (`iss`).
"""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from gateway.cli.contexts import LOCAL_HOSTS
from gateway.cli.output import Exit, fail, make_one_line
from gateway.core.identity import PublicClient
from gateway.core.values import dataclass

_TIMEOUT: Final = 20.0
_LARGEST: Final = 1 << 20
_LEEWAY: Final = 60.0
_INTERVAL: Final = 5.0
"""Seconds between two questions, and how many more each time an issuer says so (RFC 8628, 3.5)."""

_DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class Issuer:
    """What an issuer says of itself. `names_itself`: each of its answers holds `iss`."""

    offer: PublicClient
    ca_file: str | None
    authorization: str | None
    token: str
    device: str | None
    revocation: str | None
    names_itself: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token that the control API takes, when it ends, whom it speaks of, and what renews it."""

    token: str = field(repr=False)
    ends: float
    subject: str
    refresh: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class AuthorizationRequest:
    """One question to an issuer through a browser; its three secrets are made for it and used once."""

    issuer: Issuer
    back: str
    state: str
    nonce: str
    verifier: str

    @property
    def address(self) -> str:
        """Where the browser asks it."""
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.issuer.offer.client_id,
            "redirect_uri": self.back,
            "scope": " ".join(self.issuer.offer.scopes),
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        door = self.issuer.authorization or ""
        return f"{door}{'&' if urlsplit(door).query else '?'}{urlencode(asked)}"

    def read_answer(self, query: str) -> str:
        """The code of the answer that a browser brought.

        Raises:
            click.exceptions.Exit: it is to another question, of another issuer, or a refusal.
        """
        pairs = parse_qsl(query, keep_blank_values=True)
        said = dict(pairs)
        if len(said) != len(pairs):
            fail("The answer says something twice: nobody is signed in.")
        if not hmac.compare_digest(said.get("state", "").encode(), self.state.encode()):
            fail("The answer is to another question (state): nobody is signed in.")
        whose = said.get("iss")
        if whose != self.issuer.offer.issuer and (whose is not None or self.issuer.names_itself):
            fail("The answer is of another issuer (iss): nobody is signed in.")
        if "error" in said:
            fail(f"The issuer refuses: {_describe(said)}.")
        if not said.get("code"):
            fail("The answer holds no code: nobody is signed in.")
        return said["code"]


def discover(offer: PublicClient, ca_file: str | None) -> Issuer:
    """Ask an issuer where its doors are.

    Raises:
        click.exceptions.Exit: it does not answer, or speaks of another issuer or of doors without TLS.
    """
    status, said = _ask(f"{offer.issuer.rstrip('/')}/.well-known/openid-configuration", None, ca_file)
    if status != 200 or said.get("issuer") != offer.issuer:
        fail(f"{offer.issuer} does not say of itself that it is this issuer.", Exit.UNREACHABLE)
    methods = said.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        fail(f"{offer.issuer} has no PKCE with S256.")
    doors = {
        name: said.get(f"{name}_endpoint") for name in ("authorization", "token", "device_authorization", "revocation")
    }
    for door in doors.values():
        if door is not None:
            _require_safe(door)
    if doors["token"] is None:
        fail(f"{offer.issuer} names no token endpoint.")
    return Issuer(
        offer,
        ca_file,
        doors["authorization"],
        doors["token"],
        doors["device_authorization"],
        doors["revocation"],
        said.get("authorization_response_iss_parameter_supported") is True,
    )


def exchange_code(question: AuthorizationRequest, code: str) -> Tokens:
    """The tokens for a code.

    Raises:
        click.exceptions.Exit: the issuer refuses, or what it gives is not for this question or this gateway.
    """
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": question.back}
    said = _ask_for_tokens(question.issuer, form | {"code_verifier": question.verifier})
    claims = _claims_of(said.get("id_token"))
    if claims is None or not hmac.compare_digest(str(claims.get("nonce")).encode(), question.nonce.encode()):
        fail("The issuer's token is the answer to another question (nonce): nobody is signed in.")
    return _choose(said, question.issuer.offer)


def ask_on_a_device(
    issuer: Issuer,
    *,
    show: Callable[[str, str], None],
    wait: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Tokens:
    """The tokens of somebody who types a code in a browser elsewhere; `show` is given the address and the code.

    Raises:
        click.exceptions.Exit: the issuer has no such way, refuses, or nobody came in time.
    """
    if issuer.device is None:
        fail(f"{issuer.offer.issuer} has no device flow: leave --device out.")
    form = {"client_id": issuer.offer.client_id, "scope": " ".join(issuer.offer.scopes)}
    status, said = _ask(issuer.device, form, issuer.ca_file)
    try:
        code, shown, address = (str(said[name]) for name in ("device_code", "user_code", "verification_uri"))
        ends, pause = monotonic() + float(said["expires_in"]), float(said.get("interval", _INTERVAL))
    except (KeyError, TypeError, ValueError):
        fail(f"The issuer refuses: {_describe(said)}." if status != 200 else "The issuer's answer names no code.")
    show(make_one_line(str(said.get("verification_uri_complete") or address)), make_one_line(shown))
    while True:
        wait(max(pause, 1.0))
        if monotonic() >= ends:
            fail("Nobody came in time: try again.")
        status, said = _ask(
            issuer.token, {**form, "grant_type": _DEVICE, "device_code": code}, issuer.ca_file, retry=True
        )
        if status == 200:
            return _choose(said, issuer.offer)
        match said.get("error"):
            case "authorization_pending":
                pass
            case "slow_down":
                pause += _INTERVAL
            case None:  # no answer of the issuer's: less often, as RFC 8628 has it
                pause *= 2
            case "expired_token":
                fail("Nobody came in time: try again.")
            case _:
                fail(f"The issuer refuses: {_describe(said)}.")


def renew(issuer: Issuer, before: Tokens) -> Tokens | None:
    """Newer tokens for the same person; None when the issuer gives them none any more.

    Raises:
        click.exceptions.Exit: it does not answer, or answers with somebody else's.
    """
    if before.refresh is None:
        return None
    status, said = _ask(
        issuer.token,
        {"grant_type": "refresh_token", "refresh_token": before.refresh, "client_id": issuer.offer.client_id},
        issuer.ca_file,
    )
    if status != 200:
        return None
    found = _choose({"refresh_token": before.refresh, **said}, issuer.offer)
    if found.subject != before.subject:
        fail("The issuer renewed somebody else's token: gateway logout, then gateway login.")
    return found


def withdraw(issuer: Issuer, tokens: Tokens) -> bool:
    """Whether the issuer took back what renews a token (RFC 7009)."""
    if issuer.revocation is None or tokens.refresh is None:
        return False
    form = {"token": tokens.refresh, "token_type_hint": "refresh_token", "client_id": issuer.offer.client_id}
    return _ask(issuer.revocation, form, issuer.ca_file, retry=True)[0] == 200


def _ask_for_tokens(issuer: Issuer, form: Mapping[str, str]) -> dict[str, Any]:
    status, said = _ask(issuer.token, {**form, "client_id": issuer.offer.client_id}, issuer.ca_file)
    if status != 200:
        fail(f"The issuer refuses: {_describe(said)}.")
    return said


def _choose(said: Mapping[str, Any], offer: PublicClient) -> Tokens:
    """The token of an answer that the control API takes: of this issuer, for its audience, not over.

    An id token is for its client, an access token for whom the issuer was told to make it.
    """
    for name in ("id_token", "access_token"):
        claims = _claims_of(said.get(name))
        if claims is None:
            continue
        audience = claims.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        ends, subject = claims.get("exp"), claims.get("sub")
        if claims.get("iss") != offer.issuer:
            fail("The issuer's token is of another issuer (iss): nobody is signed in.")
        if name == "id_token" and offer.client_id not in {*meant, claims.get("azp")}:
            fail("The issuer's token is for another client (aud): nobody is signed in.")
        if offer.audience in meant and isinstance(ends, int | float) and ends + _LEEWAY > time.time():
            refresh = said.get("refresh_token")
            return Tokens(said[name], float(ends), str(subject), refresh if isinstance(refresh, str) else None)
    return fail(
        f"The issuer gave no token for {offer.audience!r}: have it name that in `aud`, "
        "or let control.identity[].audience be the command line's client id."
    )


def _claims_of(token: object) -> dict[str, Any] | None:
    """What a JWT says, unproved; None for any other text."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        return None
    try:
        found = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _ask(
    url: str, form: Mapping[str, str] | None, ca_file: str | None, *, retry: bool = False
) -> tuple[int, dict[str, Any]]:
    """The status and the JSON object of an answer, `{}` where it holds none; with `retry`, (0, {}) where there is none.

    Raises:
        click.exceptions.Exit: there is no answer, or nobody may be asked this way.
    """
    import ssl
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    _require_safe(url)
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    proxies = [ProxyHandler({})] if urlsplit(url).hostname in LOCAL_HOSTS else []
    opener = build_opener(Stay, HTTPSHandler(context=context), *proxies)
    request = Request(url, None if form is None else urlencode(form).encode(), {"Accept": "application/json"})  # noqa: S310 (as required above)
    try:
        try:
            with opener.open(request, timeout=_TIMEOUT) as answer:
                status, text = answer.status, answer.read(_LARGEST)
        except HTTPError as error:
            with error:
                status, text = error.code, error.read(_LARGEST)
    except (OSError, HTTPException) as error:
        if retry:
            return 0, {}
        fail(
            f"{urlsplit(url).netloc} does not answer ({getattr(error, 'reason', None) or type(error).__name__}).",
            Exit.UNREACHABLE,
        )
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return status, found if isinstance(found, dict) else {}


def _require_safe(url: object) -> None:
    """Raises click.exceptions.Exit for an address on the way to which others can read or answer."""
    try:
        shown = isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url
        parts = urlsplit(str(url) if shown else "")
        safe = bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL_HOSTS)
        )
    except ValueError:
        safe = False
    if not safe:
        fail(f"{url!r} is no https address: nobody signs in there.")


def _describe(said: Mapping[str, Any]) -> str:
    """What an issuer says of an error; its own words, on one line."""
    words = [str(said.get(name)) for name in ("error", "error_description") if said.get(name)]
    return make_one_line(" ".join(": ".join(words).split()) or "it does not say why")[:300].rstrip(". ")
