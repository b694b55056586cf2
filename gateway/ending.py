"""Owns hearing that the process is to end, at any time: also of a start that has not ended yet, it may wait for long.

Refuses to own the order in which what serves ends (`gateway.app`).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


def heed_signals(ended: asyncio.Event) -> None:
    """Have it set by what tells a process to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)


async def finish_before(ended: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was done before that; else it is given up. What fails in it is raised."""
    working = asyncio.create_task(work)  # noqa: TID251 (joined below)
    waiting = asyncio.create_task(ended.wait())  # noqa: TID251 (so is this one)
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if done := working.done():
            await working
    finally:
        for one in (working, waiting):
            one.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
    return done
