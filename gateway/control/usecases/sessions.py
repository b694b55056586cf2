"""Owns short-lived keys for apps: one an app at a time, handed out again until half its life is over.

Refuses to own how an app proves itself (`gateway.control.session_routes`), what a key is, and who makes it (a
`SessionIssuer`: this gateway, or the central one that it follows).

Law: a session that is known to be revoked is never handed out again; the next call has a new one made, which the policy
judges at every use like any other key. While the issuer or the store is down, the cached one is handed out until it
expires: should it have been revoked, it is refused where it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field
from typing import Final

from gateway.core.grant import Grant, GrantStore
from gateway.core.issued import IssuedKey, SessionIssuer
from gateway.core.reasons import DependencyDown
from gateway.core.source import Source
from gateway.core.values import dataclass

SESSION_LIFE: Final = 3600.0
"""Seconds; the default of AssumeRoleWithWebIdentity. SDKs ask again some minutes before the end."""

_ANSWER_SECONDS: Final = 1.0
"""Seconds that a caller with a cached session waits for the store to confirm it: SDKs wait two seconds in all."""

_BACKOFF_SECONDS: Final = 5.0
"""Seconds for which a store or issuer that did not answer is not asked again."""


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
            DependencyDown: neither the store nor the issuer answers, and no cached session is still valid.
        """
        async with self._locks.setdefault(app, asyncio.Lock()):
            cached = self._find_cached(app, source)
            if cached is None:
                return await self._renew(app, source)
            if self.clock() < self._down_until:
                return cached
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    return cached if await self._is_fresh(cached, source) else await self._renew(app, source)
            except (DependencyDown, TimeoutError) as failure:
                self._down_until = self.clock() + _BACKOFF_SECONDS
                cached = self._find_cached(app, source)
                if cached is None:
                    raise DependencyDown("grants", "the last session has ended, and no new one can be had") from failure
                return cached

    async def issue(self, app: str, seconds: float, label: str, source: Source) -> IssuedKey:
        """A new session key, which is not cached. Raises as `get_or_issue` does."""
        return await self.issuer.issue_session(app, seconds, label, source)

    async def _renew(self, app: str, source: Source) -> IssuedKey:
        key = await self.issue(app, SESSION_LIFE, "container credentials", source)
        self._cached[app, source] = key
        return key

    def _find_cached(self, app: str, source: Source) -> IssuedKey | None:
        """The cached session, if this process knows of no end to it."""
        cached = self._cached.get((app, source))
        if cached is None or self.clock() >= (cached.grant.expires_at or 0.0) or self.ended(cached.grant):
            self._cached.pop((app, source), None)
            return None
        return cached

    async def _is_fresh(self, cached: IssuedKey, source: Source) -> bool:
        """Whether it need not be replaced. One that is stored as revoked leaves the cache."""
        if self.clock() >= cached.grant.issued_at + SESSION_LIFE / 2:
            return False
        stored = await self.grants.find(cached.grant.hash)
        if stored is not None and stored.revoked_at is None:
            return True
        self._cached.pop((cached.grant.owner.name, source), None)
        return False
