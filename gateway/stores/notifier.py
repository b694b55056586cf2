"""Owns waking those tasks of one process that wait for the feed.

Refuses to own what changed: who wakes looks it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.beat import seconds_to_beat

_OVER: Final = 0.001
"""Seconds that no timer tells from none."""


class Notifier:
    """Wakes every task that listened before."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    def listen(self) -> asyncio.Event:
        """What the next `notify` sets. Take it before looking: then no change falls between the look and the wait."""
        return self._event

    @staticmethod
    async def wait(event: asyncio.Event, seconds: float) -> None:
        """Return when the event is set, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return

    async def wait_beyond(
        self, serial: int, seconds: float, newest: Callable[[], Awaitable[int]], poll_seconds: float
    ) -> None:
        """Return at the next `notify`, once the `newest` serial is above this one, or after `seconds`.

        `newest` is asked at each beat of `poll_seconds`, because other processes cannot notify this one.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            event = self.listen()
            left = deadline - loop.time()
            if await newest() > serial or left < _OVER:
                return
            await self.wait(event, min(left, seconds_to_beat(loop.time(), poll_seconds)))
            if event.is_set():  # the caller reads the feed anyway: asking for its newest serial would only cost time
                return
