"""A process hears at any time that it is to end."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from gateway.ending import finish_before, heed_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_waits_without_end_is_given_up(number: signal.Signals) -> None:
    """And has put away what it held before the process goes on to its end."""
    ended, put_away = asyncio.Event(), []

    async def wait() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            put_away.append(True)

    heed_signals(ended)
    try:
        async with asyncio.timeout(5):
            assert not await finish_before(ended, wait())
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    assert put_away == [True]


async def test_what_is_done_is_done() -> None:
    """Whatever comes after it; and what fails in it is raised as itself."""
    ended = asyncio.Event()
    assert await finish_before(ended, asyncio.sleep(0))

    async def fail() -> None:
        raise ValueError("as itself")

    with pytest.raises(ValueError, match="as itself"):
        await finish_before(ended, fail())
    assert not ended.is_set()
