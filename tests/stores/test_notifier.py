"""The bell wakes everybody who listened, once."""

from __future__ import annotations

import asyncio

from gateway.stores.notifier import Notifier


async def test_a_ring_wakes_all_who_listened() -> None:
    """One ring ends every wait that began before it."""
    bell = Notifier()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(bell.wait(bell.listen(), 60))
        bell.ring()


async def test_a_ring_between_look_and_wait_is_not_lost() -> None:
    """Who listened before the ring does not wait after it."""
    bell = Notifier()
    rung = bell.listen()
    bell.ring()
    async with asyncio.timeout(5):
        await bell.wait(rung, 60)


async def test_an_old_ring_wakes_nobody() -> None:
    """Who listens after a ring waits for the next one."""
    bell = Notifier()
    bell.ring()
    assert not bell.listen().is_set()
    await bell.wait(bell.listen(), 0.001)
    assert not bell.listen().is_set()
