"""Owns which app or user the bearer of an identity token may be, and how long an issuer's keys are believed.

Refuses to own the proof itself (`gateway.oidc.tokens`), what the answer looks like
(`gateway.control.session_routes`) and what the app may do.

Laws: keys are fetched when they are needed, and again at most every `_RETRY` seconds for a key id that is not among
them; meanwhile those that are known serve all others. No key is believed for longer than `_STALE` seconds. Our own
token for the issuer (`bearer`) is shown to the issuer's origin and at a URL that the settings name, never to a place
that only an answer named.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson
import structlog

from gateway.certificate_fault import certificate_fault
from gateway.core.attempt import is_guarded
from gateway.core.identity import IdentityRules, Proved, User
from gateway.core.reasons import DependencyDown
from gateway.trust import trust

if TYPE_CHECKING:
    from gateway.oidc.tokens import Keys

_log = structlog.get_logger("gateway.oidc")
_FRESH: Final = 300.0
_RETRY: Final = 30.0
_STALE: Final = 3600.0
"""Seconds: keys are asked for again after the first, and used for the last while the issuer does not answer."""

_FETCH_SECONDS: Final = 5.0
_LARGEST: Final = 256 * 1024


class _IssuerKeys:
    """The keys of one issuer, as long as they come from the same place."""

    def __init__(self, rules: IdentityRules, source: tuple[str | None, ...], clock: Callable[[], float]) -> None:
        self.rules, self.source = rules, source
        self._clock = clock
        self._turn = asyncio.Lock()
        self._keys: Keys = {}
        self._fetched = self._asked = -inf

    async def current(self, key_id: str | None) -> Keys:
        """The issuer's keys, as fresh as this key id needs them.

        Raises:
            DependencyDown: none could be had for too long.
        """
        if self._turn.locked() and key_id in self._keys and self._clock() < self._fetched + _STALE:
            return self._keys  # somebody else waits for an answer, maybe for a key that nobody has
        async with self._turn:
            now = self._clock()
            fresh = _RETRY if key_id is None else _FRESH  # the next key of an issuer without ids has none either
            known = key_id in self._keys and now < self._fetched + fresh
            if not known and now >= self._asked + _RETRY:
                self._asked = now
                try:
                    self._keys, self._fetched = await _fetch(self.rules), now
                except (OSError, ValueError, LookupError, TypeError) as failure:
                    _log.warning("the issuer's keys cannot be had", fault=_explain(failure))
            if now >= self._fetched + _STALE:
                raise DependencyDown("grants", "the issuer's keys cannot be had")
            return self._keys


class Identity:
    """An `IdentityVerifier`. `rules` is asked at every token, so that a reload takes effect; none accept no token.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, rules: Callable[[], Sequence[IdentityRules]], clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._issuers: dict[str, _IssuerKeys] = {}

    async def prove(self, token: str, role: str) -> Proved | None:
        """The app of this role and who takes it, if the token's subject may.

        Raises:
            DependencyDown: no issuer is configured, or the issuer's keys cannot be had.
        """
        if not self._rules():
            raise DependencyDown("grants", "no identity provider is configured")
        rules, claims = await self._read(token)
        wanted = None if rules is None else rules.roles.get(role)
        if rules is None or claims is None or wanted is None or not wanted.admits(claims["sub"]):
            return None
        return Proved(wanted.app, rules.issuer, rules.audience, claims["sub"])

    async def prove_user(self, token: str) -> User | None:
        """See `IdentityVerifier`."""
        rules, claims = await self._read(token)
        return None if rules is None or rules.users is None or claims is None else rules.users.user_of(claims)

    async def prove_sign_in(self, rules: IdentityRules, token: str, nonce: str) -> Mapping[str, Any] | None:
        """See `IdentityVerifier`. The token is made for the client that asked, not for callers of the API.

        OpenID Connect Core 1.0, 3.1.3.7: `azp`, where there is one, is that client.
        """
        if rules.sign_in is None:
            return None
        client = rules.sign_in.client_id
        claims = await self._claims(rules, token, client)
        if claims is None or claims.get("azp", client) != client:
            return None
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            return None
        return claims

    async def _read(self, token: str) -> tuple[IdentityRules | None, dict[str, Any] | None]:
        """The rules of the token's issuer, None if that is not believed; and the token's claims if it is good."""
        from gateway.oidc import tokens  # noqa: PLC0415 (ten megabytes: only who believes in tokens needs them)

        believed = {rules.issuer: rules for rules in self._rules()}
        rules = believed.get(tokens.issuer_of(token) or "")
        return rules, None if rules is None else await self._claims(rules, token, rules.audience)

    async def _claims(self, rules: IdentityRules, token: str, audience: str) -> dict[str, Any] | None:
        from gateway.oidc import tokens  # noqa: PLC0415 (as above)

        source = (rules.issuer, rules.jwks, rules.ca_file, rules.bearer)
        known = self._issuers.get(rules.issuer)
        if known is None or known.source != source:
            known = self._issuers[rules.issuer] = _IssuerKeys(rules, source, self._clock)
        keys = await known.current(tokens.key_id(token))
        return tokens.claims_of(token, keys, replace(rules, audience=audience), int(self._clock()))


