"""Owns the proof behind a web identity token: whose signature it bears, for whom it was made, and who it speaks of.

Refuses to own where keys come from and what a subject may be (`gateway.oidc.issuers`).

Laws: only asymmetric signatures count, so that a public key is never taken for a shared secret and `none` for a proof;
issuer, audience, expiry and subject must all be there.
Sources: OpenID Connect Core 1.0, 3.1.3.7; RFC 7517 (keys), RFC 7519 (claims), RFC 8725 (what goes wrong).
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, Key, import_key
from joserfc.jws import extract_compact

from gateway.core.identity import IdentityRules

Keys = dict[str | None, Key]
"""Public keys by id; under None one that stands alone, which also answers for tokens that name none."""

_PUBLIC: Final = frozenset({"RSA", "EC", "OKP"})
_LEEWAY: Final = 60
"""Seconds that the issuer's clock may be off."""

_LATEST: Final = 253_402_300_799
"""The last second of the year 9999, behind which no calendar here goes."""

_UNREADABLE: Final = (JoseError, ValueError, TypeError, RecursionError, OverflowError)
"""What reading a stranger's token raises: JSON nests deeper than this process can follow, numbers have no end."""


def key_id(token: str) -> str | None:
    """The id of the key that a token says it was signed with: unproved, only to see whether we know that key."""
    try:
        found: object = extract_compact(token.encode()).headers().get("kid")
    except _UNREADABLE:
        return None
    return found if isinstance(found, str) else None


def issuer_of(token: str) -> str | None:
    """Who a token says made it: unproved, only to see whose keys and rules it has to be judged by."""
    try:
        found: object = orjson.loads(extract_compact(token.encode()).payload)
    except _UNREADABLE:
        return None
    issuer = found.get("iss") if isinstance(found, dict) else None
    return issuer if isinstance(issuer, str) else None


def claims_of(token: str, keys: Keys, rules: IdentityRules, now: int) -> dict[str, Any] | None:
    """What a good token says; None for every other text."""

    def chosen(guest: GuestProtocol) -> Key:
        found = keys.get(guest.headers().get("kid"))
        if found is None:
            raise JoseError("no key has this id")
        return found

    claims = jwt.JWTClaimsRegistry(
        now=now,
        leeway=_LEEWAY,
        iss={"essential": True, "value": rules.issuer},
        aud={"essential": True, "value": rules.audience},
        exp={"essential": True},
        sub={"essential": True},
    )
    try:
        found = jwt.decode(token, chosen, algorithms=rules.algorithms).claims
        claims.validate(found)
    except _UNREADABLE:
        return None
    if not isinstance(found["sub"], str) or not found["sub"] or not found["exp"] <= _LATEST:
        return None
    return found


def read_keys(text: bytes) -> Keys:
    """The public keys of a JSON Web Key Set.

    A key of a kind that is not known here is passed over, as RFC 7517, section 5, has it: the others are good.

    Raises:
        ValueError, LookupError, TypeError: no such set, or none of its keys can be read.
    """
    found: Keys = {}
    unreadable = 0
    for member in orjson.loads(text)["keys"]:
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
