"""Owns what `control.identity` may say: whose web identity tokens are believed, and which app each role stands for.

Refuses to own verifying a token (`gateway.control.identity`).
Law: an issuer speaks for many subjects, so a role always names the subjects that may take it; there is no default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, PlainValidator, ValidationInfo, WithJsonSchema

from gateway.core.identity import IdentityRules, Role
from gateway.schema.names import App
from gateway.schema.texts import Text
from gateway.settings.entry import ENTRY, one_or_more
from gateway.settings.files import Authorities, require_file
from gateway.settings.secret import SecretRef

__all__ = ["IdentityRole", "IdentitySettings"]

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def _check_issuer(value: str) -> str:
    if urlsplit(value).scheme != "https" or not urlsplit(value).netloc:
        raise ValueError("must be the issuer exactly as its tokens say it: an https URL")
    return value


def _parse_jwks(value: object, info: ValidationInfo) -> str | Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be the https URL or the file of a JSON Web Key Set")
    if "://" not in value:
        return require_file(value, info)
    parts = urlsplit(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ValueError("must be an https URL: keys that anybody on the way can replace prove nothing")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise ValueError("must be an https URL without user name and password")
    return value


def _check_subject(value: str) -> str:
    if "*" in value[:-1] or value == "*":
        raise ValueError("a star stands at the end alone, after the text that the subjects have in common")
    return value


Subject = Annotated[Text, AfterValidator(_check_subject)]


class IdentityRole(BaseModel):
    """A role that a workload may ask for."""

    model_config = ENTRY

    app: App
    subjects: Annotated[tuple[Subject, ...], one_or_more(Subject), Field(min_length=1)]
    """The `sub` of the tokens that may take it; `system:serviceaccount:billing:*` is everybody in a namespace."""


class IdentitySettings(BaseModel):
    """Who may fetch keys with a web identity token (OpenID Connect), for central use: AssumeRoleWithWebIdentity."""

    model_config = ENTRY

    issuer: Annotated[str, AfterValidator(_check_issuer)]
    """The tokens' `iss`, letter by letter."""
    jwks: Annotated[
        str | Path,
        PlainValidator(_parse_jwks),
        WithJsonSchema({"type": "string", "examples": ["https://issuer.example.com/jwks"]}),
    ]
    """Where the issuer's public keys are: an https URL, or a file."""
    audience: Text
    """What `aud` has to name, so that a token made for somebody else is worth nothing here."""
    roles: Annotated[dict[str, IdentityRole], Field(min_length=1)]
    """By the last part of the role's name: `arn:aws:iam::000000000000:role/billing` asks for `billing`."""
    ca_file: Authorities | None = None
    """Certificate authorities to trust for `jwks` instead of the system's, PEM."""
    bearer: SecretRef | None = None
    """A token to show where the keys are fetched, for clusters that show them to known callers only."""

    @property
    def rules(self) -> IdentityRules:
        return IdentityRules(
            issuer=self.issuer,
            audience=self.audience,
            jwks=str(self.jwks),
            roles={name: Role(role.app.name, role.subjects) for name, role in self.roles.items()},
            ca_file=None if self.ca_file is None else str(self.ca_file),
            bearer=None if self.bearer is None else self.bearer.resolve(),
        )
