"""Waiting for the feed, and reading an entry of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.core.reasons import DependencyDown
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.redis.engine import open_redis
from gateway.stores.redis.feed import _entry_from
from tests.contract.sample import NOW
from tests.replicas.servers import valkey

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


async def test_many_waiters_take_one_connection(url: str) -> None:
    """However many wait for the feed, one connection listens, and one revocation wakes them all."""
    state = await open_redis(url)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(80):
            group.create_task(state.feed.changed(0, 60))
        await state.leases.usage(["l_1"])
        await state.feed.revoke(LINK, NOW, "", "admin:ops")
    await state.close()


async def test_a_primary_that_has_become_a_replica_proves_nothing(tmp_path: Path) -> None:
    """A failover leaves its connections open, and what is read there may be old: only who takes writes is believed."""
    with valkey(tmp_path / "first") as first, valkey(tmp_path / "second") as second:
        state = await open_redis(first.url)
        entries = await state.feed.revoke(LINK, NOW, "", "admin:ops")
        assert entries == await state.feed.since(0, 9)
        assert [] == await state.feed.since(1, 9)
        async with Redis.from_url(first.url) as client:
            await client.replicaof("127.0.0.1", second.url.rpartition(":")[2].partition("/")[0])
            with pytest.raises(DependencyDown, match="READONLY"):
                await state.feed.since(1, 9)
            await client.replicaof("NO", "ONE")
        await state.close()


def test_an_entry_is_read_from_its_stream() -> None:
    """The serial is the entry's place in the stream."""
    words = {b"kind": b"prefix", b"name": b"b", b"prefix": "ü/".encode(), b"at": b"1800000000.0"}
    entry = _entry_from(b"17-0", {**words, b"reason": b"why", b"by": b"admin:ops"})
    assert entry == FeedEntry(17, FeedKind.PREFIX, "b", "ü/", NOW, "why", "admin:ops")
