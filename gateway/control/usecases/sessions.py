"""Owns short-lived keys for apps: one an app at a time, handed out again until half its life is over.

Refuses to own how an app proves itself (`gateway.control.session_routes`), what a key is, and who makes it (a
`SessionIssuer`: this gateway, or the central one that it follows).

Law: a session that is known to be revoked is never handed out again; the next call has a new one made, which the policy
judges at every use like any other key. While nobody can be asked, the last one is handed out until it ends: should it
be revoked, it is refused where it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.core.grant import Grant, GrantStore
from gateway.core.issued import IssuedKey, SessionIssuer
from gateway.core.reasons import DependencyDown
from gateway.core.source import Source

__all__ = ["SESSION_LIFE", "Sessions"]

SESSION_LIFE: Final = 3600.0
"""Seconds; the default of AssumeRoleWithWebIdentity. SDKs ask again some minutes before the end."""

_ANSWER_SECONDS: Final = 1.0
"""Seconds that whoever can be given the last one waits for word of it: SDKs give container credentials two."""

_BACKOFF_SECONDS: Final = 5.0
"""Seconds for which nobody is asked again who did not answer."""


@dataclass(slots=True)
class Sessions:
    """The session use cases. Keeps the last session of each app and source in memory, with its secrets, while it lives.

    `ended` is what this process's revocation view says of a key, beside what is stored of it.
    """

    grants: GrantStore
    issuer: SessionIssuer
    clock: Callable[[], float]
    ended: Callable[[Grant], bool]
    _cached: dict[tuple[str, Source], IssuedKey] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _down_until: float = 0.0

    async def get_or_issue(self, app: str, source: Source) -> IssuedKey:
        """The app's session key from this source, a new one if need be; parallel callers get the same one.

        Raises:
            Refused: the issuer makes no keys of this app.
            DependencyDown: nobody can be asked, and there is none that still lives.
        """
        async with self._locks.setdefault(app, asyncio.Lock()):
            kept = self._find_cached(app, source)
            if kept is None:
                return await self._renew(app, source)
            if self.clock() < self._down_until:
                return kept
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    return kept if await self._is_fresh(kept, source) else await self._renew(app, source)
            except (DependencyDown, TimeoutError) as failure:
                self._down_until = self.clock() + _BACKOFF_SECONDS
                kept = self._find_cached(app, source)
                if kept is None:
                    raise DependencyDown("grants", "the last session has ended, and no new one can be had") from failure
                return kept

    async def issue(self, app: str, seconds: float, label: str, source: Source) -> IssuedKey:
        """A new session key that nobody else gets. Raises as `get_or_issue` does."""
        return await self.issuer.issue_session(app, seconds, label, source)

    async def _renew(self, app: str, source: Source) -> IssuedKey:
        key = await self.issue(app, SESSION_LIFE, "container credentials", source)
        self._cached[app, source] = key
        return key

    def _find_cached(self, app: str, source: Source) -> IssuedKey | None:
        """The session that is kept, as far as this process knows that it still works."""
        kept = self._cached.get((app, source))
        if kept is None or self.clock() >= (kept.grant.expires_at or 0.0) or self.ended(kept.grant):
            self._cached.pop((app, source), None)
            return None
        return kept

    async def _is_fresh(self, kept: IssuedKey, source: Source) -> bool:
        """Whether it need not be replaced. One that is stored as revoked is not kept any longer."""
        if self.clock() >= kept.grant.issued_at + SESSION_LIFE / 2:
            return False
        stored = await self.grants.find(kept.grant.hash)
        if stored is not None and stored.revoked_at is None:
            return True
        self._cached.pop((kept.grant.owner.name, source), None)
        return False
