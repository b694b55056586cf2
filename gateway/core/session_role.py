"""Owns the roles that holders of keys may take: the app that each stands for, who may, and for how long.

Refuses to own the roles of web identities (`gateway.core.identity`).
Law: a role is given to the holders it names and to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.attempt import Principal
from gateway.core.pattern import NamePattern
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class SessionRole:
    """The app that the role stands for, whose keys may take it, and for how many seconds at most."""

    app: str
    who: tuple[NamePattern, ...]
    longest: float

    def admits(self, holder: Principal) -> bool:
        return any(pattern.matches(str(holder)) for pattern in self.who)


def app_for(roles: Mapping[str, SessionRole], role: str, holder: Principal) -> str | None:
    """The app that a role stands for when this holder of a key asks for it."""
    found = roles.get(role)
    return found.app if found is not None and found.admits(holder) else None
