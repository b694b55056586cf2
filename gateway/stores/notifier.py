"""Owns waking those tasks of one process that wait for the feed.

Refuses to own what changed: who wakes looks it up.
"""

from __future__ import annotations

import asyncio

__all__ = ["Notifier"]


class Notifier:
    """Rings once for everybody who listened before."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    def listen(self) -> asyncio.Event:
        """What the next ring sets. Take it before looking, so that no change falls between the look and the wait."""
        return self._rung

    @staticmethod
    async def wait(rung: asyncio.Event, seconds: float) -> None:
        """Return at the ring, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await rung.wait()
        except TimeoutError:
            return
