"""Owns the slow-down of those who guess: per client address for tokens, per link and address for passwords.

Refuses to own the counting arithmetic (`gateway.core.limits`). Counts live in this process: a guesser gains one
budget a replica, against secrets of 168 bits.

Law: only failures count (a try is one until it has succeeded), and a link is never blocked for anybody but the guesser.
"""

from __future__ import annotations

from typing import Final

from cachetools import LRUCache

from gateway.core.limits import Verdict, gcra
from gateway.core.reasons import Reason, Refused
from gateway.core.units import Rate

__all__ = ["PASSWORD_GUESSES", "TOKEN_GUESSES", "Guesses"]

TOKEN_GUESSES: Final = Rate(30, 60.0, 60)
PASSWORD_GUESSES: Final = Rate(10, 60.0, 10)
_GUESSERS: Final = 65536


class Guesses:
    """Remembers the last 65,536 guessers; `now` is in seconds of one clock throughout."""

    def __init__(self) -> None:
        self._arrivals: LRUCache[str, float] = LRUCache(_GUESSERS)
        self._blocked: LRUCache[str, tuple[float, int]] = LRUCache(_GUESSERS)

    def check(self, guesser: str, now: float) -> None:
        """Raises Refused(TOO_MANY_GUESSES) while this guesser has to wait."""
        blocked = self._blocked.get(guesser)
        if blocked is not None and blocked[0] > now:
            wait = blocked[0] - now
            verdict = Verdict(allowed=False, retry_after=wait, remaining=0, limit=blocked[1], reset=wait)
            raise Refused(Reason.TOO_MANY_GUESSES, "too many failed tries", retry_after=wait, verdict=verdict)

    def failed(self, guesser: str, rate: Rate, now: float) -> None:
        """Count one failure."""
        verdict, self._arrivals[guesser] = gcra(self._arrivals.get(guesser), now, rate)
        if not verdict.allowed:
            self._blocked[guesser] = now + verdict.retry_after, rate.count

    def forgive(self, guesser: str) -> None:
        """Forget the failures of somebody who got it right."""
        self._arrivals.pop(guesser, None)
        self._blocked.pop(guesser, None)
