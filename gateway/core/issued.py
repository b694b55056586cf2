"""Owns a key with its secrets on its way to whoever asked for it, and the interface by which apps get short-lived ones.

Refuses to own how a key is made (`gateway.control.usecases.keys`) and how one is asked for elsewhere
(`gateway.stores.central`).

Law: nothing of a secret is in a repr, so that no log and no traceback shows one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from gateway.core.grant import Grant
from gateway.core.holders import Holder
from gateway.core.source import Source
from gateway.core.values import dataclass

SHORTEST_SESSION: Final = 900.0
LONGEST_SESSION: Final = 43200.0
"""Seconds; the bounds of DurationSeconds in the STS API."""


@dataclass(frozen=True, slots=True, repr=False)
class IssuedKey:
    """A key with its secrets, for the one answer that shows them; its repr shows none."""

    grant: Grant
    access_key_id: str
    secret_access_key: str
    session_token: str | None

    def __repr__(self) -> str:
        return f"IssuedKey({self.grant.id}, …)"


@dataclass(frozen=True, slots=True)
class LivingSession:
    """A key that lives, without its secrets: whose it is, and for what a sidecar had it issued."""

    id: str
    app: str
    source: Source


class SessionIssuer(Protocol):
    """Who makes short-lived keys: this gateway itself, or the central one that it follows."""

    async def issue_session(self, app: str, seconds: float, label: str, source: Source) -> IssuedKey:
        """A new key of this app that works only with its session token, and for so many seconds.

        It ends with its `source`, or with this gateway's own token at a central one.

        Raises:
            Refused: the issuer does not make keys of this app for whoever asks.
            DependencyDown: it cannot be reached, or cannot store the key.
        """
        ...


class LinkIssuer(Protocol):
    """Who makes a link's credentials."""

    async def issue_for_link(self, link: Grant, use: str, holder: Holder | None) -> IssuedKey:
        """A key that stands for this link; `use` is by what the use of the link is known that it is, and `holder` who
        proved to be one of the link's, where it has any.

        Raises:
            Refused: the issuer does not know such a link, or makes no keys of it.
            DependencyDown: it cannot be reached, or cannot store the key.
        """
        ...


class RemoteIssuer(SessionIssuer, LinkIssuer, Protocol):
    """A central gateway, which can be asked what it issued through this one. Raises DependencyDown as above."""

    async def sessions_through(self, address: str) -> Sequence[LivingSession]:
        """The living keys that were issued through this sidecar while it was known by this address."""
        ...

    async def end_sessions(self, ids: Sequence[str]) -> None:
        """Revoke those of them that are named; durable, and on its way to every replica, when this returns."""
        ...
