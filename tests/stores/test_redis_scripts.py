"""The server's scripts: a clock that jumped back heals; nothing is left of a key that was forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.core.grant import Scope
from gateway.core.lease import Reservation
from gateway.core.limits import Demand
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores.notifier import Notifier
from gateway.stores.redis import RedisState
from tests.contract.sample import NOW, key, link


@pytest.fixture
async def state(valkey_url: str) -> AsyncIterator[RedisState]:
    state = RedisState(valkey_url)
    await state.open()
    yield state
    await state.close()


async def test_a_clock_that_jumped_back_heals(state: RedisState) -> None:
    """A counter from the future keeps its backlog, and drains from now on instead of from then."""
    demand = [Demand("a", Rate(20, 1.0, 1))]
    assert (await state.take(demand, NOW)).allowed
    (name,) = await state._client.keys("*limit:a")
    await state._client.persist(name)
    await state._client.hincrby(name, "at", 3_600_000_000)
    refused = await state.take(demand, NOW)
    assert not refused.allowed
    assert refused.retry_after <= 0.051
    rung = Notifier().listen()
    await Notifier.wait(rung, 0.06)
    assert (await state.take(demand, NOW)).allowed


async def test_a_forgotten_key_leaves_nothing(state: RedisState) -> None:
    """After pruning, no name of the lapsed key is left but the counter of serials."""
    lapsed = await state.create(key(session_hash=link().hash, expires_at=NOW))
    await state.open_lease(Reservation(lapsed.id, "k"), None, NOW, 0)
    await state.prune(NOW + 10)
    left = {name.decode().removeprefix("{gateway}:").partition(":")[0] for name in await state._client.keys("*")}
    assert left <= {"serial", "feed", "lease"}


async def test_indexes_follow_an_edit(state: RedisState) -> None:
    """A link that moved to another bucket is revoked with the new one and not with the old one."""
    grant = await state.create(link(rule="old"))
    await state.save(replace(grant, scope=Scope("archive", prefix=""), rule=None))
    assert await state.count(RevocationTarget(FeedKind.PREFIX, "reports")) == 0
    assert await state.count(RevocationTarget(FeedKind.POLICY, "old")) == 0
    assert await state.count(RevocationTarget(FeedKind.PREFIX, "archive")) == 1
