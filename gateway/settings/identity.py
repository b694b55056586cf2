"""Owns what `control.identity` may say: whose identity tokens are believed, which app each role stands for, and of
which users an issuer may speak.

Refuses to own verifying a token (`gateway.oidc.issuers`).
Law: an issuer speaks for many subjects, so a role always names the subjects that may take it, and users are always
named by a pattern; there is no default.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, StrictBool, ValidationInfo, WithJsonSchema, model_validator

from gateway.core.attempt import is_guarded
from gateway.core.identity import ALGORITHMS, IdentityRules, ProxyRules, PublicClient, Role, SignIn, UserRules
from gateway.core.pattern import NamePattern
from gateway.schema.names import App
from gateway.schema.texts import Text
from gateway.settings.entry import Section, one_or_more
from gateway.settings.files import Authorities, require_file
from gateway.settings.proxies import Proxy, expand_networks
from gateway.settings.secret import SecretRef

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)
_TAKEN = frozenset(
    {
        *("authorization", "cookie", "host", "connection", "content-length", "content-type", "transfer-encoding"),
        *("accept", "forwarded", "x-forwarded-for", "x-request-id", "if-match", "if-none-match", "idempotency-key"),
    }
)


def _check_issuer(value: str) -> str:
    if not (urlsplit(value).netloc and is_guarded(value)):
        raise ValueError("must be the issuer exactly as its tokens say it: an https URL")
    return value


def _parse_jwks(value: object, info: ValidationInfo) -> str | Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be the https URL or the file of a JSON Web Key Set")
    if "://" not in value:
        return require_file(value, info)
    parts = urlsplit(value)
    if not is_guarded(value):
        raise ValueError("must be an https URL: keys that anybody on the way can replace prove nothing")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise ValueError("must be an https URL without user name and password")
    return value


def _check_subject(value: str) -> str:
    if "*" in value[:-1] or value == "*":
        raise ValueError("a star stands at the end alone, after the text that the subjects have in common")
    return value


def _parse_user_pattern(value: object) -> NamePattern:
    if not isinstance(value, str) or not value or value == "*":
        raise ValueError("must say of which users: a name, or a pattern like *@acme.example")
    return NamePattern.parse(f"user:{value}")


def _parse_staff(value: object) -> NamePattern:
    if not isinstance(value, str) or value.partition(":")[0] not in {"user", "group"} or not value.partition(":")[2]:
        raise ValueError("must name users or groups: user:NAME, user:*@acme.example, group:NAME")
    return NamePattern.of(value)


def _require_openid(value: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in value:
        raise ValueError("does not ask for openid among the scopes: without it nobody is named")
    return value


def _parse_header(value: object) -> str:
    if not isinstance(value, str) or not _HEADER.fullmatch(value):
        raise ValueError("must be a header's name, like X-Forwarded-User")
    if value.lower() in _TAKEN or value.lower().startswith("x-amz-"):
        raise ValueError(f"{value} says something else already")
    return value.lower()


HeaderName = Annotated[
    str, PlainValidator(_parse_header), WithJsonSchema({"type": "string", "examples": ["X-Forwarded-User"]})
]
Subject = Annotated[Text, AfterValidator(_check_subject)]
Claim = Annotated[Text, Field(pattern=r"^[!-~]+$")]
RequestedScope = Annotated[Text, Field(pattern=r"^[!#-\[\]-~]+$")]
Scopes = Annotated[
    tuple[RequestedScope, ...], one_or_more(RequestedScope), Field(min_length=1), AfterValidator(_require_openid)
]
UserPattern = Annotated[NamePattern, PlainValidator(_parse_user_pattern), WithJsonSchema({"type": "string"})]
StaffPattern = Annotated[NamePattern, PlainValidator(_parse_staff), WithJsonSchema({"type": "string"})]
StaffPatterns = Annotated[tuple[StaffPattern, ...], one_or_more(StaffPattern)]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]


class ProxyUserSettings(Section):
    """A front proxy that signs people in says who they are: they act as `user:NAME`, without another credential."""

    header: HeaderName
    """Its value is the user's name. The proxy has to take it out of what callers send."""
    groups_header: HeaderName | None = None
    """Its value is the user's groups, with commas between them."""
    networks: Annotated[tuple[Proxy, ...], one_or_more(Proxy), Field(min_length=1)] = Field(
        alias="from",
        description="Whence it counts: the networks of the proxies, or `loopback`, `private`, `unix`.",
    )

    @model_validator(mode="after")
    def _tells_them_apart(self) -> ProxyUserSettings:
        if self.header == self.groups_header:
            raise ValueError("has one header for a user and for groups")
        return self

    @property
    def rules(self) -> ProxyRules:
        return ProxyRules(self.header, self.groups_header, expand_networks(self.networks), "unix" in self.networks)


class RoleSettings(Section):
    """Which users and groups are more than owners of their own."""

    admin: StaffPatterns = ()
    """They see and change everything."""
    audit: StaffPatterns = ()
    """They see everything and change nothing."""


class IdentityRole(Section):
    """A role that a workload may ask for."""

    app: App
    subjects: Annotated[tuple[Subject, ...], one_or_more(Subject), Field(min_length=1)]
    """The `sub` of the tokens that may take it; `system:serviceaccount:billing:*` is everybody in a namespace."""


