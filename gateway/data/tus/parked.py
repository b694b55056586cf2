"""Owns how much a link with limited uses may park in pieces that nothing has joined yet.

Refuses to own the pieces (`gateway.data.tus.handler`), and the counter: replicas meet in the limit store.

Law: pieces take no use before they are joined, so they are counted by size: what is begun within a day is at most twice
what all uses of the link, or its files and bytes, could store. A piece that was joined or ended gives its room back;
one that is left behind, when it has expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from gateway.core.grant import Grant
from gateway.core.limits import Demand
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.units import Rate
from gateway.data.plane import DataPlane, Snapshot
from gateway.wire.links.tus_state import UPLOAD_SECONDS

_UNIT: Final = 1024**2
_PIECES: Final = 100
"""As many as one upload may have, however small they are."""


async def park(plane: DataPlane, snapshot: Snapshot, grant: Grant, most: int | None, size: int | None) -> None:
    """Take room for a piece of `size` bytes, None if it is not known yet; `most` bytes are allowed in one upload.

    Raises:
        Refused: TOO_MANY_REQUESTS.
        DependencyDown: the limit store cannot answer and its posture is closed.
    """
    demand = _demand(grant, most, size)
    if demand is None:
        return
    verdict = await plane.take_limits(snapshot, [demand], plane.clock())
    if verdict is not None and not verdict.allowed:
        detail = "the link's uses could not store what lies about in pieces"
        raise Refused(Reason.TOO_MANY_REQUESTS, detail, retry_after=verdict.retry_after, verdict=verdict)


async def unpark(plane: DataPlane, grant: Grant, most: int | None, sizes: Iterable[int | None]) -> None:
    """Give the room of pieces back; a limit store that is down now does so by itself within a day."""
    for size in sizes:
        demand = _demand(grant, most, size)
        if demand is not None:
            with suppress(DependencyDown):
                await plane.limits.take([Demand(demand.key, demand.rate, -demand.cost)], plane.clock())


def _demand(grant: Grant, most: int | None, size: int | None) -> Demand | None:
    """None for a link whose uses and files are not counted: it may store as much as it likes."""
    counts = [count for count in (grant.uses, grant.intake.max_files) if count is not None]
    if not counts and grant.intake.total_bytes is None:
        return None
    key, files = f"pieces:{grant.id}", min(counts, default=1)
    if grant.intake.total_bytes is not None:
        most = min(most or grant.intake.total_bytes, grant.intake.total_bytes)
    if most is None:
        room = 2 * files * _PIECES
        return Demand(key, Rate(room, UPLOAD_SECONDS, room), 1)
    room = 2 * files * _units(most) + _PIECES
    return Demand(key, Rate(room, UPLOAD_SECONDS, room), _units(most if size is None else size))


def _units(size: int) -> int:
    return max(1, -(-size // _UNIT))
