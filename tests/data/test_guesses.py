"""Who guesses waits; nobody else does."""

from __future__ import annotations

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.core.units import Rate
from gateway.data.guesses import Guesses

RATE = Rate(10, 60.0, 10)


def fail(guesses: Guesses, times: int, guesser: str = "g", now: float = 0.0) -> None:
    for _ in range(times):
        guesses.failed(guesser, RATE, now)


def test_the_budget_is_free() -> None:
    """Ten typing errors block nobody."""
    guesses = Guesses()
    fail(guesses, 10)
    guesses.check("g", 0.0)


def test_one_more_waits_and_is_told_how_long() -> None:
    """The wait ends when the rate has made room again."""
    guesses = Guesses()
    fail(guesses, 11)
    with pytest.raises(Refused) as no:
        guesses.check("g", 0.0)
    assert Reason.TOO_MANY_GUESSES == no.value.reason
    assert 6.0 == pytest.approx(no.value.retry_after)
    guesses.check("g", 6.1)


def test_only_the_guesser_waits() -> None:
    """Another address, or another link, is another guesser."""
    guesses = Guesses()
    fail(guesses, 11, "one")
    guesses.check("two", 0.0)


def test_getting_it_right_forgives() -> None:
    """The next failure counts from nothing."""
    guesses = Guesses()
    fail(guesses, 11)
    guesses.forgive("g")
    guesses.check("g", 0.0)
    fail(guesses, 10)
    guesses.check("g", 0.0)


def test_memory_is_bounded() -> None:
    """A flood of guessers pushes out the oldest, never the bound."""
    guesses = Guesses()
    for number in range(70_000):
        guesses.failed(str(number), RATE, 0.0)
    assert 65536 == len(guesses._arrivals)
