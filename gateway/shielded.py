"""Owns work that must not stop in the middle: once begun it goes to its end, whatever becomes of who waits for it.

Refuses to own the work, and what is done with its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def shield(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that goes to its end even if who waits for it is cancelled meanwhile.

    The cancellation comes through only then: what the work wrote down about itself can be relied on.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
