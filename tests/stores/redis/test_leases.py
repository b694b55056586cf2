"""Uses and limits that replicas share exactly."""

from __future__ import annotations

import asyncio

from gateway.core.lease import Reservation
from gateway.core.limits import Demand
from gateway.core.units import Rate
from gateway.stores.redis.engine import open_redis
from tests.contract.sample import NOW


async def test_replicas_share_uses_and_limits_exactly(url: str) -> None:
    """Four replicas at once get exactly the uses of a link and exactly the burst of a limit."""
    states = [await open_redis(url) for _ in range(4)]
    leases = await asyncio.gather(
        *(
            state.leases.open_lease(Reservation("l_1", f"{at} {n}"), 30, NOW, 60)
            for at, state in enumerate(states)
            for n in range(20)
        )
    )
    assert sum(lease is not None for lease in leases) == 30
    verdicts = await asyncio.gather(
        *(state.limits.take([Demand("a", Rate(1, 3600.0, 25))], NOW) for state in states for _ in range(20))
    )
    assert sum(verdict.allowed for verdict in verdicts) == 25
    for state in states:
        await state.close()
