"""Owns what a link's page says of the uses and files that are left of it.

Refuses to own the counting (`gateway.core.lease`) and the page (`gateway.pages.links`).

Law: what is told is what the next request would be refused by. Asking takes nothing.
"""

from __future__ import annotations

from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused
from gateway.data.plane import DataPlane
from gateway.data.steps.reserve_intake import bytes_left, count_left
from gateway.pages.links import Receives


async def tell_intake(plane: DataPlane, grant: Grant) -> Receives:
    """What a link that takes files says of them.

    Raises:
        Refused: USED_UP.
    """
    lefts = (await uses_left(plane, grant), await count_left(plane.leases, grant))
    intake = grant.intake
    return Receives(
        max_size=grant.max_size,
        files_left=min((left for left in lefts if left is not None), default=None),
        bytes_left=await bytes_left(plane.leases, grant),
        types=intake.types,
        on_conflict=grant.on_conflict,
        message=intake.message,
        single=grant.scope is not None and grant.scope.key is not None,
        undo=intake.undo is not None,
    )


async def uses_left(plane: DataPlane, grant: Grant) -> int | None:
    """How many uses are left, None for any number.

    Raises:
        Refused: USED_UP when it is none.
    """
    if grant.uses is None:
        return None
    usage = (await plane.leases.usage([grant.id])).get(grant.id)
    left = grant.uses - (usage.uses if usage is not None else 0)
    if left <= 0:
        raise Refused(Reason.USED_UP, f"all {grant.uses} uses are taken")
    return left
