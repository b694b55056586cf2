"""Owns giving memory back: what many transfers at once held returns to the system once they have ended.

Refuses to own how much a transfer may hold (`gateway.server.request`, `gateway.backends.connection`).

The C library keeps what was freed for the next one to ask; between two bursts of large transfers that is most of what
the process holds (mallopt(3), malloc_trim(3)). Where the library knows no such call, nothing is done.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from typing import Final

_PAUSE: Final = 10.0


def trim() -> bool:
    """Return free pages to the system; takes a fraction of a millisecond. False where that cannot be done."""
    try:
        release = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return False
    release(0)
    return True


async def give_back(*let_go: Callable[[], None]) -> None:
    """Do so every ten seconds until cancelled, after each of `let_go`, which drops what is kept for the next to ask."""
    while True:
        for drop in let_go:
            drop()
        trim()
        await asyncio.sleep(_PAUSE)
