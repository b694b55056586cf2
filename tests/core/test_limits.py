"""The laws of GCRA, against a counter that remembers everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import gcra
from gateway.core.units import Rate

_rates = st.builds(
    Rate, st.integers(1, 500), st.sampled_from([0.5, 1.0, 60.0, 3600.0]), st.integers(min_value=1, max_value=50)
)
_steps = st.lists(st.floats(0, 5, allow_subnormal=False), min_size=1, max_size=80)
_EPOCH = 1_800_000_000.0


def _admitted(rate: Rate, steps: list[float], start: float) -> list[float]:
    arrival, now, admitted = None, start, []
    for step in steps:
        now += step * rate.interval
        verdict, arrival = gcra(arrival, now, rate)
        if verdict.allowed:
            admitted.append(now)
    return admitted


@given(_rates, _steps, st.sampled_from([0.0, _EPOCH]))
def test_no_window_holds_more_than_the_burst_and_the_rate(rate: Rate, steps: list[float], start: float) -> None:
    """For any arrival times, every window of t seconds admits at most burst + rate times t."""
    admitted = _admitted(rate, steps, start)
    for first, begin in enumerate(admitted):
        for last, end in enumerate(admitted[first:], first):
            assert last - first + 1 <= rate.burst + (end - begin) / rate.interval + 0.001


@given(_rates, st.sampled_from([0.0, _EPOCH]))
def test_the_burst_is_admitted_at_once_and_not_one_more(rate: Rate, start: float) -> None:
    """At one instant exactly the burst is admitted."""
    assert rate.burst == len(_admitted(rate, [0.0] * (rate.burst + 5), start))


@given(_rates, _steps)
def test_refusals_take_nothing_and_retry_after_is_true(rate: Rate, steps: list[float]) -> None:
    """A refused caller who waits `retry_after` is admitted, however often they asked in between."""
    arrival, now = None, 0.0
    for step in steps:
        now += step * rate.interval
        verdict, arrival = gcra(arrival, now, rate)
        if not verdict.allowed:
            _, same = gcra(arrival, now, rate)
            assert same == arrival
            later, _ = gcra(arrival, now + verdict.retry_after + 1e-9, rate)
            assert later.allowed


@given(_rates, st.floats(1, 1e6))
def test_a_clock_that_jumps_back_gives_nothing_away(rate: Rate, jump: float) -> None:
    """After the burst is spent, a clock set back admits nobody and waits no longer than one whole burst."""
    arrival = None
    for _ in range(rate.burst):
        _, arrival = gcra(arrival, _EPOCH, rate)
    verdict, healed = gcra(arrival, _EPOCH - jump, rate)
    assert not verdict.allowed
    assert healed <= _EPOCH - jump + rate.interval * rate.burst + 1e-6


@pytest.mark.parametrize("count", [2000, 10_000, 50_000])
def test_high_rates_stay_exact_at_todays_epoch(count: int) -> None:
    """Rounding of large instants never admits more than the burst, and costs less than one percent of it."""
    rate = Rate(count, 1.0, count)
    admitted = len(_admitted(rate, [0.0] * (count + 50), _EPOCH))
    assert 0.99 * count <= admitted <= count


def test_remaining_counts_down_to_zero() -> None:
    """`remaining` says how many more are admitted right now."""
    arrival, remaining = None, []
    for _ in range(5):
        verdict, arrival = gcra(arrival, _EPOCH, Rate(5, 1.0, 5))
        remaining.append(verdict.remaining)
    assert [4, 3, 2, 1, 0] == remaining


def test_a_cost_above_the_burst_is_never_admitted() -> None:
    """A demand larger than the burst is refused even when nothing was ever taken."""
    verdict, _ = gcra(None, 0.0, Rate(1, 1.0, 3), cost=4)
    assert not verdict.allowed
