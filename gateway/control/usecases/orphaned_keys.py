"""Owns the revocation of short-lived keys whose source is gone: an app's entry, a sidecar's token, an identity's role.

Refuses to own what counts as gone (`gateway.core.source`) and when this runs (`gateway.app`: at the start, and after
each reload of the settings).

Law: they end as every key does, by a revocation, so that every replica and every sidecar learns of it and their running
transfers are cut. A sidecar judges what it had issued itself, and has it ended where it was issued. Running it again
changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.control.deps import Live, Stores
from gateway.control.usecases.grants import list_living, repeat_until_done
from gateway.control.usecases.journal import Journal
from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter, GrantKind
from gateway.core.issued import RemoteIssuer
from gateway.core.record import Act
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.source import Sources
from gateway.core.values import dataclass

_AGAIN: Final = 5.0
_BY: Final = Principal("admin", "settings")
_COMPLAINT: Final = "keys whose source is gone could not be ended yet: %s"
_REASON: Final = "what the key came from has ended"


@dataclass(frozen=True, slots=True)
class OrphanedKeys:
    """`sources` is what the settings in force name."""

    stores: Stores
    live: Live
    journal: Journal
    sources: Callable[[], Sources]

    async def watch(self, changed: asyncio.Event) -> None:
        """End them now and whenever `changed` is set, until cancelled; each time once more a little later, for a key
        that was being issued meanwhile."""
        while True:
            changed.clear()
            await repeat_until_done(self.revoke_all, _COMPLAINT)
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN):
                    await changed.wait()
                continue
            await repeat_until_done(self.revoke_all, _COMPLAINT)
            await changed.wait()

    async def revoke_all(self) -> int:
        """Revoke every living key that has outlived its source; returns how many.

        Raises:
            DependencyDown: a store, or the central gateway, cannot answer; what was revoked stays so.
        """
        issuer = self.stores.issuer
        return await (self._revoke_here() if issuer is None else self._revoke_through(issuer))

    async def _revoke_through(self, issuer: RemoteIssuer) -> int:
        sources = self.sources()
        living = await issuer.sessions_through(sources.address)
        ended = [session.id for session in living if sources.gone(session.source, session.app)]
        if ended:
            await issuer.end_sessions(ended)
            await self.live.apply_now()
        return len(ended)

    async def _revoke_here(self) -> int:
        sources = self.sources()
        keys = GrantFilter(now=self.live.clock(), kind=GrantKind.KEY)
        orphaned = [
            grant.id
            async for grant in list_living(self.stores.grants, keys)
            if grant.source and sources.outlived(grant)
        ]
        if not orphaned:
            return 0
        targets = [RevocationTarget(FeedKind.KEY, name) for name in orphaned]
        await self.stores.feed.revoke(targets, self.live.clock(), _REASON, str(_BY))
        await self.live.apply_now()
        await self.journal.note_all(_BY, Act.KEY_REVOKE, {name: {"reason": _REASON} for name in orphaned})
        return len(orphaned)
