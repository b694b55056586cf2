"""The follower: fresh only when the feed itself said so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.data.state.revocation_follower import RevocationFollower
from gateway.stores.memory import open_memory
from gateway.telemetry.metrics import Metrics
from tests.data.harness import NOW, Rig, running
from tests.waiting import until


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
            rig.plane.follower.require_standing(None, "lab", "a", "lab")
        assert Reason.VIEW_TOO_OLD == no.value.reason


class DownFeed:
    """A feed that is down when the test says so."""

    down = False

    def __init__(self, feed):
        self._feed = feed

    def __getattr__(self, name):
        return getattr(self._feed, name)

    async def changed(self, serial, seconds):
        if self.down:
            raise DependencyDown("revocations", "gone")
        await self._feed.changed(serial, 0.01)

    async def since(self, serial, limit):
        if self.down:
            raise DependencyDown("revocations", "gone")
        return await self._feed.since(serial, limit)


async def test_a_feed_that_is_down_lets_the_view_age_and_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The follower never ends; the age grows; one answer makes it fresh."""
    monkeypatch.setattr("gateway.data.state.revocation_follower._BACKOFF", 0.01)
    state = open_memory(clock=lambda: NOW)
    feed = DownFeed(state.feed)
    async with running(state=replace(state, feed=feed)) as rig, asyncio.TaskGroup() as group:
        follower = group.create_task(rig.plane.follower.run())
        feed.down = True
        await asyncio.sleep(0.05)
        rig.clock.tick(6)
        assert 6 == rig.plane.follower.age
        feed.down = False
        await until(lambda: 0 == rig.plane.follower.age)
        follower.cancel()


async def test_why_a_feed_cannot_be_followed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By readiness once the view is too old, and once in the log, until the feed is heard again."""
    monkeypatch.setattr("gateway.data.state.revocation_follower._BACKOFF", 0.01)
    state = open_memory(clock=lambda: NOW)
    feed = DownFeed(state.feed)
    async with running(state=replace(state, feed=feed)) as rig, asyncio.TaskGroup() as group:
        follower = rig.plane.follower
        feed.down = True
        with capture_logs() as logs:
            task = group.create_task(follower.run())
            await until(lambda: bool(follower.fault))
            rig.clock.tick(6)
            await asyncio.sleep(0.05)
        assert "the revocation view is 6.0 s old: gone" == follower.tell_fault()
        assert ["gone"] == [line["detail"] for line in logs if line["log_level"] == "error"]
        feed.down = False
        await until(lambda: 0 == follower.age)
        assert ("", None) == (follower.fault, follower.tell_fault())
        task.cancel()


async def test_a_state_that_has_gone_back_is_read_again_from_its_beginning(rig: Rig) -> None:
    """It gives serials again that were read: what was revoked stays so here though the state says otherwise, what it
    lost is unknown, and what is revoked from now on is heard."""
    tables = rig.state.feed._tables
    rig.store.hold("inside/a.txt", b"hello")
    (revoked, ended), (other, grant) = [await rig.granted() for _ in range(2)]
    kept = dict(tables.grants), dict(tables.by_hash), list(tables.feed), tables.last_serial
    await rig.revoke(FeedKind.LINK, ended.id)
    later = [await rig.link() for _ in range(4)]
    asked = revoked, other, later[0]
    assert [410, 200, 200] == [(await rig.fetch(token)).status for token in asked]
    tables.grants, tables.by_hash, tables.feed, tables.last_serial = kept
    with capture_logs() as logs:
        await rig.plane.follower.catch_up()
        await rig.plane.follower.catch_up()
    assert [7] == [line["read"] for line in logs if line["log_level"] == "error"]
    assert [410, 200, 404] == [(await rig.fetch(token)).status for token in asked]
    await rig.revoke(FeedKind.LINK, grant.id)
    assert 3 == rig.plane.follower.view.serial
    assert [410, 410, 404] == [(await rig.fetch(token)).status for token in asked]
    anew = await rig.link()
    assert (0, 200) == (rig.plane.follower.age, (await rig.fetch(anew)).status)


async def test_a_state_that_went_back_and_on_is_read_again_from_its_beginning(rig: Rig) -> None:
    """It has given the lost serials to other entries, and more, by the time that it is asked: all of them are heard."""
    tables = rig.state.feed._tables
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted()
    kept = dict(tables.grants), dict(tables.by_hash), list(tables.feed), tables.last_serial
    await rig.link()
    assert 200 == (await rig.fetch(token)).status
    tables.grants, tables.by_hash, tables.feed, tables.last_serial = kept
    for name in (grant.id, "l_other", "l_third"):
        await rig.state.feed.revoke([_target(FeedKind.LINK, name)], NOW, "", "admin:ops")
    with capture_logs() as logs:
        await rig.plane.follower.catch_up()
    assert [2] == [line["read"] for line in logs if line["log_level"] == "error"]
    assert 410 == (await rig.fetch(token)).status


async def test_a_state_that_forgets_old_notices_has_not_gone_back(rig: Rig) -> None:
    """Nothing is read again, and nothing is told."""
    for _ in range(3):
        await rig.link()
    taken: list[int] = []
    follower = RevocationFollower(
        rig.state.feed,
        lambda entries: taken.extend(entry.serial for entry in entries),
        monotonic=lambda: 0.0,
        clock=lambda: NOW,
        metrics=Metrics(),
    )
    with capture_logs() as logs:
        await follower.load()
        await rig.state.ledger.prune(NOW + 10**7)
        await follower.catch_up()
        await rig.revoke(FeedKind.LINK, "l_x")
        await follower.catch_up()
        await rig.state.ledger.prune(NOW + 10**7)
        await follower.catch_up()
    assert ([1, 2, 3, 4], []) == (taken, [line for line in logs if line["log_level"] == "error"])


async def test_the_age_counts_from_the_question_not_from_the_answer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow feed proves only what it knew when it was asked."""
    since = rig.state.feed.since

    async def slow(serial, limit):
        rig.clock.tick(3)
        return await since(serial, limit)

    monkeypatch.setattr(rig.state.feed, "since", slow)
    await rig.plane.follower.catch_up()
    assert 3 == rig.plane.follower.age


