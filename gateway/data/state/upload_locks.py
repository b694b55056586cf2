"""Owns the right to be the only request that writes to one unfinished upload.

Refuses to own what is written, and how replicas agree (`shared_hold`).

Laws: of two requests at once, one is refused. A holder whose client has fallen silent makes room for a newcomer, who is
most likely the same client on a new connection. Where the protocol says that a client never sends two at once, it makes
room at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from typing import Final

from gateway.core.limits import LimitStore
from gateway.core.reasons import Reason, Refused
from gateway.core.values import dataclass
from gateway.data.state.shared_hold import shared_hold
from gateway.data.state.transfers import Permit

_SILENT: Final = 2.0
_PARTING: Final = 5.0


@dataclass(slots=True)
class _Holder:
    permit: Permit
    seen: int = 0
    seen_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def silent(self, now: float) -> bool:
        """Whether the client has sent nothing since this was first asked, two seconds ago or more."""
        if self.seen_at is None or self.permit.exchange.bytes_in != self.seen:
            self.seen, self.seen_at = self.permit.exchange.bytes_in, now
            return False
        return self.permit.exchange.awaits_client and now - self.seen_at >= _SILENT


class UploadLocks:
    """The holders of this process, by name."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._holders: dict[str, _Holder] = {}
        self._monotonic = monotonic

    async def enter(self, name: str, permit: Permit, *, at_once: bool = False) -> None:
        """Become the holder; `at_once` in place of one whose client is not silent either.

        Raises:
            Refused: UPLOAD_BUSY.
        """
        await self.make_room(name, at_once=at_once)
        if name in self._holders:
            raise Refused(Reason.UPLOAD_BUSY, "another request writes to this upload")
        self._holders[name] = _Holder(permit)

    async def make_room(self, name: str, *, at_once: bool = False) -> None:
        """Cut a holder whose client has fallen silent, or any, and wait until what came of it is stored."""
        known = self._holders.get(name)
        if known is None or not (at_once or known.silent(self._monotonic())):
            return
        known.permit.cut(Reason.CLIENT_GONE if at_once else Reason.CLIENT_TOO_SLOW)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await known.ended.wait()

    def leave(self, name: str) -> None:
        self._holders.pop(name).ended.set()


@asynccontextmanager
async def lock_upload(
    locks: UploadLocks,
    limits: LimitStore,
    clock: Callable[[], float],
    permit: Permit,
    name: str,
    *,
    closed: bool,
    at_once: bool = False,
) -> AsyncIterator[None]:
    """Hold `name` for the length of the block, here and among the replicas that share `limits`.

    `closed` is the limit store's posture: whether no lock is given while it cannot answer. `at_once` is as for
    `UploadLocks.enter`.

    Raises:
        Refused: UPLOAD_BUSY while another request does.
        DependencyDown: the limit store cannot answer and its posture is closed.
    """
    await locks.enter(name, permit, at_once=at_once)
    busy = Refused(Reason.UPLOAD_BUSY, "another replica writes to this upload")
    try:
        async with shared_hold(limits, clock, f"upload:{name}", busy, closed=closed):
            yield
    finally:
        locks.leave(name)
