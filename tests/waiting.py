"""Waiting for what can be asked for and tells nobody when it is so: one loop with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_PAUSE = 0.002


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Return once it holds. Raises TimeoutError if it does not after so many seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 (what is asked for here has no event)
            await asyncio.sleep(_PAUSE)


def wait_until(condition: Callable[[], object], within: float = 20.0) -> None:
    """The same where no event loop runs."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {within:g} s"
        time.sleep(0.01)