async def test_loading_reads_revocations_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, all are known before the first request."""
    monkeypatch.setattr("gateway.data.state.revocation_follower._PAGE", 3)
    state = open_memory(clock=lambda: NOW)
    async with running(state=state, load=False) as rig:
        tokens = [(await rig.granted())[1] for _ in range(2)]
        for number in range(10):
            await state.feed.revoke([_target(FeedKind.LINK, f"l_{number}")], NOW, "", "")
        await state.feed.revoke([_target(FeedKind.LINK, tokens[0].id)], NOW, "", "")
        await rig.plane.follower.load()
        view = rig.plane.follower.view
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


class Words:
    """What two processes of one host tell each other."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.news = asyncio.Event()

    def tell(self, serial: int) -> None:
        self.told.append(serial)
        self.news.set()

    def newest(self) -> int:
        return max(self.told, default=0)

    async def wait_for_news(self) -> None:
        await self.news.wait()
        self.news.clear()


class CountedFeed(DownFeed):
    """Counts how often it was asked."""

    asked = 0

    async def since(self, serial, limit):
        self.asked += 1
        await asyncio.sleep(0)
        return await super().since(serial, limit)


def beside(feed: CountedFeed, words: Words) -> RevocationFollower:
    return RevocationFollower(
        feed, lambda _: None, monotonic=lambda: 0.0, clock=lambda: NOW, metrics=Metrics(), neighbours=words
    )


async def revoke(feed: CountedFeed, name: str) -> None:
    await feed.revoke([RevocationTarget(FeedKind.OWNER, name)], NOW, "", "admin:ops")


async def test_what_a_neighbour_has_read_is_read_before_the_next_decision() -> None:
    """One process takes a revocation in and says so; the other then knows it too, having asked the feed once."""
    feed, words = CountedFeed(open_memory(clock=lambda: NOW).feed), Words()
    mine, other = beside(feed, words), beside(feed, words)
    await revoke(feed, "app:billing")
    await other.keep_up()
    assert (other.view.serial, feed.asked) == (0, 0)  # nobody has told anything yet
    await mine.catch_up()
    await asyncio.gather(*(other.keep_up() for _ in range(20)))
    assert other.view.serial == mine.view.serial == words.newest() > 0
    assert feed.asked == 2


