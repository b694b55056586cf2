"""The cache of grants: no look-up for what is known, and nothing that the feed has ended or changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.grant import Scope
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import EVERY, FeedKind, RevocationTarget
from gateway.core.token import ENTROPY_BYTES, LinkToken
from tests.data.harness import APP, Rig, running
from tests.data.state.test_revocation_follower import Words


@pytest.fixture
def look_ups(rig: Rig) -> list[bytes]:
    """The hashes that the grant store was asked for."""
    found: list[bytes] = []
    store = rig.plane.grants._store

    class Counted:
        async def find(self, secret_hash):
            found.append(secret_hash)
            return await store.find(secret_hash)

    rig.plane.grants._store = Counted()
    return found


async def test_a_known_link_costs_no_look_up(rig: Rig, look_ups: list[bytes]) -> None:
    """One look-up, then the cache."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link()
    for _ in range(3):
        assert 200 == (await rig.fetch(token)).status
    assert 1 == len(look_ups)
    assert (1, 2) == tuple(rig.metric("gateway_grant_cache_total", result=result) for result in ("miss", "hit"))


async def test_an_unknown_token_costs_one_look_up(rig: Rig, look_ups: list[bytes]) -> None:
    """ "There is none" is remembered while the feed stands still."""
    token = LinkToken.mint(b"e" * ENTROPY_BYTES).text
    for _ in range(3):
        assert 404 == (await rig.fetch(token)).status
    assert 1 == len(look_ups)


async def test_a_new_link_works_at_once_after_a_negative_answer(rig: Rig) -> None:
    """What the cache says there is not ends with the next entry of the feed."""
    rig.store.hold("inside/a.txt", b"hello")
    token = LinkToken.mint(b"e" * ENTROPY_BYTES)
    assert 404 == (await rig.fetch(token.text)).status
    _, other = await rig.granted()
    await rig.state.grants.create(replace(other, id="l_new", hash=token.hash))
    await rig.plane.follower.catch_up()
    assert 200 == (await rig.fetch(token.text)).status


async def test_an_edit_is_seen_at_once(rig: Rig) -> None:
    """A cached grant leaves when the feed says it changed."""
    rig.store.hold("inside/b.txt", b"new place")
    token, grant = await rig.granted()
    assert 404 == (await rig.fetch(token)).status
    await rig.edit(grant, scope=Scope("reports", key="b.txt"))
    assert b"new place" == (await rig.fetch(token)).body


async def test_an_entry_about_every_grant_empties_the_cache(rig: Rig, look_ups: list[bytes]) -> None:
    """Each is asked for again, what there was not as well, even at a place in the feed where it was known; and what was
    let in before it has to be."""
    rig.store.hold("inside/a.txt", b"hello")
    known, absent = await rig.link(), LinkToken.mint(b"e" * ENTROPY_BYTES).text
    follower, grants = rig.plane.follower, rig.plane.grants
    for entries in ([], [FeedEntry(follower.view.serial, FeedKind.CHANGED, EVERY)]):
        follower._take(entries)
        for token in (known, absent) * 2:
            await rig.fetch(token)
    assert 4 == len(look_ups)
    serial = follower.view.serial
    assert [False, True] == [grants.is_current("l_any", as_of) for as_of in (serial - 1, serial)]


async def test_what_a_neighbour_told_comes_before_the_cache(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cached link that another process of this host has revoked is refused from the moment that one says so."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted()
    follower, words = rig.plane.follower, Words()
    monkeypatch.setattr(follower, "_neighbours", words)
    monkeypatch.setattr(rig.plane.grants, "_keep_up", follower.keep_up)
    monkeypatch.setattr(rig.plane.grants, "_is_behind", follower.is_behind)
    assert 200 == (await rig.fetch(token)).status
    [entry] = await rig.state.feed.revoke([RevocationTarget(FeedKind.LINK, grant.id)], 0.0, "", "admin:ops")
    assert 200 == (await rig.fetch(token)).status  # as nobody has answered the caller yet
    words.tell(entry.serial)
    assert 410 == (await rig.fetch(token)).status


async def test_a_rotated_token_ends_at_once(rig: Rig) -> None:
    """The old secret is unknown, the new one works."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted()
    assert 200 == (await rig.fetch(token)).status
    fresh = LinkToken.mint(b"f" * ENTROPY_BYTES)
    await rig.edit(grant, hash=fresh.hash)
    assert (404, 200) == ((await rig.fetch(token)).status, (await rig.fetch(fresh.text)).status)


@pytest.mark.parametrize("kind", [FeedKind.LINK, FeedKind.OWNER, FeedKind.PREFIX, FeedKind.BACKEND, FeedKind.POLICY])
async def test_every_kind_of_revocation_ends_a_cached_link(rig: Rig, kind: FeedKind) -> None:
    """In the same call that makes it known, and for good."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(rule="everything")
    assert 200 == (await rig.fetch(token)).status
    names = {
        FeedKind.LINK: grant.id,
        FeedKind.OWNER: str(APP),
        FeedKind.PREFIX: "reports",
        FeedKind.BACKEND: "lab",
        FeedKind.POLICY: "everything",
    }
    await rig.revoke(kind, names[kind])
    assert 410 == (await rig.fetch(token)).status
    assert "revoked" == (await rig.last()).reason


async def test_a_link_made_after_a_revocation_of_its_owner_works(rig: Rig) -> None:
    """A revocation ends what was issued before it."""
    rig.store.hold("inside/a.txt", b"hello")
    await rig.revoke(FeedKind.OWNER, str(APP))
    assert 200 == (await rig.fetch(await rig.link())).status


async def test_an_edit_that_overtakes_a_look_up_is_not_lost(rig: Rig) -> None:
    """What was read while the feed moved is used once and not kept."""
    _, grant = await rig.granted()
    store = rig.plane.grants._store

    class Overtaken:
        async def find(self, secret_hash):
            old = await store.find(secret_hash)
            await rig.edit(grant, label="new")
            return old

    rig.plane.grants._store = Overtaken()
    found = await rig.plane.grants.find(grant.hash)
    rig.plane.grants._store = store
    again = await rig.plane.grants.find(grant.hash)
    assert (None, "new") == (found and found.label, again and again.label)


async def test_a_grant_that_the_feed_could_no_longer_reach_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However full the cache: a link in constant use, made long ago, ends with its rotation like any other."""
    monkeypatch.setattr("gateway.data.state.grants._CACHED", 4)
    async with running() as rig:
        rig.store.hold("inside/a.txt", b"hello")
        token, grant = await rig.granted()
        for _ in range(4):  # as many others as fit
            assert 200 == (await rig.fetch(token)).status
            await rig.fetch(await rig.link())
        fresh = LinkToken.mint(b"f" * ENTROPY_BYTES)
        await rig.edit(grant, hash=fresh.hash)
        assert 200 == (await rig.fetch(fresh.text)).status
        assert 404 == (await rig.fetch(token)).status


async def test_a_secret_is_kept_no_longer_than_its_key_is_known(rig: Rig) -> None:
    """Used again while the key is, gone with it; of a key that is not kept, none is."""
    pair, key = await rig.key()
    grants = rig.plane.grants
    assert pair.secret_key == grants.secret_of(key, pair.access_key)
    assert [] == list(grants._secrets)
    assert await grants.find(key.hash) is not None
    assert [pair.secret_key] * 2 == [grants.secret_of(key, pair.access_key) for _ in range(2)]
    assert [key.hash] == list(grants._secrets)
    await rig.revoke(FeedKind.KEY, key.id)
    assert [] == list(grants._secrets)
