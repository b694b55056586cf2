"""Owns the slow-down of those who guess: a count of wrong secrets for each guesser, and whose turn it is meanwhile.

Refuses to own the counting arithmetic (`gateway.core.limits`) and who counts as one guesser (its callers). Counts
live in this process: a guesser gains one budget a replica, against secrets of 168 bits.

Law: a right secret passes, however many are guessed at the same address: only a wrong one is counted, and answered with
the wait. What a guesser asks for goes one at a time, so that finding out costs the others nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from cachetools import LRUCache

from gateway.core.limits import Verdict, gcra
from gateway.core.reasons import Reason, Refused
from gateway.core.units import Rate

TOKEN_GUESSES: Final = Rate(30, 60.0, 60)
_GUESSERS: Final = 65536
_LONGEST_WAIT: Final = 10.0


class GuessLimiter:
    """Remembers the last 65,536 guessers; `now` is in seconds of one clock throughout."""

    def __init__(self) -> None:
        self._arrivals: LRUCache[str, float] = LRUCache(_GUESSERS)
        self._blocked: LRUCache[str, tuple[float, int]] = LRUCache(_GUESSERS)

    def must_wait(self, guesser: str, now: float) -> bool:
        """Whether this guesser has to wait."""
        blocked = self._blocked.get(guesser)
        return blocked is not None and blocked[0] > now

    def check(self, guesser: str, now: float) -> None:
        """Raises Refused(TOO_MANY_GUESSES) while this guesser has to wait."""
        blocked = self._blocked.get(guesser)
        if blocked is not None and blocked[0] > now:
            wait = blocked[0] - now
            verdict = Verdict(allowed=False, retry_after=wait, remaining=0, limit=blocked[1], reset=wait)
            raise Refused(Reason.TOO_MANY_GUESSES, "too many failed tries", retry_after=wait, verdict=verdict)

    def count_failure(self, guesser: str, rate: Rate, now: float) -> None:
        """Count one failure.

        Raises:
            Refused: TOO_MANY_GUESSES while this guesser has to wait; then it is not counted.
        """
        self.check(guesser, now)
        verdict, self._arrivals[guesser] = gcra(self._arrivals.get(guesser), now, rate)
        if not verdict.allowed:
            self._blocked[guesser] = now + verdict.retry_after, rate.count

    def forgive(self, guesser: str) -> None:
        """Forget the failures of a client that proved its secret."""
        self._arrivals.pop(guesser, None)
        self._blocked.pop(guesser, None)

    def take_back(self, guesser: str, rate: Rate, now: float) -> None:
        """One failure was none; those of others that are counted together with it stay."""
        _, self._arrivals[guesser] = gcra(self._arrivals.get(guesser), now, rate, -1)
        self._blocked.pop(guesser, None)


class Turns:
    """One at a time under each name, in the order of their coming; a name without waiters is forgotten."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def take(self, name: str, seconds: float = _LONGEST_WAIT) -> AsyncIterator[None]:
        """The turn, for the length of the block.

        Raises:
            Refused: OVERLOADED when it has not come after so many seconds.
        """
        lock, users = self._locks.get(name, (None, 0))
        lock = lock or asyncio.Lock()
        self._locks[name] = lock, users + 1
        try:
            try:
                async with asyncio.timeout(seconds):
                    await lock.acquire()
            except TimeoutError:
                raise Refused(Reason.OVERLOADED, "too many wait for the same thing", retry_after=1.0) from None
            try:
                yield
            finally:
                lock.release()
        finally:
            _, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = lock, users - 1
