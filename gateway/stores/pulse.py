"""Owns asking each engine, again and again, whether it still does all of its work, and what it said last.

Refuses to own the trials (each engine's `probe`) and what a fault means for requests (the declared posture).

Law: a part that answers half of what it is asked is found by trying the other half. What is known is read without
any I/O, so that a probe of ours can neither hang nor overload what it asks about.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from gateway.core.reasons import DependencyDown

__all__ = ["Probed", "Pulse"]

_log = structlog.get_logger("gateway")

PERIOD: Final = 5.0
PATIENCE: Final = 5.0
"""Seconds between two trials, and the longest of one."""

_SKEW: Final = 5.0
"""Seconds. Grants end and begin by each gateway's own clock."""


class Probed(Protocol):
    """What can be tried."""

    async def probe(self) -> float | None:
        """Write something of no meaning, as durably as anything, and read; the engine's own clock, where it has one.

        Raises:
            DependencyDown: it cannot, and the detail says why and what is to be done.
        """
        ...


class Pulse:
    """Tries the engines of `names`, each by its role. `clock` is in seconds since the epoch."""

    def __init__(self, engines: Mapping[str, Probed], *, clock: Callable[[], float] = time.time) -> None:
        self._engines = engines
        self._clock = clock
        self._faults: dict[str, str] = {}
        self._skewed: set[str] = set()

    def fault(self, name: str) -> str | None:
        """Why the engine of this role does not do its work, as far as is known."""
        return self._faults.get(name)

    async def beat(self) -> None:
        """Try each engine once; a change is told in the log."""
        for name, engine in self._engines.items():
            fault = None
            try:
                async with asyncio.timeout(PATIENCE):
                    told = await engine.probe()
            except DependencyDown as failure:
                fault = failure.detail
            except TimeoutError:
                fault = f"no answer within {PATIENCE:g} s"
            else:
                self._compare(name, told)
            self._note(name, fault)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self.beat()
            await asyncio.sleep(PERIOD)

    def _note(self, name: str, fault: str | None) -> None:
        before = self._faults.get(name)
        if fault == before:
            return
        if fault is None:
            del self._faults[name]
            _log.info("a store does its work again", store=name)
        else:
            self._faults[name] = fault
            _log.error("a store does not do its work", store=name, detail=fault)

    def _compare(self, name: str, told: float | None) -> None:
        skew = 0.0 if told is None else told - self._clock()
        if abs(skew) <= _SKEW:
            self._skewed.discard(name)
        elif name not in self._skewed:
            self._skewed.add(name)
            _log.warning(
                "clocks differ: grants begin and end by this host's, and signatures need it right: set it by NTP",
                store=name,
                store_ahead_seconds=round(skew, 1),
            )
