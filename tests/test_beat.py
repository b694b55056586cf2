"""What is done again and again wakes together."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.beat import seconds_to_beat, sleep_to_beat

PERIODS = st.sampled_from([0.001, 0.01, 0.25, 0.5, 1.0, 5.0])


@given(st.floats(0, 1e9), PERIODS)
def test_the_next_beat_is_a_multiple_and_at_most_a_period_away(now: float, period: float) -> None:
    """Wherever the clock stands."""
    left = seconds_to_beat(now, period)
    assert 0 < left <= period + 0.001
    beats = (now + left) / period
    assert abs(beats - round(beats)) * period < 1e-6


def test_those_who_begin_at_different_times_wake_at_one() -> None:
    """Those of a longer period at a beat of those of a shorter one."""
    assert {8.0} == {now + seconds_to_beat(now, period) for now in (7.76, 7.8, 7.99) for period in (0.25, 1.0)}


def test_a_timer_that_fires_early_has_reached_its_beat() -> None:
    """Else it would be set once more for nothing."""
    assert [0.5, 1.0, 1.0, 1.0] == [round(seconds_to_beat(now, 1.0), 6) for now in (7.5, 7.0, 6.9999999, 7.0000001)]


async def test_who_sleeps_wakes_at_a_beat() -> None:
    """By the clock of the loop that it runs in."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        for _ in range(3):
            before = loop.time()
            await sleep_to_beat(0.02)
            assert loop.time() + 0.002 >= before + seconds_to_beat(before, 0.02)
