"""Owns what somebody sees of the transfers that run now, and ending one of them.

Refuses to own the cut itself (`gateway.data.state.transfers`), and ending what a transfer came with (`revocations`):
whoever has the link may begin again.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.control.caller import Admitted, Reach
from gateway.control.deps import Process, Transfer
from gateway.control.usecases.journal import Journal
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Act
from gateway.core.said import phrase
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class RunningTransfers:
    """The use cases of transfers."""

    process: Process
    journal: Journal

    async def all(self, reach: Reach) -> Sequence[Transfer]:
        """Those within reach, the longest running first."""
        owner = None if reach.owner is None else str(reach.owner)
        running = await self.process.transfers()
        return sorted((one for one in running if owner in {None, one.owner}), key=lambda one: one.began_at)

    async def cut(self, caller: Admitted, transfer_id: str) -> Transfer:
        """End one.

        Raises:
            Refused: UNKNOWN_TOKEN, none within reach has this id, or not any more.
            DependencyDown: the audit trail is down and its posture closed; the transfer was cut.
        """
        found = next((one for one in await self.all(caller.reach) if one.id == transfer_id), None)
        if found is None or not await self.process.cut(found.id, found.owner):
            raise Refused(Reason.UNKNOWN_TOKEN, phrase("no_transfer", "no transfer that is running has this id"))
        place = f"{found.bucket}/{found.key}"
        await self.journal.note(caller.principal, Act.TRANSFER_CUT, found.principal, owner=found.owner, place=place)
        return found
