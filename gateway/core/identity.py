"""Owns whose identity tokens are believed, which app a role stands for, and whom a token's claims speak of.

Refuses to own verifying a token (`gateway.oidc.issuers`).
Laws: a role is given to the subjects it names and to nobody else. An issuer names the users it may speak of, and none
of another issuer's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, NamedTuple, Protocol

from gateway.core.attempt import Principal
from gateway.core.pattern import NamePattern
from gateway.core.values import dataclass

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""Only asymmetric ones."""

_MOST_GROUPS: Final = 1000
_LONGEST_GROUP: Final = 256


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
class User:
    """Somebody whom an issuer speaks of, with the groups that it says they are in; `until` in seconds."""

    principal: Principal
    groups: tuple[str, ...]
    until: float | None


def groups_of(said: object) -> tuple[str, ...] | None:
    """The groups of a claim, sorted: a list of texts, or one text. None for anything else, and for more than fit."""
    texts = [said] if isinstance(said, str) else said
    if not isinstance(texts, list) or len(texts) > _MOST_GROUPS:
        return None
    if not all(isinstance(text, str) and 0 < len(text) <= _LONGEST_GROUP and text.isprintable() for text in texts):
        return None
    return tuple(sorted(set(texts)))


@dataclass(frozen=True, slots=True)
class UserRules:
    """Which claim names a user, which one their groups, and of which users the issuer may speak. `unverified`: it does
    not say of addresses whether it knows that they are the user's, and is believed without."""

    claim: str
    groups: str | None
    admit: tuple[NamePattern, ...]
    unverified: bool = False

    def said(self, claims: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
        """The name and the groups that the claims of a good token hold; None where they name nobody.

        An address counts as a name only if the issuer says that it is the user's (OpenID Connect Core 1.0, 5.7).
        """
        name = claims.get(self.claim)
        sure = self.claim != "email" or claims.get("email_verified", self.unverified) is True
        groups = () if self.groups is None else groups_of(claims.get(self.groups, []))
        return (name, groups) if isinstance(name, str) and sure and groups is not None else None

    def user_of(self, claims: Mapping[str, Any]) -> User | None:
        """Whom the claims of a good token speak of; None where they speak of nobody whom this issuer may name."""
        found = self.said(claims)
        try:
            principal = Principal.parse(f"user:{found[0]}" if found is not None else "")
        except ValueError:
            return None
        if found is None or not self.speaks_of(str(principal)):
            return None
        return User(principal, found[1], float(claims["exp"]))

    def speaks_of(self, principal: str) -> bool:
        """Whether the issuer may speak of this user."""
        return any(pattern.matches(principal) for pattern in self.admit)


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """Which headers name a user and their groups, in lower case, and from where they count; `socket`: a Unix socket."""

    header: str
    groups_header: str | None
    networks: tuple[IPv4Network | IPv6Network, ...]
    socket: bool = False


@dataclass(frozen=True, slots=True)
class PublicClient:
    """As which client, which needs no secret, people sign in at an issuer with a program of their own, and whom the
    tokens that are taken here have to be for."""

    issuer: str
    client_id: str
    audience: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignIn:
    """As which client people are sent to an issuer to sign in, and what the way there is called."""

    client_id: str
    secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Whom to believe, and about what. `jwks` is a URL or the path of a file; None has the issuer say where it is."""

    issuer: str
    audience: str
    jwks: str | None
    roles: Mapping[str, Role]
    ca_file: str | None = None
    bearer: str | None = field(default=None, repr=False)
    users: UserRules | None = None
    algorithms: tuple[str, ...] = ALGORITHMS
    sign_in: SignIn | None = None

    def app_of(self, issuer: str, audience: str, role: str, subject: str) -> str | None:
        """The app that this subject of a good token stands for in this role."""
        wanted = self.roles.get(role) if (issuer, audience) == (self.issuer, self.audience) else None
        return wanted.app if wanted is not None and wanted.admits(subject) else None


class Proved(NamedTuple):
    """The app that a role stands for, and who took it: whose subject, by a token for which audience."""

    app: str
    issuer: str
    audience: str
    subject: str


class IdentityVerifier(Protocol):
    """Proves who holds an identity token (OpenID Connect)."""

    async def prove(self, token: str, role: str) -> Proved | None:
        """As whom the token's subject may act when it asks for this role name; None if it may not.

        Raises:
            DependencyDown: the issuer's keys cannot be had.
        """
        ...

    async def prove_user(self, token: str) -> User | None:
        """Whom a good token of an issuer that may speak of users names; None for every other text. Raises as above."""
        ...

    async def prove_sign_in(self, rules: IdentityRules, token: str, nonce: str) -> Mapping[str, Any] | None:
        """What the id token says that this issuer gave for a sign-in with this nonce; None for another one.
        Raises as above."""
        ...
