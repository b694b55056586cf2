"""Waking everybody who listened, once."""

from __future__ import annotations

import asyncio

from gateway.stores.notifier import Notifier


async def test_a_notice_wakes_all_who_listened() -> None:
    """One notice ends every wait that began before it."""
    notifier = Notifier()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(notifier.wait(notifier.listen(), 60))
        notifier.notify()


async def test_a_notice_between_look_and_wait_is_not_lost() -> None:
    """Who listened before the notice does not wait after it."""
    notifier = Notifier()
    event = notifier.listen()
    notifier.notify()
    async with asyncio.timeout(5):
        await notifier.wait(event, 60)


async def test_an_old_notice_wakes_nobody() -> None:
    """Who listens after a notice waits for the next one."""
    notifier = Notifier()
    notifier.notify()
    assert not notifier.listen().is_set()
    await notifier.wait(notifier.listen(), 0.001)
    assert not notifier.listen().is_set()


async def test_what_others_added_ends_the_wait_at_the_next_look() -> None:
    """Nobody notifies of another process's entry; who is behind from the start does not wait at all."""
    notifier, looks = Notifier(), 0

    async def newest() -> int:
        nonlocal looks
        looks += 1
        return 7 if looks > 2 else 3

    async with asyncio.timeout(5):
        await notifier.wait_beyond(3, 60, newest, 0.001)
        assert 3 == looks
        await notifier.wait_beyond(3, 60, newest, 60)
        assert 4 == looks


async def test_a_notice_ends_the_wait_without_another_look() -> None:
    """The newest serial is asked for once; after its time the wait ends by itself."""
    notifier, looks, looked = Notifier(), 0, asyncio.Event()

    async def newest() -> int:
        nonlocal looks
        looks += 1
        looked.set()
        return 3

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(notifier.wait_beyond(3, 60, newest, 60))
        await looked.wait()
        notifier.notify()
    assert 1 == looks
    await notifier.wait_beyond(3, 0.0, newest, 60)
    assert 2 == looks
