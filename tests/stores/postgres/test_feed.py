"""Serials become visible in their order, and announcements wake other replicas."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.postgres import feed
from gateway.stores.postgres.engine import open_postgres
from tests.contract.sample import NOW

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


async def test_a_follower_misses_nothing_among_slow_writers(url: str) -> None:
    """A writer that holds its serial for long keeps later serials back, so a reader never passes it."""
    state, other = await open_postgres(url), await open_postgres(url)
    seen: list[FeedEntry] = []
    async with asyncio.timeout(20):
        async with state.feed._database.writing_feed("revocations", 1) as (tx, serial):
            late = asyncio.gather(other.feed.revoke(LINK, NOW, "", ""))
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
            while not late.done() and not await state.feed._database.read("grants", waiting):
                pass
            seen += await state.feed.since(0, 9)
            await feed.add_entries(tx, [FeedEntry(serial, FeedKind.LINK, "slow")])
        ((later,),) = await late
        seen += await state.feed.since(0, 9)
    assert [entry.serial for entry in seen] == [serial, later.serial]
    await state.close()
    await other.close()


async def test_an_announcement_wakes_another_replica(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation reaches a waiting replica by announcement, without any polling."""
    monkeypatch.setattr(feed, "POLL_SECONDS", 60)
    state, other = await open_postgres(url), await open_postgres(url)
    await state.feed.changed(0, 0)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(state.feed.changed(0, 60))
        await state.leases.usage(["l_1"])
        await other.feed.revoke(LINK, NOW, "", "admin:ops")
    await state.close()
    await other.close()
