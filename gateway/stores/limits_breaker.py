"""Owns the circuit breaker before a counter in the network: how long a request waits for it, and which one retries.

Refuses to own counting and what a missing answer means for the request (its declared posture).

Law: a counter that hangs costs one request half a second, not every request five: after a failure all are refused at
once, and one a second tries again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.limits import Demand, LimitStore, Verdict
from gateway.core.reasons import DependencyDown

ANSWER_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 1.0
"""How long to wait for an answer, and from a failure to the next try."""


class LimitsBreaker:
    """A `LimitStore` before one that may hang. `monotonic` is in seconds."""

    def __init__(self, store: LimitStore, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._retry_at = float("-inf")

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        """Raises DependencyDown("limits") at the latest after `ANSWER_SECONDS`."""
        asked_at = self._monotonic()
        if asked_at < self._retry_at:
            raise DependencyDown("limits", "it did not answer a moment ago")
        failing = self._retry_at > float("-inf")
        if failing:
            self._retry_at = asked_at + RETRY_SECONDS  # this request tries; the others need not wait for it
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                verdict = await self._store.take(demands, now)
        except TimeoutError:
            self._retry_at = self._monotonic() + RETRY_SECONDS
            raise DependencyDown("limits", f"no answer within {ANSWER_SECONDS} s") from None
        except DependencyDown:
            self._retry_at = self._monotonic() + RETRY_SECONDS
            raise
        self._retry_at = float("-inf")
        return verdict
