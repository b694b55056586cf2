"""The follower: fresh only when the feed itself said so."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.revocation import FeedKind, RevocationTarget
from gateway.stores.memory import MemoryState
from tests.data.harness import NOW, Rig, running


async def test_an_old_view_decides_nothing(rig: Rig) -> None:
    """Five seconds after the last proof everything is 503, until the feed is heard again."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link()
    rig.clock.tick(5.0)
    assert 200 == (await rig.fetch(token)).status
    rig.clock.tick(0.1)
    got = await rig.fetch(token)
    assert (503, "1", "view_too_old") == (got.status, got.header("retry-after"), (await rig.last()).reason)
    await rig.plane.follower.catch_up()
    assert 200 == (await rig.fetch(token)).status


async def test_a_view_that_was_never_proved_decides_nothing() -> None:
    """Before the first look at the feed nobody knows what is revoked."""
    async with running(load=False) as rig:
        assert float("inf") == rig.plane.follower.age
        with pytest.raises(Refused) as no:
            rig.plane.follower.require_fresh()
        assert Reason.VIEW_TOO_OLD == no.value.reason


class DownFeed(MemoryState):
    """A feed that is down when the test says so."""

    down = False

    async def changed(self, serial, seconds):
        if self.down:
            raise DependencyDown("revocations", "gone")
        await super().changed(serial, 0.01)

    async def since(self, serial, limit):
        if self.down:
            raise DependencyDown("revocations", "gone")
        return await super().since(serial, limit)


async def test_a_feed_that_is_down_lets_the_view_age_and_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The follower never ends; the age grows; one answer makes it fresh."""
    monkeypatch.setattr("gateway.data.view._BACKOFF", 0.01)
    feed = DownFeed(clock=lambda: NOW)
    async with running(state=feed) as rig, asyncio.TaskGroup() as group:
        follower = group.create_task(rig.plane.follower.run())
        feed.down = True
        await asyncio.sleep(0.05)
        rig.clock.tick(6)
        assert 6 == rig.plane.follower.age
        feed.down = False
        await asyncio.sleep(0.05)
        assert 0 == rig.plane.follower.age
        follower.cancel()


async def test_the_age_counts_from_the_question_not_from_the_answer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow feed proves only what it knew when it was asked."""
    since = rig.state.since

    async def slow(serial, limit):
        rig.clock.tick(3)
        return await since(serial, limit)

    monkeypatch.setattr(rig.state, "since", slow)
    await rig.plane.follower.catch_up()
    assert 3 == rig.plane.follower.age


async def test_loading_reads_revocations_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, all are known before the first request."""
    monkeypatch.setattr("gateway.data.view._PAGE", 3)
    state = MemoryState(clock=lambda: NOW)
    async with running(state=state, load=False) as rig:
        tokens = [(await rig.granted())[1] for _ in range(2)]
        for number in range(10):
            await state.revoke([_target(FeedKind.LINK, f"l_{number}")], NOW, "", "")
        await state.revoke([_target(FeedKind.LINK, tokens[0].id)], NOW, "", "")
        await rig.plane.follower.load()
        view = rig.plane.follower.require_fresh()
        assert FeedKind.LINK == view.revoked(tokens[0], "reports", "a.txt", "lab")
        assert None is view.revoked(tokens[1], "reports", "a.txt", "lab")


def _target(kind, name):
    return RevocationTarget(kind, name)


async def test_lag_is_measured_once_a_revocation(rig: Rig) -> None:
    """Only what revokes counts, from its record to here."""
    await rig.granted()
    rig.clock.tick(0)
    await rig.revoke(FeedKind.LINK, "l_x")
    assert 1 == rig.metric("gateway_revocation_lag_seconds_count")
