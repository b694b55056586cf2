"""Rate counters in memory: exact, all or none, bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import Demand, Verdict
from gateway.core.units import Rate
from gateway.stores.limits import MemoryLimits, judge, tightest
from tests.contract.sample import NOW

RATES = st.builds(Rate, st.integers(1, 2000), st.sampled_from([0.1, 1.0, 60.0]), st.integers(1, 300))


@given(rate=RATES, steps=st.lists(st.floats(0, 2), min_size=1, max_size=120), start=st.sampled_from([0.0, NOW]))
async def test_never_above_burst_and_rate_in_any_stretch(rate: Rate, steps: list[float], start: float) -> None:
    """Between any two permissions, no more was allowed than the burst and what the rate refilled."""
    limits = MemoryLimits()
    now = start
    allowed = []
    for step in steps:
        now += step * rate.interval
        verdicts = [await limits.take([Demand("a", rate)], now) for _ in range(3)]
        allowed += [now for verdict in verdicts if verdict.allowed]
    for first in range(len(allowed)):
        for last in range(first, len(allowed)):
            refilled = (allowed[last] - allowed[first]) / rate.interval
            assert last - first + 1 <= rate.burst + refilled + 0.6  # what rounding forgives is below one unit


async def test_constant_pressure_gets_the_rate_and_not_more() -> None:
    """Asked every five microseconds for a third of a second, a limiter neither gives away nor keeps one percent."""
    for rate in (Rate(1000, 1.0, 200), Rate(5000, 1.0, 50), Rate(100, 1.0, 1)):
        limits = MemoryLimits()
        count = 0
        for step in range(60_000):
            count += (await limits.take([Demand("a", rate)], NOW + step * 5e-6)).allowed
        budget = rate.burst + 0.3 / rate.interval
        assert 0.99 * budget - 1 <= count <= budget + 1


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=4), max_size=25),
    st.lists(st.floats(0, 0.5), min_size=25, max_size=25),
)
async def test_all_or_none(asked: list[list[tuple[str, int]]], steps: list[float]) -> None:
    """What is refused leaves every counter as it was."""
    limits = MemoryLimits()
    rate = Rate(2, 1.0, 4)
    now = 0.0
    for demands, step in zip(asked, steps, strict=False):
        now += step
        before = dict(limits._arrivals)
        verdict = await limits.take([Demand(key, rate, cost) for key, cost in demands], now)
        after = {key: max(arrival, now) for key, arrival in limits._arrivals.items()}
        if not verdict.allowed:
            assert all(after[key] == max(before.get(key, now), now) for key in after)
        for key in {key for key, _ in demands} if verdict.allowed else ():
            spent = sum(cost for name, cost in demands if name == key)
            assert abs(after[key] - max(before.get(key, now), now) - spent * rate.interval) < 1e-6


async def test_a_clock_that_jumped_back_is_healed() -> None:
    """After a jump back by an hour nobody waits an hour: at most one whole burst."""
    limits = MemoryLimits()
    rate = Rate(1, 1.0, 3)
    for _ in range(3):
        await limits.take([Demand("a", rate)], NOW)
    assert not (await limits.take([Demand("a", rate)], NOW - 3600)).allowed
    assert (await limits.take([Demand("a", rate)], NOW - 3600 + 1.001)).allowed


async def test_memory_is_bounded() -> None:
    """A hundred thousand strangers leave no more counters than are still counting."""
    limits = MemoryLimits()
    rate = Rate(1000, 1.0, 10)
    for number in range(100_000):
        await limits.take([Demand(f"stranger {number}", rate)], NOW + number * 0.001)
    assert len(limits) < 3000


def test_the_longest_refusal_wins() -> None:
    """Among refusals the longest wait is told, among permissions the least left."""
    short, long = Verdict(False, 1.0, 0, 1, 1.0), Verdict(False, 2.0, 0, 1, 2.0)
    roomy, tight = Verdict(True, 0.0, 9, 1, 1.0), Verdict(True, 0.0, 1, 1, 1.0)
    assert tightest([roomy, short, long, tight]) is long
    assert tightest([roomy, tight]) is tight
    assert tightest([]).allowed


def test_judging_stores_nothing_itself() -> None:
    """The arrival times to store are returned, so every engine stores them in its own transaction."""
    verdict, arrivals = judge([Demand("a", Rate(1, 1.0, 1))], NOW, lambda key: None)
    assert verdict.allowed
    assert arrivals == {"a": NOW + 1.0}
