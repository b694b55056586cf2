"""Owns what an upload takes of the files and bytes that its link may receive, beside the link's uses.

Refuses to own the counting (`gateway.core.lease`) and the uses themselves (`gateway.data.steps.reserve`).

Laws: a file is taken before its first byte, and given back if it was not stored; its bytes are reserved before they
come. What is counted in the end is what was stored, however often it was sent.
"""

from __future__ import annotations

from gateway.core.grant import Grant
from gateway.core.lease import UNUSED, LeaseStore, Reservation, Room, Settlement, Usage
from gateway.core.reasons import Reason, Refused
from gateway.data.state.transfers import Permit
from gateway.shielded import shield


async def take_file(leases: LeaseStore, permit: Permit, key: str, window: float) -> None:
    """Take one of the files that the permit's link may receive; those with the same `key` are one, for so long.

    Raises:
        Refused: USED_UP.
    """
    if permit.grant is not None and permit.grant.intake.counted:
        await shield(_take_file(leases, permit, permit.grant, key, window))


async def _take_file(leases: LeaseStore, permit: Permit, grant: Grant, key: str, window: float) -> None:
    mine = Reservation(grant.intake_id, key, permit.name)
    if await leases.open_lease(mine, grant.intake.max_files, permit.attempt.now, window) is None:
        raise Refused(Reason.USED_UP, f"all {grant.intake.max_files} files have come")
    permit.intake = mine


async def count_left(leases: LeaseStore, grant: Grant) -> int | None:
    """How many files a link may still receive, None for any number.

    Raises:
        Refused: USED_UP when it is none, or no byte.
    """
    await bytes_left(leases, grant)
    most = grant.intake.max_files
    if most is None:
        return None
    left = most - (await _received(leases, grant)).uses
    if left <= 0:
        raise Refused(Reason.USED_UP, f"all {most} files have come")
    return left


async def bytes_left(leases: LeaseStore, grant: Grant) -> int | None:
    """How many bytes a link may still receive, None for any number.

    Raises:
        Refused: USED_UP when it is none.
    """
    most = grant.intake.total_bytes
    if most is None:
        return None
    left = most - (await _received(leases, grant)).moved
    if left <= 0:
        raise Refused(Reason.USED_UP, "as many bytes have come as the link may receive")
    return left


async def _received(leases: LeaseStore, grant: Grant) -> Usage:
    return (await leases.usage([grant.intake_id])).get(grant.intake_id, UNUSED)


async def claim_received(leases: LeaseStore, permit: Permit, mine: Reservation, wanted: int, least: int) -> int:
    """Reserve bytes of what a link may receive, `least` where `wanted` are not left; returns how many.

    Raises:
        Refused: TOO_LARGE when so many are not left, USED_UP when none is.
    """
    grant = permit.grant
    if grant is None or grant.intake.total_bytes is None:
        return wanted
    for size in sorted({wanted, least}, reverse=True):
        if await shield(leases.reserve_bytes(mine, size, budget=grant.intake.total_bytes)) is Room.TAKEN:
            return size
    await bytes_left(leases, grant)
    raise Refused(Reason.TOO_LARGE, "the link may not receive so many bytes more")


async def settle_received(leases: LeaseStore, permit: Permit, mine: Reservation, now: float) -> None:
    """Correct the counters to what was stored. A resumable upload that ends unfinished gives its file back."""
    accepted = permit.accepted if permit.accepted is not None else permit.moved if permit.consumed else 0
    if permit.consumed:
        await leases.settle_bytes(mine, Settlement(0, keeps=permit.upload is None), now)
    else:
        await leases.give_back(mine)
    if accepted:
        await leases.settle_bytes(Reservation(mine.grant_id), Settlement(accepted), now)
