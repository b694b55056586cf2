"""The server's clock is the one truth, and a jump of it heals."""

from __future__ import annotations

from gateway.core.limits import Demand
from gateway.core.units import Rate
from gateway.stores.engine import Engine
from gateway.stores.notifier import Notifier
from gateway.stores.redis.engine import open_redis
from tests.contract.sample import NOW


async def test_clocks_an_hour_apart_share_one_truth(url: str) -> None:
    """The caller's time is a hint that this store does not take."""
    state = await open_redis(url)
    rate = Rate(1, 3600.0, 3)
    verdicts = [await state.limits.take([Demand("a", rate)], NOW + number * 3600) for number in range(6)]
    assert sum(verdict.allowed for verdict in verdicts) == 3
    await state.close()


async def test_a_clock_that_jumped_back_heals(state: Engine) -> None:
    """A counter from the future keeps its backlog, and drains from now on instead of from then."""
    demand = [Demand("a", Rate(20, 1.0, 1))]
    assert (await state.limits.take(demand, NOW)).allowed
    (name,) = await state.feed._server._client.keys("*limit:a")
    await state.feed._server._client.persist(name)
    await state.feed._server._client.hincrby(name, "at", 3_600_000_000)
    refused = await state.limits.take(demand, NOW)
    assert not refused.allowed
    assert refused.retry_after <= 0.051
    rung = Notifier().listen()
    await Notifier.wait(rung, 0.06)
    assert (await state.limits.take(demand, NOW)).allowed
