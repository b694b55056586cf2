"""Owns when what is done again and again wakes: at common moments of the loop's clock, the beats.

Refuses to own what is done then, and waits that have to last as long as they say.

Law: two that wake every so many seconds wake in one turn, so that a process with nothing to do wakes once for all of
them. The next beat is never further away than the period, by more than a timer can miss.
"""

from __future__ import annotations

import asyncio
from typing import Final

_MISSED: Final = 0.001
"""A timer may fire early by so much of a second: then that beat is over."""


async def sleep_to_beat(period: float) -> None:
    """Sleep until the loop's clock shows a multiple of so many seconds."""
    await asyncio.sleep(seconds_to_beat(asyncio.get_running_loop().time(), period))


def seconds_to_beat(now: float, period: float) -> float:
    """How long it is from then until the next multiple of the period."""
    left = period - now % period
    return left if left > min(_MISSED, period / 2) else left + period
