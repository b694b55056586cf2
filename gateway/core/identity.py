"""Owns whose web identity tokens are believed, and which app a role stands for.

Refuses to own verifying a token (`gateway.control.identity`).
Law: a role is given to the subjects it names and to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["IdentityRules", "Role"]


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
    """Whom to believe, and about what. `jwks` is a URL or the path of a file."""

    issuer: str
    audience: str
    jwks: str
    roles: Mapping[str, Role]
    ca_file: str | None = None
    bearer: str | None = field(default=None, repr=False)

    def app_of(self, issuer: str, audience: str, role: str, subject: str) -> str | None:
        """The app that this subject of a good token stands for in this role."""
        wanted = self.roles.get(role) if (issuer, audience) == (self.issuer, self.audience) else None
        return wanted.app if wanted is not None and wanted.admits(subject) else None
