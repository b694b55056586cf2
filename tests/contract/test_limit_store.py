"""The law of `LimitStore`, for every engine. Servers keep their own time: these tests measure it, never steer it."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.core.limits import Demand
from gateway.core.units import Rate
from gateway.stores.engine import Engine
from gateway.stores.notifier import Notifier

SLOW = Rate(1, 3600.0, 3)


async def test_a_burst_is_taken_and_no_more(engine: Engine) -> None:
    """Exactly the burst is allowed at once; the refusal says how long to wait."""
    now = time.time()
    verdicts = [await engine.limits.take([Demand("a", SLOW)], now) for _ in range(4)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [verdict.remaining for verdict in verdicts[:3]] == [2, 1, 0]
    assert 3500 < verdicts[3].retry_after <= 3600
    assert 10700 < verdicts[3].reset <= 10800
    assert {verdict.limit for verdict in verdicts} == {1}
    assert [verdict.retry_after for verdict in verdicts[:3]] == [0.0, 0.0, 0.0]


async def test_keys_count_apart(engine: Engine) -> None:
    """One key's spending is not another's."""
    now = time.time()
    for _ in range(3):
        await engine.limits.take([Demand("a", SLOW)], now)
    assert (await engine.limits.take([Demand("b", SLOW)], now)).allowed


async def test_a_cost_takes_several_units(engine: Engine) -> None:
    """A demand may cost more than one; above the burst it is never met."""
    now = time.time()
    assert (await engine.limits.take([Demand("a", SLOW, 2)], now)).remaining == 1
    assert not (await engine.limits.take([Demand("a", SLOW, 2)], now)).allowed
    assert (await engine.limits.take([Demand("a", SLOW, 1)], now)).allowed
    assert not (await engine.limits.take([Demand("b", SLOW, 4)], now)).allowed


async def test_a_negative_cost_gives_back(engine: Engine) -> None:
    """What was taken for longer than it was needed is free at once, and giving back too much makes no credit."""
    now = time.time()
    assert (await engine.limits.take([Demand("a", SLOW, 3)], now)).allowed
    assert not (await engine.limits.take([Demand("a", SLOW, 1)], now)).allowed
    assert (await engine.limits.take([Demand("a", SLOW, -2)], now)).allowed
    assert (await engine.limits.take([Demand("a", SLOW, 2)], now)).allowed
    assert (await engine.limits.take([Demand("a", SLOW, -9)], now)).allowed
    assert (await engine.limits.take([Demand("a", SLOW, 3)], now)).allowed
    assert not (await engine.limits.take([Demand("a", SLOW, 1)], now)).allowed


async def test_all_demands_or_none(engine: Engine) -> None:
    """When one of several demands is refused, none of them costs anything."""
    now = time.time()
    single = Rate(1, 3600.0, 1)
    assert (await engine.limits.take([Demand("wide", SLOW), Demand("tight", single)], now)).remaining == 0
    for demands in ([Demand("wide", SLOW), Demand("tight", single)], [Demand("tight", single), Demand("wide", SLOW)]):
        refused = await engine.limits.take(demands, now)
        assert not refused.allowed
        assert 3500 < refused.retry_after <= 3600
    assert (await engine.limits.take([Demand("wide", SLOW)], now)).remaining == 1


async def test_one_key_asked_twice_pays_twice(engine: Engine) -> None:
    """Two demands on one key add up, also when they are refused."""
    now = time.time()
    assert (await engine.limits.take([Demand("a", SLOW), Demand("a", SLOW)], now)).remaining == 1
    assert not (await engine.limits.take([Demand("a", SLOW), Demand("a", SLOW)], now)).allowed
    assert (await engine.limits.take([Demand("a", SLOW)], now)).allowed


async def test_no_demand_is_allowed(engine: Engine) -> None:
    """Who has no limit is not limited."""
    assert (await engine.limits.take([], time.time())).allowed


async def test_the_tightest_limit_is_told(engine: Engine) -> None:
    """Of several limits that allow, the one with the least left is told."""
    verdict = await engine.limits.take([Demand("a", SLOW), Demand("b", Rate(9, 3600.0, 9))], time.time())
    assert (verdict.remaining, verdict.limit) == (2, 1)


async def test_parallel_callers_share_one_count(engine: Engine) -> None:
    """Fifty callers at once get exactly the burst."""
    now = time.time()
    verdicts = await asyncio.gather(*(engine.limits.take([Demand("a", Rate(1, 3600.0, 20))], now) for _ in range(50)))
    assert sum(verdict.allowed for verdict in verdicts) == 20


@pytest.mark.parametrize("rate", [Rate(400, 1.0, 10), Rate(50, 0.1, 1), Rate(1000, 1.0, 20)])
async def test_never_above_rate_and_burst(engine: Engine, rate: Rate) -> None:
    """Over real time, what is allowed in any stretch stays within the burst and what the rate refilled."""
    marks: list[tuple[float, float]] = []
    end = time.time() + 0.25
    while time.time() < end or len(marks) <= rate.burst:  # on a busy machine, a quarter of a second holds few calls
        before = time.time()
        if (await engine.limits.take([Demand("a", rate)], before)).allowed:
            marks.append((before, time.time()))
        await asyncio.sleep(0)
    for first in range(0, len(marks), max(1, len(marks) // 40)):
        for last in range(first, len(marks)):
            stretch = marks[last][1] - marks[first][0]
            assert last - first + 1 <= rate.burst + stretch / rate.interval + 1


async def test_time_refills(engine: Engine) -> None:
    """A waiter who waited as told is allowed."""
    rate = Rate(10, 1.0, 1)
    assert (await engine.limits.take([Demand("a", rate)], time.time())).allowed
    refused = await engine.limits.take([Demand("a", rate)], time.time())
    assert not refused.allowed
    await Notifier.wait(asyncio.Event(), refused.retry_after + 0.001)
    assert (await engine.limits.take([Demand("a", rate)], time.time())).allowed
