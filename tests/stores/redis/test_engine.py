"""Counters that leave by themselves, and scripts that a server forgot."""

from __future__ import annotations

from gateway.core.lease import Reservation, Settlement
from gateway.core.limits import Demand
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores.redis.engine import open_redis
from tests.contract.sample import NOW, link

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


async def test_counters_leave_by_themselves(url: str) -> None:
    """Limits, leases and idempotency texts carry an end of their own; that of a lease is far off until it is kept."""
    state = await open_redis(url)
    await state.limits.take([Demand("a", Rate(1000, 1.0, 10))], NOW)
    await state.leases.open_lease(Reservation("l_1", "k"), None, NOW, 60)
    await state.grants.create(link(), "once")
    await state.leases.open_lease(Reservation("l_1", "kept"), None, NOW, 60)
    await state.leases.settle_bytes(Reservation("l_1", "kept"), Settlement(1), NOW + 20)
    ends = {
        "*limit:*": (0, 1),
        "*lease:*:k": (86_400, 86_460),
        "*lease:*:kept": (90, 100),
        "*idempotency:*": (0, 86_400),
    }
    for pattern, (shortest, longest) in ends.items():
        for name in await state.feed._server._client.keys(pattern):
            assert shortest <= await state.feed._server._client.ttl(name) <= longest
    await state.close()


async def test_forgotten_scripts_are_sent_again(url: str) -> None:
    """A server that lost its scripts (a restart, a failover) gets them again within the same call."""
    state = await open_redis(url)
    await state.leases.open_lease(Reservation("l_1", "k"), 1, NOW, 60)
    await state.feed._server._client.script_flush()
    assert await state.leases.open_lease(Reservation("l_1", "k"), 1, NOW, 60) is not None
    await state.feed._server._client.script_flush()
    assert len(await state.feed.revoke(LINK, NOW, "", "admin:ops")) == 1
    await state.close()
