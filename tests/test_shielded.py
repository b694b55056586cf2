"""Work that must not stop in the middle."""

from __future__ import annotations

import asyncio

import pytest

from gateway.shielded import shield


async def test_it_brings_what_the_work_brought() -> None:
    """A result, or a failure."""

    async def work(number: int) -> int:
        return 10 // number

    assert 5 == await shield(work(2))
    with pytest.raises(ZeroDivisionError):
        await shield(work(0))


@pytest.mark.parametrize("divisor", [2, 0])
async def test_who_waits_is_cancelled_after_the_work(divisor: int) -> None:
    """Not before, and whether the work ends well or not."""
    go_on, done = asyncio.Event(), []

    async def work() -> None:
        await go_on.wait()
        done.append(True)
        done.append(bool(10 // divisor))

    waiting = asyncio.get_running_loop().create_task(shield(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting}, timeout=0)
    assert ([], False) == (done, waiting.done())
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done[0]
