"""The arithmetic of the bench: nothing is compared that does not belong together, and the middle is the middle."""

from __future__ import annotations

import pytest

from tests.bench.figures import Spread, percentile, ratios


def test_a_ratio_is_taken_within_a_round() -> None:
    """A round in which everything is three times slower changes no ratio."""
    assert Spread(2.0, 1.5, 2.5) == ratios([2.0, 6.0, 1.5, 2.5, 2.0], [1.0, 3.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0, 2.0]), ([], [])])
def test_rounds_that_do_not_belong_together_are_refused(ours: list[float], theirs: list[float]) -> None:
    """Fewer rounds of one side than of the other, or none at all, are no ratio."""
    with pytest.raises(ValueError, match="rounds"):
        ratios(ours, theirs)


def test_a_spread_is_told_with_its_ends() -> None:
    """The middle one first, the least and the most behind it."""
    assert "2.00 (1.00–9.00)" == str(Spread.of([9.0, 1.0, 2.0]))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_one_of_the_figures(share: float, expected: int) -> None:
    """The least figure that so many do not exceed; never one between two."""
    assert expected == percentile(list(range(100, 0, -1)), share)
