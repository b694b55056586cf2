"""What replicas on one store have to agree upon, whichever engine it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.core.lease import Reservation
from gateway.core.limits import Demand
from gateway.core.units import Rate
from gateway.stores.engine import Engine
from tests.contract.sample import NOW


async def share_exactly(open_replica: Callable[[], Awaitable[Engine]]) -> None:
    """Four replicas at once get exactly the uses of a link and exactly the burst of a limit."""
    states = [await open_replica() for _ in range(4)]
    leases = await asyncio.gather(
        *(
            state.leases.open_lease(Reservation("l_1", f"{at} {n}"), 30, NOW, 60)
            for at, state in enumerate(states)
            for n in range(20)
        )
    )
    assert 30 == sum(lease is not None for lease in leases)
    verdicts = await asyncio.gather(
        *(state.limits.take([Demand("a", Rate(1, 3600.0, 25))], NOW) for state in states for _ in range(20))
    )
    assert 25 == sum(verdict.allowed for verdict in verdicts)
    for state in states:
        await state.close()
