"""Owns the comparing of passwords with what is stored: in threads, a few at a time, everybody in turn.

Refuses to own who may try, and how often (`gateway.data.steps.password`).
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.grant import Grant
from gateway.core.password import password_matches
from gateway.data.state.guess_limiter import Turns

_AT_ONCE: Final = 2


class Passwords:
    """Compares passwords with what is stored, in threads: a comparison takes 50 ms of a core and 16 MiB."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._threads = asyncio.Semaphore(_AT_ONCE)

    async def match(self, password: str, grant: Grant, address: str) -> bool:
        """Whether it is the link's. An address has one place in the line of a link, a link one in that of all.

        Raises:
            Refused: OVERLOADED after ten seconds in a line.
        """
        async with (
            self._turns.take(f"{grant.id} {address}"),
            self._turns.take(grant.id),
            self._threads,
        ):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, password_matches, password, grant.password or "")
