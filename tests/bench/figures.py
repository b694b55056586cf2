"""Owns the arithmetic: medians with their spread, ratios of what was measured in the same round, and percentiles.

Law: a ratio is taken within a round and only then are rounds compared, so that a machine that is slower for a while is
slower for both. Where there is nothing to compare, nothing is told: no figure is made up.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Spread", "percentile", "ratios"]


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some figures, with the least and the most."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        return cls(statistics.median(figures), min(figures), max(figures))

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.least:.2f}–{self.most:.2f})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours as so many times theirs, round by round. Raises ValueError when the rounds do not belong together."""
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"{len(ours)} rounds of ours, {len(theirs)} of theirs")
    return Spread.of([our / their for our, their in zip(ours, theirs, strict=True)])


def percentile(figures: Sequence[float], share: float) -> float:
    """The least figure that at least this share of all does not exceed."""
    ordered = sorted(figures)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
