"""Owns the counting of uses one by one, for stores that have no way of their own to count many.

Refuses to own what counts one (the engines' `LeaseStore`s).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.core.lease import LeaseStore, Reservation, Settlement, Use

_AT_ONCE: Final = 32


async def count_each(leases: LeaseStore, uses: Sequence[Use], window: float) -> None:
    """See `LeaseStore.count_uses`. Some at once, as one round trip is as good as many.

    Raises:
        DependencyDown: as the store does.
    """
    for start in range(0, len(uses), _AT_ONCE):
        await asyncio.gather(*[_count(leases, use, window) for use in uses[start : start + _AT_ONCE]])


async def _count(leases: LeaseStore, use: Use, window: float) -> None:
    mine = Reservation(use.grant_id, use.key)
    await leases.open_lease(mine, None, use.at, window)
    await leases.settle_bytes(mine, Settlement(use.moved), use.at)
