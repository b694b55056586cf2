"""What one request at a time has among replicas (tus uploads: `test_upload_locks`; names: `test_names`)."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.limits import LimitStore
from gateway.core.reasons import Reason, Refused
from gateway.data.state import shared_hold as module
from gateway.data.state.shared_hold import shared_hold
from gateway.stores.memory import open_memory

BUSY = Refused(Reason.UPLOAD_BUSY, "held")


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def free(limits: LimitStore, clock: Clock) -> bool:
    """Whether somebody else would have it now."""
    try:
        async with shared_hold(limits, clock, "n", BUSY, closed=False):
            return True
    except Refused:
        return False


async def test_a_holder_that_died_is_forgotten_after_five_seconds() -> None:
    """And not before; one that ended makes room at once, many times in the same instant."""
    clock, limits = Clock(), open_memory().limits
    assert [True] * 20 == [await free(limits, clock) for _ in range(20)]
    died = shared_hold(limits, clock, "n", BUSY, closed=False)
    await died.__aenter__()
    clock.now += 4.9
    assert not await free(limits, clock)
    clock.now += 0.2
    assert await free(limits, clock)
    await died.__aexit__(None, None, None)


async def test_a_holder_that_lives_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes, and whatever the clock does: it puts back what has drained."""
    clock, limits, renewed = Clock(), open_memory().limits, asyncio.Event()
    sleep = asyncio.sleep

    async def a_moment(seconds: float) -> None:
        clock.now += seconds
        renewed.set()
        await sleep(0)

    async with asyncio.timeout(10):
        async with shared_hold(limits, clock, "n", BUSY, closed=False):
            monkeypatch.setattr(module.asyncio, "sleep", a_moment)
            for _ in range(20):
                renewed.clear()
                await renewed.wait()
                assert not await free(limits, clock)
            monkeypatch.undo()
    assert await free(limits, clock)
