"""Owns the proof behind a web identity token: whose signature it bears, for whom it was made, and who it speaks of.

Refuses to own what the answer looks like (`gateway.control.session_routes`) and what the app may do.

Laws: only asymmetric signatures count, so that a public key is never taken for a shared secret and `none` for a proof;
issuer, audience, expiry and subject must all be there; a role is given to the subjects it names and to nobody else.
Keys are fetched when they are needed, and again at most every `_RETRY` seconds for a key id that is not among them.
Sources: OpenID Connect Core 1.0, 3.1.3.7; RFC 7517 (keys), RFC 7519 (claims), RFC 8725 (what goes wrong).
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Final

import aiohttp
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, Key, import_key
from joserfc.jws import extract_compact

from gateway.control.deps import Proved
from gateway.core.reasons import DependencyDown

__all__ = ["Identity", "IdentityRules", "Role"]

_log = structlog.get_logger("gateway.control")
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
_FRESH: Final = 300.0
_RETRY: Final = 30.0
_STALE: Final = 3600.0
"""Seconds: keys are asked for again after the first, believed for the last while nobody answers."""

_LEEWAY: Final = 60
"""Seconds that the issuer's clock may be off."""

_FETCH_SECONDS: Final = 5.0
_LARGEST: Final = 256 * 1024
_PUBLIC: Final = frozenset({"RSA", "EC", "OKP"})


@dataclass(frozen=True, slots=True)
class Role:
    """The app that a role stands for; a subject that ends with a star means all that begin so."""

    app: str
    subjects: tuple[str, ...]

    def admits(self, subject: str) -> bool:
        return any(
            subject.startswith(pattern[:-1]) if pattern.endswith("*") else subject == pattern
            for pattern in self.subjects
        )


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Whom to believe, and about what. `jwks` is a URL or a file."""

    issuer: str
    audience: str
    jwks: str | Path
    roles: Mapping[str, Role]
    ca_file: Path | None = None
    bearer: str | None = field(default=None, repr=False)

    def app_of(self, issuer: str, audience: str, role: str, subject: str) -> str | None:
        """The app that this subject of a good token stands for in this role."""
        wanted = self.roles.get(role) if (issuer, audience) == (self.issuer, self.audience) else None
        return wanted.app if wanted is not None and wanted.admits(subject) else None


class Identity:
    """An `IdentityVerifier`. `rules` is asked at every token, so that a reload takes effect; None believes nobody.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, rules: Callable[[], IdentityRules | None], clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._turn = asyncio.Lock()
        self._source: IdentityRules | None = None
        self._keys: dict[str | None, Key] = {}
        self._fetched = self._asked = -inf

    async def prove(self, token: str, role: str) -> Proved | None:
        """The app of this role and who takes it, if the token's subject may.

        Raises:
            DependencyDown: nobody is believed, or the issuer's keys cannot be had.
        """
        rules = self._rules()
        if rules is None:
            raise DependencyDown("grants", "no identity provider is configured")
        subject = await self._subject(rules, token)
        wanted = rules.roles.get(role)
        if wanted is None or subject is None or not wanted.admits(subject):
            return None
        return Proved(wanted.app, rules.issuer, rules.audience, subject)

    async def _subject(self, rules: IdentityRules, token: str) -> str | None:
        """Whom a good token speaks of; None for every other text."""
        keys = await self._current(rules, _key_id(token))

        def chosen(guest: GuestProtocol) -> Key:
            found = keys.get(guest.headers().get("kid"))
            if found is None:
                raise JoseError("no key has this id")
            return found

        claims = jwt.JWTClaimsRegistry(
            now=int(self._clock()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": rules.issuer},
            aud={"essential": True, "value": rules.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            found = jwt.decode(token, chosen, algorithms=_ALGORITHMS).claims
            claims.validate(found)
        except (JoseError, ValueError, TypeError):
            return None
        subject: object = found["sub"]
        return subject if isinstance(subject, str) and subject else None

    async def _current(self, rules: IdentityRules, key_id: str | None) -> dict[str | None, Key]:
        """The issuer's keys, as fresh as this key id needs them.

        Raises:
            DependencyDown: none could be had for too long.
        """
        async with self._turn:
            now = self._clock()
            if rules != self._source:
                self._source, self._keys, self._fetched, self._asked = rules, {}, -inf, -inf
            known = key_id in self._keys and now < self._fetched + _FRESH
            if not known and now >= self._asked + _RETRY:
                self._asked = now
                try:
                    self._keys, self._fetched = await _fetch(rules), now
                except (OSError, ValueError, LookupError, TypeError, JoseError, aiohttp.ClientError) as failure:
                    _log.warning("the issuer's keys cannot be had", fault=type(failure).__name__)
            if now >= self._fetched + _STALE:
                raise DependencyDown("grants", "the issuer's keys cannot be had")
            return self._keys


def _key_id(token: str) -> str | None:
    """The id of the key that a token says it was signed with: unproved, only to see whether we know that key."""
    try:
        found: object = extract_compact(token.encode()).headers().get("kid")
    except (JoseError, ValueError):
        return None
    return found if isinstance(found, str) else None


async def _fetch(rules: IdentityRules) -> dict[str | None, Key]:
    """The public keys of a JSON Web Key Set by id; a lone key also answers for tokens that name none.

    A key of a kind that is not known here is passed over, as RFC 7517, section 5, has it: the others are good.
    """
    if isinstance(rules.jwks, Path):
        text = await asyncio.to_thread(rules.jwks.read_bytes)
    else:
        text = await _download(rules, rules.jwks)
    found: dict[str | None, Key] = {}
    unreadable = 0
    for member in json.loads(text)["keys"]:
        if isinstance(member, dict) and member.get("kty") in _PUBLIC and member.get("use", "sig") == "sig":
            try:
                found[member.get("kid")] = import_key(member)
            except (ValueError, LookupError, TypeError, JoseError):
                unreadable += 1
    if unreadable and not found:
        raise ValueError("no key of the set can be read")
    if len(found) == 1 and not unreadable:
        found[None] = next(iter(found.values()))
    return found


async def _download(rules: IdentityRules, url: str) -> bytes:
    context = ssl.create_default_context(cafile=rules.ca_file)
    headers = {"Accept": "application/json"}
    if rules.bearer is not None:
        headers["Authorization"] = f"Bearer {rules.bearer}"
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, headers=headers, ssl=context, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"the answer was {answer.status}")
        text = bytearray()
        async for chunk in answer.content.iter_any():
            text += chunk
            if len(text) > _LARGEST:
                raise ValueError("the answer is too large")
        return bytes(text)
