"""Owns the arithmetic of limits: GCRA, the limits a route carries, and the interface of the store that counts.

Refuses to own a clock and the choice of which limits apply (`gateway.core.policy`).

GCRA (generic cell rate algorithm, ITU-T I.371): one number a key, the theoretical arrival time; exact, no windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nextafter, ulp
from typing import Protocol

from gateway.core.units import Rate
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit as it applies to one attempt; `key` says who shares the count. Sizes in bytes per second."""

    key: str
    requests: Rate | None = None
    bandwidth: int | None = None
    concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """Units of cost asked of the counter under `key`; a negative `cost` gives units back."""

    key: str
    rate: Rate
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a limiter says.

    `retry_after` and `reset` are in seconds; `remaining` is what the tightest limit has left.
    """

    allowed: bool
    retry_after: float
    remaining: int
    limit: int
    reset: float


def gcra(arrival: float | None, now: float, rate: Rate, cost: int = 1) -> tuple[Verdict, float]:
    """Decide one demand; returns the verdict and the new theoretical arrival time to store.

    A clock that jumps back never grants more than the burst: the stored time is only ever compared with `now`.
    """
    interval = rate.interval
    tolerance = interval * rate.burst
    forgiven = min(rate.burst * ulp(now + tolerance), interval / 2)  # what a burst of roundings takes, never a unit
    earliest = now if arrival is None else max(arrival, now)
    if earliest > now + tolerance + forgiven:
        # Only a clock that jumped back gets here. What was forgiven stays owed, else each refusal would forgive anew.
        earliest = now + tolerance
    proposed = earliest + interval * cost
    if proposed - earliest < interval * cost:
        # Today's epoch in a float has steps of 240 ns; rounding down would give units away at high rates.
        proposed = nextafter(proposed, inf)
    room = now + tolerance - proposed
    if room < -forgiven:
        left = max(0, int((now + tolerance - earliest + forgiven) / interval))
        return Verdict(False, -room, left, rate.count, earliest - now), earliest
    return Verdict(True, 0.0, int((room + forgiven) / interval), rate.count, proposed - now), proposed


class LimitStore(Protocol):
    """Rate counters shared by all who use the same store.

    Implementations raise `DependencyDown("limits")` when they cannot answer.
    """

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        """Take all demands or none, atomically; the verdict is the tightest one.

        `now` is a hint: a shared store uses its own clock, so that replicas with other clocks share one truth.
        """
        ...


def share_of(whole: int) -> int:
    """The most that one holder may have of what all have in common; of very little, all."""
    return whole - whole // 4
