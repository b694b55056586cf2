"""Owns rate counters inside one process, and the rule that several demands are taken together or not at all.

Refuses to own the arithmetic (`gateway.core.limits`) and counters that processes share (the engines).

Law: what is refused costs nothing, on none of the counters asked. Memory holds only counters that still matter: one
whose arrival time has passed says the same as none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.limits import Demand, Verdict, gcra

FREE: Final = Verdict(True, 0.0, 0, 0, 0.0)
"""The verdict on no demand at all."""

_SWEEP_ABOVE: Final = 1024


def tightest(verdicts: Sequence[Verdict]) -> Verdict:
    """The refusal with the longest wait, or else the permission with the least left."""
    refusals = [verdict for verdict in verdicts if not verdict.allowed]
    if refusals:
        return max(refusals, key=lambda verdict: verdict.retry_after)
    return min(verdicts, key=lambda verdict: verdict.remaining, default=FREE)


def judge(
    demands: Sequence[Demand], now: float, stored: Callable[[str], float | None]
) -> tuple[Verdict, dict[str, float]]:
    """Decide all demands together; returns the tightest verdict and the arrival times to store.

    When one is refused, only its own arrival time is stored: that takes nothing, but heals a counter that a clock
    has left in the far future.
    """
    taken: dict[str, float] = {}
    healed: dict[str, float] = {}
    verdicts = []
    for demand in demands:
        before = taken[demand.key] if demand.key in taken else stored(demand.key)
        verdict, arrival = gcra(before, now, demand.rate, demand.cost)
        verdicts.append(verdict)
        if verdict.allowed:
            taken[demand.key] = arrival
        elif demand.key not in taken:
            healed[demand.key] = arrival
    verdict = tightest(verdicts)
    return verdict, taken if verdict.allowed else healed


class MemoryLimits:
    """A `LimitStore` for one process: exact, some microseconds a demand, forgotten at its end."""

    def __init__(self) -> None:
        self._arrivals: dict[str, float] = {}
        self._sweep_above = _SWEEP_ABOVE

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        verdict, arrivals = judge(demands, now, self._arrivals.get)
        self._arrivals.update(arrivals)
        if len(self._arrivals) > self._sweep_above:
            self._sweep(now)
        return verdict

    def _sweep(self, now: float) -> None:
        # Waiting for twice the survivors keeps the cost of sweeping constant for each demand.
        self._arrivals = {key: arrival for key, arrival in self._arrivals.items() if arrival > now}
        self._sweep_above = max(_SWEEP_ABOVE, 2 * len(self._arrivals))

    def __len__(self) -> int:
        return len(self._arrivals)