async def test_a_feed_that_is_down_does_not_hide_what_a_neighbour_told() -> None:
    """Something was told that cannot be read: nothing is decided before it can."""
    feed, words = CountedFeed(open_memory(clock=lambda: NOW).feed), Words()
    other = beside(feed, words)
    await revoke(feed, "app:billing")
    words.tell(1)
    feed.down = True
    for _ in range(2):
        with pytest.raises(DependencyDown):
            await other.keep_up()
    feed.down = False
    await other.keep_up()
    assert other.view.serial == 1


async def test_what_a_neighbour_tells_is_read_though_nobody_asks() -> None:
    """Transfers that run have no next request: the entry is taken in at the word, once it can be read."""
    feed, words = CountedFeed(open_memory(clock=lambda: NOW).feed), Words()
    taken: list[int] = []
    other = RevocationFollower(
        feed,
        lambda entries: taken.extend(entry.serial for entry in entries),
        monotonic=lambda: 0.0,
        clock=lambda: NOW,
        metrics=Metrics(),
        neighbours=words,
    )
    feed.changed = lambda *_: asyncio.Event().wait()  # this feed never says anything
    async with asyncio.TaskGroup() as group:
        following = group.create_task(other.run())
        await revoke(feed, "app:billing")
        for feed.down, known in ((True, []), (False, [1])):
            words.tell(1)
            await asyncio.sleep(0.01)
            assert taken == known
        following.cancel()


async def test_what_the_feed_has_forgotten_is_asked_for_once() -> None:
    """A notice may be pruned before this process came to read it: the feed says that nothing is missing."""
    feed, words = CountedFeed(open_memory(clock=lambda: NOW).feed), Words()
    other = beside(feed, words)
    words.tell(7)
    for _ in range(3):
        await other.keep_up()
    assert feed.asked == 1
    await revoke(feed, "app:billing")
    words.tell(8)
    await other.keep_up()
    assert feed.asked == 2


async def test_what_a_neighbour_announces_lower_than_before_is_asked_for_too() -> None:
    """A neighbour may have read further in what the state has lost since: that it was asked about says nothing of what
    gets these numbers again."""
    feed, words = CountedFeed(open_memory(clock=lambda: NOW).feed), Words()
    other = beside(feed, words)
    words.tell(7)
    await other.keep_up()
    words.told.clear()
    await revoke(feed, "app:billing")
    words.tell(1)
    assert other.is_behind()
    await other.keep_up()
    assert (2, 1, False) == (feed.asked, other.view.serial, other.is_behind())


async def _ages(rig: Rig, *steps: float, monkeypatch: pytest.MonkeyPatch, late: float = 1e9) -> list[float]:
    """At which ages the guard called, when a step of the clock passed during each of its waits."""
    called: list[float] = []
    left = list(steps)

    async def sleep(seconds: float) -> None:
        if not left:
            raise asyncio.CancelledError
        rig.clock.tick(left.pop(0))

    monkeypatch.setattr("gateway.data.state.revocation_follower.asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr("gateway.data.state.revocation_follower._LATE", late)
    with pytest.raises(asyncio.CancelledError):
        await rig.plane.follower.guard(lambda: called.append(rig.plane.follower.age))
    return called


async def test_the_guard_calls_past_the_bound_and_not_before(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blip below five seconds ends nothing; past them the guard calls, and goes on calling."""
    assert [5.25, 5.5] == await _ages(rig, 4.5, 0.5, 0.25, 0.25, monkeypatch=monkeypatch)


async def test_a_process_that_stood_still_asks_the_feed_first(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Woken late it waits once more; only what is too old even then is told."""
    assert [9.0] == await _ages(rig, 8.0, 1.0, monkeypatch=monkeypatch, late=0.5)


async def test_the_guard_is_awake_at_the_bound(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its wait ends when the view passes its age, and never is a spin."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        rig.clock.tick(seconds)
        if len(waits) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr("gateway.data.state.revocation_follower.asyncio", SimpleNamespace(sleep=sleep))
    rig.clock.tick(2.0)
    with pytest.raises(asyncio.CancelledError):
        await rig.plane.follower.guard(lambda: None)
    assert [3.0, 0.1, 0.1, 0.1] == waits
