"""Owns bandwidth: when the next bytes of a limited transfer may move.

Refuses to own which limits apply (`gateway.core.policy`). Counts live in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from gateway.core.limits import Limit

_BURST_SECONDS: Final = 0.25


class BandwidthShaper:
    """A leaky bucket a limit key; all transfers of one key share its bytes per second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._free_at: LRUCache[str, float] = LRUCache(65536)
        self._monotonic = monotonic

    def pay(self, limits: tuple[Limit, ...], moved: int) -> float:
        """Account for bytes that moved; returns the seconds to wait before the next ones."""
        now = self._monotonic()
        wait = 0.0
        for limit in limits:
            if limit.bandwidth is None:
                continue
            free_at = max(self._free_at.get(limit.key, 0.0), now - _BURST_SECONDS) + moved / limit.bandwidth
            self._free_at[limit.key] = free_at
            wait = max(wait, free_at - now)
        return wait

    @staticmethod
    def piece(limits: tuple[Limit, ...]) -> int | None:
        """The most bytes to move at once, None if nothing limits them: a quarter of a second's worth."""
        rates = [limit.bandwidth for limit in limits if limit.bandwidth is not None]
        return max(1024, int(min(rates) * _BURST_SECONDS)) if rates else None
