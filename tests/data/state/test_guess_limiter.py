"""Who guesses waits; nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.core.units import Rate
from gateway.data.state.guess_limiter import GuessLimiter, Turns

RATE = Rate(10, 60.0, 10)


def fail(guesses: GuessLimiter, times: int, guesser: str = "g", now: float = 0.0) -> None:
    for _ in range(times):
        guesses.count_failure(guesser, RATE, now)


def test_the_budget_is_free() -> None:
    """Ten typing errors block nobody."""
    guesses = GuessLimiter()
    fail(guesses, 10)
    guesses.check("g", 0.0)


def test_one_more_waits_and_is_told_how_long() -> None:
    """The wait ends when the rate has made room again."""
    guesses = GuessLimiter()
    fail(guesses, 11)
    for asked in (lambda: guesses.check("g", 0.0), lambda: fail(guesses, 1)):
        with pytest.raises(Refused) as no:
            asked()
        assert Reason.TOO_MANY_GUESSES == no.value.reason
        assert 6.0 == pytest.approx(no.value.retry_after)
    assert [True, False] == [guesses.must_wait("g", now) for now in (5.9, 6.1)]
    guesses.check("g", 6.1)


def test_only_the_guesser_waits() -> None:
    """Another address, or another link, is another guesser."""
    guesses = GuessLimiter()
    fail(guesses, 11, "one")
    guesses.check("two", 0.0)


def test_getting_it_right_forgives() -> None:
    """The next failure counts from nothing."""
    guesses = GuessLimiter()
    fail(guesses, 11)
    guesses.forgive("g")
    guesses.check("g", 0.0)
    fail(guesses, 10)
    guesses.check("g", 0.0)


def test_memory_is_bounded() -> None:
    """A flood of guessers pushes out the oldest, never the bound."""
    guesses = GuessLimiter()
    for number in range(70_000):
        guesses.count_failure(str(number), RATE, 0.0)
    assert 65536 == len(guesses._arrivals)


def test_one_that_was_no_failure_is_taken_back_alone() -> None:
    """Those of others who are counted with it stay: one more than before fits in."""
    guesses = GuessLimiter()
    fail(guesses, 11)
    guesses.take_back("g", RATE, 0.0)
    guesses.check("g", 0.0)
    fail(guesses, 2)
    with pytest.raises(Refused):
        guesses.check("g", 0.0)


async def turns_of(turns: Turns, name: str, work: Callable[[], Awaitable[None]]) -> None:
    async with turns.take(name):
        await work()


async def test_one_at_a_time_in_the_order_of_coming() -> None:
    """Under one name; another name waits for nobody, and nothing is kept of a name that nobody waits under."""
    turns, seen, go = Turns(), [], asyncio.Event()

    async def first() -> None:
        seen.append("first")
        await go.wait()

    async def note(text: str) -> None:
        seen.append(text)

    async with asyncio.TaskGroup() as group:
        group.create_task(turns_of(turns, "a", first))
        group.create_task(turns_of(turns, "a", lambda: note("second")))
        group.create_task(turns_of(turns, "a", lambda: note("third")))
        await group.create_task(turns_of(turns, "b", lambda: note("other")))
        assert ["first", "other"] == seen
        go.set()
    assert ["first", "other", "second", "third"] == seen
    assert {} == turns._locks


async def test_a_turn_that_does_not_come_is_given_up() -> None:
    """With a word when to come again; those who wait behind go on."""
    turns = Turns()
    async with turns.take("a"):
        with pytest.raises(Refused) as no:
            async with turns.take("a", 0.0):
                pass
    assert (Reason.OVERLOADED, 1.0) == (no.value.reason, no.value.retry_after)
    async with turns.take("a", 0.0):
        pass
    assert {} == turns._locks
