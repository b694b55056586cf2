"""Owns what `control.sts_roles` may say: which app a role stands for, and whose keys may take it.

Refuses to own the roles of web identities (`gateway.settings.identity`).
Law: who may take a role is always said; there is no default.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.core.issued import LONGEST_SESSION
from gateway.core.session_role import SessionRole
from gateway.schema.names import App
from gateway.schema.quantities import Duration
from gateway.settings.entry import Section
from gateway.settings.references import PrincipalPatterns

_SHORTEST_MAXIMUM = 3600.0


def _check_duration(value: float) -> float:
    if not _SHORTEST_MAXIMUM <= value <= LONGEST_SESSION:
        raise ValueError("must be from 1h to 12h")
    return value


RoleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@-]{1,64}$")]


class AssumableRole(Section):
    """A role: the app that it stands for, and whose keys may ask for it (AssumeRole)."""

    app: App
    who: PrincipalPatterns
    """Apps whose keys may take the role."""
    max_duration: Annotated[Duration, AfterValidator(_check_duration)] = _SHORTEST_MAXIMUM
    """How long a session may last at most, from 1h to 12h."""

    @property
    def terms(self) -> SessionRole:
        return SessionRole(self.app.name, self.who, self.max_duration)
