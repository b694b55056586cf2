"""The sorted sets that lists are read from are complete, whoever wrote: an older gateway knows nothing of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from gateway.core.grant import Grant, GrantFilter, GrantState
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.engine import Engine
from gateway.stores.redis import feed, grants
from gateway.stores.redis.server import PREFIX
from tests.contract.sample import NOW, link

_OWN = re.compile(r"^ *(put_on|take_off)_shelves\(id\)$|redis.call\('SET', p .. 'shelved', serial\)", re.MULTILINE)


@contextmanager
def as_an_older_gateway() -> Iterator[None]:
    """While it lasts, everything is written without a word of shelves."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((grants, "CREATE"), (grants, "_SAVE"), (grants, "_PRUNE"), (feed, "_REVOKE")):
            older, count = _OWN.subn("", getattr(module, name))
            assert count >= 2
            patch.setattr(module, name, older)
        yield


async def listed(engine: Engine, **fields: object) -> list[str]:
    page = await engine.grants.page(GrantFilter(now=NOW, **fields), None, 100)  # type: ignore[arg-type]
    return [grant.id for grant in page.grants]


async def revoke(engine: Engine, kind: FeedKind, name: str) -> None:
    await engine.feed.revoke([RevocationTarget(kind, name)], NOW, "", "admin:ops")


async def shelved(url: str) -> bytes | None:
    async with Redis.from_url(url) as client:
        found: bytes | None = await client.get(f"{PREFIX}shelved")
        return found


async def write(engine: Engine) -> tuple[Grant, Grant, Grant]:
    """A grant that is edited, one of a revoked rule, one that is forgotten."""
    edited = await engine.grants.save(replace(await engine.grants.create(link(label="one")), label="two"))
    assert edited is not None
    gone = await engine.grants.create(link(label="two", rule="ended"))
    await revoke(engine, FeedKind.POLICY, "ended")
    ended = await engine.grants.create(link(expires_at=NOW - 9))
    return edited, gone, ended


async def test_what_an_older_gateway_writes_is_listed(engine: Engine, valkey_url: str) -> None:
    """What it makes, changes, revokes and forgets, beside what this one writes before and after."""
    first = await engine.grants.create(link(label="two"))
    with as_an_older_gateway():
        edited, gone, ended = await write(engine)
        assert [] == await listed(engine, label="one")
        assert [gone.id, edited.id, first.id] == await listed(engine, label="two")
        await engine.grants.save(replace(first, label="three"))
        assert 1 == await engine.grants.prune_ended(NOW)
    last = await engine.grants.create(link())
    assert [first.id] == await listed(engine, label="three")
    assert [gone.id] == await listed(engine, state=GrantState.REVOKED)
    assert [last.id, gone.id, edited.id, first.id] == await listed(engine)
    assert ended.id not in await listed(engine, state=GrantState.EXPIRED)
    assert f"{last.serial}".encode() == await shelved(valkey_url)


async def test_a_server_of_an_older_gateway_is_taken_over(engine: Engine, valkey_url: str) -> None:
    """However many are there: all that were written before there were shelves."""
    async with Redis.from_url(valkey_url) as client:
        with as_an_older_gateway():
            edited, gone, ended = await write(engine)
            await client.delete(f"{PREFIX}shelved")
            many = [await engine.grants.create(link(label="many")) for _ in range(450)]
        assert 0 == len([key async for key in client.scan_iter(f"{PREFIX}list:*")])
    assert {gone.id, edited.id} == set(await listed(engine, label="two"))
    assert many[-1].id == (await listed(engine, label="many"))[0]
    assert [ended.id] == await listed(engine, state=GrantState.EXPIRED)
    assert [gone.id] == await listed(engine, state=GrantState.REVOKED)


async def test_where_the_feed_has_a_gap_all_is_looked_at(engine: Engine, valkey_url: str) -> None:
    """The feed forgets old notices; what it named is listed all the same."""
    assert [] == await listed(engine)  # from here on the shelves are complete
    first = await engine.grants.create(link(label="two"))
    with as_an_older_gateway():
        edited, gone, _ = await write(engine)
    async with Redis.from_url(valkey_url) as client:
        entries = await client.xrange(f"{PREFIX}feed")
        named = [name for name, said in entries if said[b"name"].decode() in {edited.id, gone.id, "ended"}]
        assert 4 == await client.xdel(f"{PREFIX}feed", *named)
    assert [gone.id, edited.id, first.id] == await listed(engine, label="two")


async def test_what_is_on_the_shelves_needs_no_look_at_the_feed(engine: Engine, valkey_url: str) -> None:
    """Among gateways that know of them, every write leaves them complete: a list finds them so."""
    assert [] == await listed(engine)
    edited, _, _ = await write(engine)
    await revoke(engine, FeedKind.OWNER, str(edited.owner))
    async with Redis.from_url(valkey_url) as client:
        serial = await client.get(f"{PREFIX}serial")
    assert serial == await shelved(valkey_url)


async def test_nothing_is_left_of_what_is_forgotten(engine: Engine, valkey_url: str) -> None:
    """A grant leaves every shelf that it was put on, also after it was edited and revoked."""
    assert [] == await listed(engine)
    made = await engine.grants.create(link(label="one", uses=1, suspended_at=NOW, not_before=NOW, expires_at=NOW + 9))
    await engine.grants.save(replace(made, label="two", uses=None, suspended_at=None, expires_at=NOW - 9))
    await revoke(engine, FeedKind.LINK, made.id)
    assert 1 == await engine.grants.prune_ended(NOW)
    async with Redis.from_url(valkey_url) as client:
        assert [] == [key async for key in client.scan_iter(f"{PREFIX}list:*")]


async def test_only_what_ended_is_read_to_be_forgotten(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much else there is, and whatever was left on a shelf in front of it."""
    read: list[str] = []
    read_all = grants.RedisGrants._read_all

    async def noted(self: grants.RedisGrants, names: list[str]) -> dict[str, Grant]:
        read.extend(names)
        return await read_all(self, names)

    monkeypatch.setattr(grants, "_BATCH", 2)
    kept = [await engine.grants.create(link(expires_at=end)) for end in (None, NOW, NOW + 9, *[NOW - 9] * 5)]
    with as_an_older_gateway():
        for grant in kept[3:]:  # it leaves them where they were
            await engine.grants.save(replace(grant, expires_at=None))
    ended = [await engine.grants.create(link(expires_at=NOW - 1)) for _ in range(5)]
    monkeypatch.setattr(grants.RedisGrants, "_read_all", noted)
    assert 5 == await engine.grants.prune_ended(NOW)
    assert {grant.id for grant in (*ended, *kept[3:])} == set(read)
    assert {grant.id for grant in kept} == set(await listed(engine))
    assert 0 == await engine.grants.prune_ended(NOW)