def _explain(failure: Exception) -> str:
    """What went wrong, in words of ours where there are any."""
    return certificate_fault(failure) or (str(failure) if type(failure) is ValueError else type(failure).__name__)


async def _fetch(rules: IdentityRules) -> Keys:
    from gateway.oidc.tokens import read_keys  # noqa: PLC0415 (as above)

    jwks = rules.jwks or endpoint(await discover(rules), "jwks_uri")
    if "://" in jwks:
        return read_keys(await _download(rules, jwks))
    return read_keys(await asyncio.to_thread(Path(jwks).read_bytes))


async def discover(rules: IdentityRules) -> dict[str, Any]:
    """What the issuer says of itself (OpenID Connect Discovery 1.0, 4). Raises OSError, ValueError, LookupError."""
    said = orjson.loads(await _download(rules, f"{rules.issuer.rstrip('/')}/.well-known/openid-configuration"))
    if not isinstance(said, dict) or said["issuer"] != rules.issuer:
        raise ValueError("the document is another issuer's")
    return said


def endpoint(said: Mapping[str, Any], name: str) -> str:
    """A place that the issuer names. Raises ValueError, LookupError."""
    found = said[name]
    if not isinstance(found, str):
        raise ValueError(f"{name} is no URL")
    if not is_guarded(found):
        raise ValueError("what is there would come over a way on which it can be replaced")
    return found


async def _download(rules: IdentityRules, url: str) -> bytes:
    headers = {"Accept": "application/json"}
    if rules.bearer is not None and (url == rules.jwks or _origin(url) == _origin(rules.issuer)):
        headers["Authorization"] = f"Bearer {rules.bearer}"
    elif rules.bearer is not None:
        _log.warning(
            "the issuer's keys are at another host, which is not shown the token in bearer",
            host=urlsplit(url).netloc,
            advice="write the keys' URL as jwks if the token is for that host",
        )
    return await ask_issuer(rules, url, headers)


def _origin(url: str) -> tuple[str, str | None, int]:
    """Scheme, host and port (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


async def ask_issuer(
    rules: IdentityRules, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
) -> bytes:
    """What the issuer answers to a GET, or to a form. Raises OSError, ValueError: nothing, or no 200."""
    import aiohttp  # noqa: PLC0415 (as above)

    context = await asyncio.to_thread(trust, rules.ca_file)  # not on the loop, as the system's take long
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    method = "GET" if form is None else "POST"
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, url, data=form, headers=headers, ssl=context, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"the answer was {answer.status}")
            text = bytearray()
            async for chunk in answer.content.iter_any():
                text += chunk
                if len(text) > _LARGEST:
                    raise ValueError("the answer is too large")
            return bytes(text)
    except aiohttp.ClientError as failure:
        raise ValueError("no answer could be had") from failure
