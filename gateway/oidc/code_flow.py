"""Owns the way of a person to an issuer and back: OpenID Connect's authorization code flow, with PKCE.

Refuses to own whether the token that comes of it is good and whom it names (`IdentityVerifier`), the cookie that a
browser keeps meanwhile, and what somebody gets who came back.

Laws: what binds the way back to the browser that went (state), the token to the way (nonce) and the code to whoever
asks for it (PKCE) are each made of a secret in the browser's cookie, which is new for each way: nothing is kept here,
and any process can receive who comes back. The answer has to be of the issuer that was asked (RFC 9207).
Sources: OpenID Connect Core 1.0, 3.1; RFC 7636 (PKCE), RFC 9700 (best practice), RFC 6749, 2.3.1 and 4.1.
"""

from __future__ import annotations

import hmac
import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from gateway.core.identity import IdentityRules, IdentityVerifier, SignIn
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.token import hash_secret
from gateway.core.values import dataclass
from gateway.oidc.issuers import ask_issuer, discover, endpoint

_log: Final = logging.getLogger("gateway.oidc")
_UNHEARD: Final = (OSError, ValueError, LookupError, TypeError)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to an issuer and back: where the browser comes back to, letter by letter, and the secret in its cookie,
    "" if it has none."""

    back: str
    secret: str = field(repr=False)

    def derive(self, purpose: str) -> str:
        """A text for one purpose that only the browser that went, and we, can know."""
        digest = hash_secret(f"gateway sign-in {purpose} {self.secret}")
        return urlsafe_b64encode(digest).decode().rstrip("=")


async def begin_sign_in(rules: IdentityRules, way: Way, *, anew: bool = False) -> str:
    """Where to send the browser; `anew` has the issuer ask for the account, even if somebody is signed in there.

    Raises:
        DependencyDown: the issuer does not say where.
    """
    said = await _describe(rules)
    client = _client(rules)
    verifier = way.derive("verifier")
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": way.back,
        "scope": " ".join(client.scopes),
        "state": _state(rules, way),
        "nonce": way.derive("nonce"),
        "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
    } | ({"prompt": "select_account"} if anew else {})
    place = _endpoint(said, "authorization_endpoint")
    return f"{place}{'&' if '?' in place else '?'}{urlencode(asked, quote_via=quote)}"


async def end_sign_in(
    known: tuple[IdentityRules, ...], way: Way, sent: Mapping[str, str], identity: IdentityVerifier
) -> tuple[IdentityRules, Mapping[str, Any]]:
    """What is said of who comes back, and by which issuer.

    Raises:
        Refused: CREDENTIALS_MALFORMED, the way back is none; CREDENTIALS_MISSING, nobody came of it.
        DependencyDown: the issuer does not answer.
    """
    state = sent.get("state", "").encode()
    asked = [rules for rules in known if hmac.compare_digest(state, _state(rules, way).encode())]
    if not asked or not way.secret:
        raise Refused(Reason.CREDENTIALS_MALFORMED, "this sign-in was not begun in this browser: begin again")
    rules, said = asked[0], await _describe(asked[0])
    promised = said.get("authorization_response_iss_parameter_supported") is True
    if sent.get("iss", None if promised else rules.issuer) != rules.issuer:
        raise Refused(Reason.CREDENTIALS_MALFORMED, "the answer is another issuer's")
    if "code" not in sent:
        raise Refused(Reason.CREDENTIALS_MISSING, "nobody was signed in there")
    token = await _redeem(rules, said, way, sent["code"])
    claims = await identity.prove_sign_in(rules, token, way.derive("nonce"))
    if claims is None:
        raise Refused(Reason.CREDENTIALS_MISSING, "the issuer's token is not for this sign-in")
    return rules, claims


async def _redeem(rules: IdentityRules, said: Mapping[str, Any], way: Way, code: str) -> str:
    """The id token for a code. Raises as `end_sign_in` does."""
    client = _client(rules)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": way.back,
        "code_verifier": way.derive("verifier"),
    }
    headers = {"Accept": "application/json"}
    if client.secret is None:
        form["client_id"] = client.client_id
    elif "client_secret_basic" in said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
        pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": client.client_id, "client_secret": client.secret}
    try:
        answer = orjson.loads(await ask_issuer(rules, _endpoint(said, "token_endpoint"), headers, form))
        return str(answer["id_token"])
    except _UNHEARD as failure:
        _log.warning("a code was not redeemed by %s: %s", rules.issuer, type(failure).__name__)
        raise Refused(Reason.CREDENTIALS_MISSING, "the issuer did not confirm the sign-in: begin again") from None


def _state(rules: IdentityRules, way: Way) -> str:
    return way.derive(f"state {rules.issuer}")


def _client(rules: IdentityRules) -> SignIn:
    if rules.sign_in is None:
        raise Refused(Reason.UNSUPPORTED_OPERATION, "nobody signs in there")
    return rules.sign_in


async def _describe(rules: IdentityRules) -> dict[str, Any]:
    try:
        return await discover(rules)
    except _UNHEARD as failure:
        _log.warning("%s does not say where people sign in: %s", rules.issuer, type(failure).__name__)
        raise DependencyDown("grants", "the issuer does not answer") from None


def _endpoint(said: Mapping[str, Any], name: str) -> str:
    try:
        return endpoint(said, name)
    except (ValueError, LookupError):
        raise DependencyDown("grants", f"the issuer names no {name}") from None