class IdentityUsers(Section):
    """People who show an issuer's token as their bearer token: they act as `user:NAME`."""

    name: Claim = "email"
    """The claim that is the user's name. `email` counts only together with `email_verified: true`."""
    groups: Claim | None = None
    """The claim that lists the user's groups."""
    admit: Annotated[tuple[UserPattern, ...], one_or_more(UserPattern), Field(min_length=1)]
    """Of which users the issuer may speak, so that no issuer can name another's: `*@acme.example`."""

    @property
    def rules(self) -> UserRules:
        return UserRules(self.name, self.groups, self.admit)


class CliClientSettings(Section):
    """The command line signs people in at this issuer (`gateway login`): with PKCE through a browser of theirs, back to
    `http://127.0.0.1:PORT/callback` at any port, or by a device code."""

    client_id: Text
    """A public client: it has no secret, and everybody may know it."""
    scopes: Scopes = ("openid", "email", "profile")
    """What is asked for; `offline_access` beside them has many issuers let a sign-in be renewed."""


class SignInSettings(Section):
    """The console signs people in at this issuer: authorization code flow with PKCE, back to `/ui/callback`."""

    client_id: Text | None = None
    """Left out, it is the audience."""
    secret: SecretRef | None = None
    """Left out, the console is a public client, whom PKCE alone protects."""
    scopes: Scopes = ("openid", "email", "profile")
    label: Text | None = None
    """What the button says the issuer is called; left out, its host."""


class HolderSignInSettings(SignInSettings):
    """People whom a link is for (`holders` with `by: oidc`) sign in at this issuer, back to
    `data.public_url` + `/s/-/signed-in`."""

    admit: Annotated[tuple[UserPattern, ...], one_or_more(UserPattern), Field(min_length=1)]
    """Of which addresses the issuer may speak: `*@acme.example`; of everybody's, `*@*`."""
    groups: Claim | None = None
    """The claim that lists somebody's groups; left out, they are in none."""
    accept_unverified: StrictBool = False
    """Believe an address of which the issuer does not say whether it is the person's. Only for an issuer that lets
    nobody choose their own."""

    @property
    def rules(self) -> UserRules:
        return UserRules("email", self.groups, self.admit, self.accept_unverified)


class IdentitySettings(Section):
    """An issuer of OpenID Connect: of the tokens of workloads (AssumeRoleWithWebIdentity), of people, or of both."""

    issuer: Annotated[str, AfterValidator(_check_issuer)]
    """The tokens' `iss`, letter by letter."""
    jwks: (
        Annotated[
            str | Path,
            PlainValidator(_parse_jwks),
            WithJsonSchema({"type": "string", "examples": ["https://issuer.example.com/jwks"]}),
        ]
        | None
    ) = None
    """Where the issuer's public keys are: an https URL, or a file. Left out, the issuer is asked for it (discovery)."""
    audience: Text
    """What `aud` has to name, so that a token made for somebody else is worth nothing here."""
    users: IdentityUsers | None = None
    """Left out, no token of this issuer opens the control API."""
    cli: CliClientSettings | None = None
    """Left out, nobody signs in at this issuer with the command line."""
    sign_in: SignInSettings | None = None
    """Left out, the console offers no button for this issuer. Its users are those of `users`."""
    holders: HolderSignInSettings | None = None
    """Left out, nobody proves here that a link is for them. They need no entry among `users`."""
    algorithms: Annotated[tuple[Algorithm, ...], one_or_more(Algorithm), Field(min_length=1)] = ALGORITHMS
    """By which its tokens may be signed."""
    roles: Annotated[dict[str, IdentityRole], Field(min_length=1)] | None = None
    """By the last part of the role's name: `arn:aws:iam::000000000000:role/billing` asks for `billing`."""
    ca_file: Authorities | None = None
    """Certificate authorities to trust for `jwks` instead of the system's, PEM."""
    bearer: SecretRef | None = None
    """A token to show where the keys are fetched, for clusters that show them to known callers only: at the issuer's
    own host and at the URL in `jwks`, and nowhere that only the issuer's document names."""

    @model_validator(mode="after")
    def _says_for_what(self) -> IdentitySettings:
        if self.roles is None and self.users is None and self.holders is None:
            raise ValueError("believes an issuer for nothing: write roles, users or holders")
        if self.users is None and (self.cli is not None or self.sign_in is not None):
            raise ValueError("has people sign in at an issuer that may speak of none: write users")
        return self

    @property
    def public_client(self) -> PublicClient | None:
        if self.cli is None:
            return None
        return PublicClient(self.issuer, self.cli.client_id, self.audience, self.cli.scopes)

    @property
    def rules(self) -> IdentityRules:
        return IdentityRules(
            issuer=self.issuer,
            audience=self.audience,
            jwks=None if self.jwks is None else str(self.jwks),
            roles={name: Role(role.app.name, role.subjects) for name, role in (self.roles or {}).items()},
            users=None if self.users is None else self.users.rules,
            algorithms=self.algorithms,
            ca_file=None if self.ca_file is None else str(self.ca_file),
            bearer=None if self.bearer is None else self.bearer.resolve(),
            sign_in=None if self.sign_in is None else self._sign_in(self.sign_in),
        )

    @property
    def holder_rules(self) -> IdentityRules | None:
        """The same issuer, as those sign in there whom a link is for."""
        if self.holders is None:
            return None
        return replace(self.rules, roles={}, users=self.holders.rules, sign_in=self._sign_in(self.holders))

    def _sign_in(self, wanted: SignInSettings) -> SignIn:
        return SignIn(
            client_id=wanted.client_id or self.audience,
            secret=None if wanted.secret is None else wanted.secret.resolve(),
            scopes=wanted.scopes,
            label=wanted.label or urlsplit(self.issuer).netloc,
        )
