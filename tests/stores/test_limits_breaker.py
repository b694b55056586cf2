"""Waiting for counters that may hang."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.limits import Verdict
from gateway.core.reasons import DependencyDown
from gateway.stores import limits_breaker
from gateway.stores.limits_breaker import LimitsBreaker

YES = Verdict(True, 0.0, 1, 1, 0.0)


class Counter:
    """Answers, fails or hangs, as it is told to."""

    def __init__(self) -> None:
        self.mood = "well"
        self.asked = 0

    async def take(self, demands, now):
        self.asked += 1
        if self.mood == "down":
            raise DependencyDown("limits", "away")
        if self.mood == "hanging":
            await asyncio.Event().wait()
        return YES


@pytest.fixture
def counter(monkeypatch):
    monkeypatch.setattr(limits_breaker, "ANSWER_SECONDS", 0.05)
    return Counter()


async def test_a_counter_that_answers_is_simply_asked(counter):
    """Every request, and its verdict is passed on."""
    limits = LimitsBreaker(counter)
    assert [await limits.take([], 0) for _ in range(3)] == [YES] * 3
    assert counter.asked == 3


@pytest.mark.parametrize("mood", ["down", "hanging"])
async def test_after_a_failure_one_request_a_second_tries(counter, mood):
    """The others are told at once; the first answer ends it."""
    now = [0.0]
    limits = LimitsBreaker(counter, monotonic=lambda: now[0])
    counter.mood = mood
    for _ in range(5):
        with pytest.raises(DependencyDown):
            await limits.take([], 0)
    assert counter.asked == 1
    now[0] += 1.5
    with pytest.raises(DependencyDown):
        await limits.take([], 0)
    assert counter.asked == 2
    counter.mood = "well"
    now[0] += 1.5
    assert await limits.take([], 0) == YES
    assert await limits.take([], 0) == YES


async def test_while_one_tries_the_others_do_not_wait(counter):
    """A hanging counter holds up one request only."""
    now = [0.0]
    limits = LimitsBreaker(counter, monotonic=lambda: now[0])
    counter.mood = "hanging"
    with pytest.raises(DependencyDown):
        await limits.take([], 0)
    now[0] += 1.5
    answers = await asyncio.gather(*(limits.take([], 0) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(answer, DependencyDown) for answer in answers)
    assert counter.asked == 2
