"""The follower of a list: what it ends, how old it may be, and what a wrong one changes."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.reasons import SettingsError
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind
from gateway.data.state.list_follower import ListFollower
from tests.data.harness import APP, NOW, Rig, request
from tests.data.scripted_store import Scripted


class Source:
    """A list that a test writes."""

    def __init__(self) -> None:
        self.entries: list[FeedEntry] = []
        self.as_of = NOW
        self.faults: tuple[str, ...] = ()
        self.read_once = asyncio.Event()

    @property
    def count(self) -> int:
        return len(self.entries)

    async def read(self, take):
        self.read_once.set()
        if self.faults:
            raise SettingsError(*self.faults)
        take(self.entries)
        return self.as_of


async def followed(rig: Rig, max_age: float = 60.0) -> tuple[Source, ListFollower]:
    def take(entries):
        rig.plane.transfers.cut_revoked(rig.plane.follower.view)

    source = Source()
    follower = ListFollower(source, max_age, take, clock=rig.clock.wall)
    await follower.load()
    rig.plane.follower.include(follower)
    return source, follower


def entry(kind: FeedKind, name: str, at: float = NOW) -> FeedEntry:
    return FeedEntry(int(at * 1000), kind, name)


async def test_what_is_listed_is_revoked_and_cut(rig: Rig) -> None:
    """New requests and running transfers alike; what was issued after it is not meant."""
    source, follower = await followed(rig)
    hold = asyncio.Event()
    token, _ = await rig.granted()
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, hold], length=100_000))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}"))
        await client.head()
        source.entries = [entry(FeedKind.OWNER, str(APP), NOW + 1)]
        await follower.load()
        await client.rest()
        assert client.reset
    assert 410 == (await rig.fetch(token)).status
    rig.clock.tick(2)
    source.as_of = rig.clock.now
    await follower.load()
    await rig.plane.follower.catch_up()
    rig.store.hold("inside/a.txt", b"hello")
    assert 200 == (await rig.fetch(await rig.link())).status


async def test_a_list_that_grows_too_old_decides_nothing(rig: Rig) -> None:
    """At its own bound the view is as old as its bound; a newer list makes it fresh."""
    source, follower = await followed(rig, max_age=60.0)
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link()
    rig.clock.tick(60)
    await rig.plane.follower.catch_up()
    assert (5.0, 60.0) == (rig.plane.follower.age, follower.age)
    assert 200 == (await rig.fetch(token)).status
    rig.clock.tick(0.1)
    await rig.plane.follower.catch_up()
    assert (503, "view_too_old") == ((await rig.fetch(token)).status, (await rig.last()).reason)
    source.as_of = rig.clock.now
    await follower.load()
    assert 200 == (await rig.fetch(token)).status


async def test_a_fresh_list_does_not_hide_an_old_feed(rig: Rig) -> None:
    """The older of both is the view's age."""
    await followed(rig, max_age=600.0)
    rig.clock.tick(7)
    assert 7 == rig.plane.follower.age


async def test_what_was_listed_once_stays_in_force(rig: Rig) -> None:
    """A shorter list ends nothing of it, and an older one takes no time back."""
    source, follower = await followed(rig)
    token, grant = await rig.granted()
    source.entries = [entry(FeedKind.LINK, grant.id, NOW + 1)]
    await follower.load()
    source.entries, source.as_of = [], NOW - 1000
    await follower.load()
    assert 410 == (await rig.fetch(token)).status
    assert 0 == follower.age


async def test_a_wrong_list_changes_nothing_and_the_follower_goes_on(rig: Rig) -> None:
    """It is read again at the next news."""
    source, follower = await followed(rig)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(follower.run())
        source.faults = ("list.json:1: is no JSON",)
        for faults in (source.faults, source.faults, ()):
            source.faults = faults
            source.read_once.clear()
            follower.note()
            await source.read_once.wait()
            await asyncio.sleep(0)
            assert not running.done()
        running.cancel()


async def test_a_wrong_list_at_the_start_is_an_error(rig: Rig) -> None:
    """A gateway that was told to follow a list does not start without it."""
    source = Source()
    source.faults = ("list.json: No such file or directory",)
    follower = ListFollower(source, 60.0, lambda _: None, clock=rig.clock.wall)
    with pytest.raises(SettingsError):
        await follower.load()
