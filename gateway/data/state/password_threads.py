"""Owns the comparing of passwords with what is stored: in threads, a few at a time, everybody in turn.

Refuses to own who may try, and how often (`gateway.data.steps.password`).

Law: what was right is right without a comparison as long as the same is stored. Programs that know no cookies send a
password with each request, and each piece of a file is one. What is kept of it says nothing without this process's key.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AbstractAsyncContextManager
from hashlib import blake2b
from typing import Final

from cachetools import LRUCache

from gateway.core.grant import Grant
from gateway.core.password import password_matches
from gateway.data.state.guess_limiter import Turns

_AT_ONCE: Final = 2
_KNOWN: Final = 4096
_KEY_BYTES: Final = 32


class Passwords:
    """Compares passwords with what is stored, in threads: a comparison takes 50 ms of a core and 16 MiB."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._threads = asyncio.Semaphore(_AT_ONCE)
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._right: LRUCache[bytes, bool] = LRUCache(_KNOWN)

    def turn(self, grant: Grant, address: str) -> AbstractAsyncContextManager[None]:
        """The one place that an address has in the line of a link.

        Raises:
            Refused: OVERLOADED after ten seconds in it.
        """
        return self._turns.take(f"{grant.id} {address}")

    async def match(self, password: str, grant: Grant) -> bool:
        """Whether it is the link's. A link has one place in the line of all.

        Raises:
            Refused: OVERLOADED after ten seconds in it.
        """
        stored = grant.password or ""
        mark = blake2b(f"{stored}\n{password}".encode(), key=self._key).digest()
        if self._right.get(mark, False):
            return True
        async with self._turns.take(grant.id), self._threads:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(None, password_matches, password, stored)
        if right:
            self._right[mark] = True
        return right
