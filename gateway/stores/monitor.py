"""Owns asking each engine, again and again, whether it still does all of its work, and what it answered last.

Refuses to own the trials (each engine's `probe`) and what a fault means for requests (the declared posture).

Law: an engine that answers half of what it is asked is found by trying the other half. What is known is read without
any I/O, so that a probe of ours can neither hang nor overload what it asks about. What cannot be taken back is done by
the earliest of the clocks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from gateway.beat import sleep_to_beat
from gateway.core.reasons import DependencyDown
from gateway.core.said import phrase

_log = structlog.get_logger("gateway")

PERIOD_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 5.0
"""From one trial to the next, and the longest of one."""

_SKEW_SECONDS: Final = 5.0
"""Grants end and begin by each gateway's own clock."""

Probe = Callable[[], Awaitable[float | None]]
"""Writes something of no meaning, as durably as anything, and reads; returns the engine's own clock if it has one.

Raises DependencyDown where the engine cannot do it, with a detail that says why and what is to be done.
"""


class StoreMonitor:
    """Tries the engines by their `probes`, each by its role. `clock` is in seconds since the epoch."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = probes
        self._clock = clock
        self._monotonic = monotonic
        self._faults: dict[str, str] = {}
        self._skewed: set[str] = set()
        self._starts: dict[str, float] = {}
        """What each engine's clock told when the monotonic one would have been at 0."""

    def fault(self, role: str) -> str | None:
        """Why the engine of this role does not do its work, as far as is known."""
        return self._faults.get(role)

    def earliest(self) -> float:
        """What the clock tells here, or at one of the engines if that is earlier: one that is ahead would have records
        and grants forgotten that are not old."""
        now = self._monotonic()
        return min([self._clock(), *(start + now for start in self._starts.values())])

    def skew(self) -> float:
        """Seconds by which the clock here and the one of an engine differ most, as far as is known."""
        here = self._clock() - self._monotonic()
        return max((abs(start - here) for start in self._starts.values()), default=0.0)

    async def check(self) -> None:
        """Try each engine once; a change is logged."""
        for role, probe in self._probes.items():
            fault = None
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    now_there = await probe()
            except DependencyDown as failure:
                fault = failure.detail
            except TimeoutError:
                fault = phrase("store_late", "no answer within {seconds:g} s", seconds=ANSWER_SECONDS)
            else:
                self._compare_clocks(role, now_there)
            self._note(role, fault)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await sleep_to_beat(PERIOD_SECONDS)

    def _note(self, role: str, fault: str | None) -> None:
        before = self._faults.get(role)
        if fault == before:
            return
        if fault is None:
            del self._faults[role]
            _log.info("a store does its work again", store=role)
        else:
            self._faults[role] = fault
            _log.error("a store does not do its work", store=role, detail=fault)

    def _compare_clocks(self, role: str, now_there: float | None) -> None:
        if now_there is not None:
            self._starts[role] = now_there - self._monotonic()
        skew = 0.0 if now_there is None else now_there - self._clock()
        if abs(skew) <= _SKEW_SECONDS:
            self._skewed.discard(role)
        elif role not in self._skewed:
            self._skewed.add(role)
            _log.warning(
                "clocks differ: grants begin and end by this host's, and signatures need it right: set it by NTP",
                store=role,
                store_ahead_seconds=round(skew, 1),
            )
