"""Owns short-lived keys for apps: one an app at a time, handed out again until half its life is over.

Refuses to own how an app proves itself (`gateway.control.session_routes`) and what a key is.

Law: a session that was revoked is never handed out again; the next call makes a new one, which the policy judges at
every use like any other key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.control.usecases.keys import IssuedKey, Keys
from gateway.core.attempt import Principal
from gateway.core.grant import Grant

__all__ = ["LONGEST_SESSION", "SESSION_LIFE", "SHORTEST_SESSION", "Sessions"]

SESSION_LIFE: Final = 3600.0
"""Seconds; the default of AssumeRoleWithWebIdentity. SDKs ask again some minutes before the end."""

SHORTEST_SESSION: Final = 900.0
LONGEST_SESSION: Final = 43200.0
"""The bounds of DurationSeconds in the STS API."""


@dataclass(slots=True)
class Sessions:
    """The session use cases. Keeps the last session of each app in memory, with its secrets, for half its life.

    `ended` is what this process's revocation view says of a key, beside what is stored of it.
    """

    keys: Keys
    clock: Callable[[], float]
    ended: Callable[[Grant], bool]
    _kept: dict[str, IssuedKey] = field(default_factory=dict)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def current(self, app: str) -> IssuedKey:
        """The app's session key, a new one if need be; parallel callers get the same one."""
        async with self._turns.setdefault(app, asyncio.Lock()):
            kept = self._kept.get(app)
            if kept is None or not await self._fresh(kept):
                kept = self._kept[app] = await self.begin(app, SESSION_LIFE, "container credentials")
            return kept

    async def begin(self, app: str, seconds: float, label: str) -> IssuedKey:
        """A new session key that nobody else gets."""
        return await self.keys.issue(Principal("app", app), app, label=label, expires_in=seconds, session=True)

    async def _fresh(self, kept: IssuedKey) -> bool:
        if self.clock() >= kept.grant.issued_at + SESSION_LIFE / 2:
            return False
        if self.ended(kept.grant):
            return False
        stored = await self.keys.grants.get(kept.grant.id)
        return stored is not None and stored.revoked_at is None
