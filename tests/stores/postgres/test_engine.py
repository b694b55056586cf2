"""Replicas that start and work at the same time."""

from __future__ import annotations

import asyncio

from gateway.core.lease import Reservation, Settlement
from gateway.core.limits import Demand
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores.postgres.engine import open_postgres
from tests.contract.sample import NOW, link


async def test_replicas_that_start_together_make_one_schema(url: str) -> None:
    """Five gateways on an empty database all start."""
    states = await asyncio.gather(*(open_postgres(url) for _ in range(5)))
    await states[0].grants.create(link())
    assert len(await states[4].feed.since(0, 9)) == 1
    for state in states:
        await state.close()


async def test_opposite_orders_never_lock_up(url: str) -> None:
    """Demands on the same limits in any order, and edits beside revocations, all come to an end."""
    state = await open_postgres(url)
    grant = await state.grants.create(link())
    rate = Rate(1, 3600.0, 1000)
    demands = [Demand(name, rate) for name in "abc"]
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(state.limits.take(demands if n % 2 else demands[::-1], NOW) for n in range(40)),
            *(state.feed.revoke([RevocationTarget(FeedKind.OWNER, "app:billing")], NOW, "", "") for _ in range(20)),
            *(state.grants.save(grant) for _ in range(20)),
            *(state.leases.settle_bytes(Reservation("l_1", "k"), Settlement(1), NOW) for _ in range(20)),
            *(state.leases.open_lease(Reservation("l_1", "k"), None, NOW, 60) for _ in range(20)),
        )
    await state.close()
