"""The law of `RevocationFeed`, for every engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, Scope
from gateway.core.revocation import FeedEntry, RevocationView
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.engine import Engine
from tests.contract.sample import NOW, key, link

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def followed(engine: Engine, serial: int = 0, step: int = 2) -> list[FeedEntry]:
    """Everything after a serial, read in small steps."""
    seen: list[FeedEntry] = []
    while entries := await engine.feed.since(seen[-1].serial if seen else serial, step):
        seen += entries
    return seen


async def revoke(engine: Engine, *targets: RevocationTarget) -> list[FeedEntry]:
    return list(await engine.feed.revoke(targets, NOW + 1, "why", "admin:ops"))


async def test_an_empty_feed_says_so(engine: Engine) -> None:
    """An empty answer is the proof of being up to date."""
    assert list(await engine.feed.since(0, 10)) == []
    assert list(await engine.feed.revocations(0, 10)) == []


async def test_the_last_serial_is_that_of_the_last_entry(engine: Engine) -> None:
    """And stays when notices are forgotten, so that who has read them is not told that something was lost."""
    assert 0 == await engine.feed.last()
    grant = await engine.grants.create(link())
    await revoke(engine, RevocationTarget(FeedKind.LINK, grant.id))
    await engine.grants.save(replace(await engine.grants.create(link()), label="new"))
    last = (await followed(engine))[-1].serial
    assert last == await engine.feed.last()
    await engine.ledger.prune(NOW + 10**7)
    assert last == await engine.feed.last()


async def test_the_feed_tells_all_in_order(engine: Engine) -> None:
    """Creating, editing and revoking each leave their entries, oldest first, with rising serials."""
    grant = await engine.grants.create(link())
    await engine.grants.save(replace(grant, label="new"))
    entries = await revoke(
        engine, RevocationTarget(FeedKind.LINK, grant.id), RevocationTarget(FeedKind.PREFIX, "reports", "billing/ü")
    )
    told = await followed(engine)
    assert [(entry.kind, entry.name, entry.prefix) for entry in told] == [
        (FeedKind.ISSUED, grant.id, ""),
        (FeedKind.CHANGED, grant.id, ""),
        (FeedKind.LINK, grant.id, ""),
        (FeedKind.PREFIX, "reports", "billing/ü"),
    ]
    assert told[0].serial == grant.serial
    assert told[2:] == entries
    assert [(entry.at, entry.reason, entry.by) for entry in entries] == [(NOW + 1, "why", "admin:ops")] * 2
    assert [entry.serial for entry in told] == sorted({entry.serial for entry in told})


async def test_a_failed_edit_tells_nothing(engine: Engine) -> None:
    """What changed nothing leaves no entry."""
    grant = await engine.grants.create(link())
    await engine.grants.save(replace(grant, version=9))
    with pytest.raises(ValueError):
        await engine.grants.create(grant)
    assert [entry.kind for entry in await followed(engine)] == [FeedKind.ISSUED]


async def test_revocations_are_the_revoking_entries(engine: Engine) -> None:
    """The revocation list leaves out what only invalidates caches, and pages by serial."""
    await engine.grants.create(link())
    first, second = await revoke(
        engine, RevocationTarget(FeedKind.BACKEND, "archive"), RevocationTarget(FeedKind.POLICY, "a rule")
    )
    await engine.grants.create(link())
    assert list(await engine.feed.revocations(0, 10)) == [first, second]
    assert list(await engine.feed.revocations(0, 1)) == [first]
    assert list(await engine.feed.revocations(first.serial, 10)) == [second]
    assert list(await engine.feed.revocations(second.serial, 10)) == []


async def test_since_starts_after_the_serial(engine: Engine) -> None:
    """No entry is told twice and none is left out."""
    grants = [await engine.grants.create(link()) for _ in range(5)]
    told = await engine.feed.since(grants[1].serial, 2)
    assert [entry.name for entry in told] == [grants[2].id, grants[3].id]


TARGETS = {
    "link": RevocationTarget(FeedKind.LINK, "l_mine"),
    "key": RevocationTarget(FeedKind.KEY, "k_mine"),
    "wrong kind": RevocationTarget(FeedKind.KEY, "l_mine"),
    "owner": RevocationTarget(FeedKind.OWNER, "app:mine"),
    "rule": RevocationTarget(FeedKind.POLICY, "my rule"),
    "prefix": RevocationTarget(FeedKind.PREFIX, "reports", "mine/"),
    "part of a name": RevocationTarget(FeedKind.PREFIX, "reports", "mi"),
    "bucket": RevocationTarget(FeedKind.PREFIX, "reports"),
    "pattern signs": RevocationTarget(FeedKind.PREFIX, "reports", "m%"),
    "other bucket": RevocationTarget(FeedKind.PREFIX, "report"),
    "backend": RevocationTarget(FeedKind.BACKEND, "archive"),
}
ENDED = {
    "link": {"l_mine"},
    "key": {"k_mine"},
    "wrong kind": set(),
    "owner": {"l_mine", "k_mine"},
    "rule": {"l_mine"},
    "prefix": {"l_mine", "l_whole"},
    "part of a name": {"l_mine", "l_whole", "l_minor"},
    "bucket": {"l_mine", "l_whole", "l_minor", "l_above"},
    "pattern signs": set(),
    "other bucket": set(),
    "backend": set(),
}


def cast_of_grants() -> list[Grant]:
    mine = Principal("app", "mine")
    return [
        link("l_mine", owner=mine, rule="my rule", scope=Scope("reports", key="mine/a.pdf")),
        link("l_whole", scope=Scope("reports", prefix="mine/")),
        link("l_minor", scope=Scope("reports", prefix="minor/"), rule="my rule too"),
        link("l_above", scope=Scope("reports", prefix="")),
        link("l_else", scope=Scope("archive", prefix="mine/")),
        key("k_mine", owner=mine),
        key("k_else"),
    ]


@pytest.mark.parametrize("case", TARGETS)
async def test_a_revocation_marks_exactly_what_it_means(engine: Engine, case: str) -> None:
    """The grants that the target means are marked with time and reason; the dry run counts the same ones."""
    stored = [await engine.grants.create(grant) for grant in cast_of_grants()]
    assert await engine.grants.count(TARGETS[case]) == len(ENDED[case])
    await revoke(engine, TARGETS[case])
    now = [await engine.grants.get(grant.id) for grant in stored]
    assert {grant.id for grant in now if grant is not None and grant.revoked_at is not None} == ENDED[case]
    assert {(grant.revoked_at, grant.revoked_reason) for grant in now if grant and grant.id in ENDED[case]} <= {
        (NOW + 1, "why")
    }
    assert await engine.grants.count(TARGETS[case]) == 0
    for grant in now:
        assert grant is not None
        assert await engine.grants.find(grant.hash) == grant


async def test_a_first_revocation_is_kept(engine: Engine) -> None:
    """A second revocation leaves the time and the reason of the first."""
    grant = await engine.grants.create(link())
    await revoke(engine, RevocationTarget(FeedKind.LINK, grant.id))
    await engine.feed.revoke([RevocationTarget(FeedKind.OWNER, str(grant.owner))], NOW + 9, "later", "admin:ops")
    kept = await engine.grants.get(grant.id)
    assert kept is not None
    assert (kept.revoked_at, kept.revoked_reason) == (NOW + 1, "why")


async def test_what_is_issued_after_is_not_revoked(engine: Engine) -> None:
    """A generation ends what was there before; what comes after lives, in the store and in the view."""
    before = await engine.grants.create(link())
    await revoke(engine, RevocationTarget(FeedKind.OWNER, "app:billing"))
    after = await engine.grants.create(link())
    view = RevocationView()
    view.apply(await followed(engine))
    assert view.revoked(before, "reports", "billing/a", "archive") is FeedKind.OWNER
    assert view.revoked(after, "reports", "billing/a", "archive") is None
    kept = await engine.grants.get(after.id)
    assert kept is not None
    assert kept.revoked_at is None


async def test_no_targets_write_nothing(engine: Engine) -> None:
    """An empty revocation is no entry."""
    assert await revoke(engine) == []
    assert await followed(engine) == []


async def test_many_targets_are_one_write(engine: Engine) -> None:
    """Five hundred links are revoked together, in order."""
    targets = [RevocationTarget(FeedKind.LINK, f"l_{number}") for number in range(500)]
    entries = await revoke(engine, *targets)
    assert [entry.name for entry in entries] == [target.name for target in targets]
    assert await followed(engine, step=200) == entries


async def test_parallel_writers_get_different_serials(engine: Engine) -> None:
    """Serials are given once, and who reads while others write misses nothing."""
    seen: list[FeedEntry] = []

    async def follow() -> None:
        while len(seen) < 60:
            last = seen[-1].serial if seen else 0
            await engine.feed.changed(last, 1)
            seen.extend(await engine.feed.since(last, 7))

    async def write(number: int) -> None:
        if number % 2:
            await engine.grants.create(link())
        else:
            await revoke(engine, RevocationTarget(FeedKind.LINK, f"l_other{number}"))

    async with asyncio.timeout(30):
        await asyncio.gather(follow(), *(write(number) for number in range(60)))
    assert [entry.serial for entry in seen] == sorted({entry.serial for entry in seen})
    assert seen == await followed(engine)


async def test_changed_returns_at_once_when_behind(engine: Engine) -> None:
    """Who is behind does not wait."""
    grant = await engine.grants.create(link())
    async with asyncio.timeout(5):
        await engine.feed.changed(grant.serial - 1, 60)


async def test_changed_returns_at_a_change(engine: Engine) -> None:
    """Who waits is woken by the next entry, long before the time is over."""
    grant = await engine.grants.create(link())
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(engine.feed.changed(grant.serial, 60))
        await asyncio.sleep(0)
        await revoke(engine, RevocationTarget(FeedKind.LINK, grant.id))


async def test_changed_returns_after_its_time(engine: Engine) -> None:
    """Without a change, the wait ends when it was told to."""
    async with asyncio.timeout(5):
        await engine.feed.changed(10**9, 0.01)


async def test_pruned_notices_leave_no_itch(engine: Engine) -> None:
    """All but the newest are forgotten, by which who has read it knows the feed; nobody is told again and again to
    look."""
    for _ in range(3):
        await engine.grants.create(link())
    *_, newest = await followed(engine)
    for _ in range(2):
        await engine.ledger.prune(NOW + 1)
        assert list(await engine.feed.since(0, 9)) == [newest]
    loop = asyncio.get_running_loop()
    start = loop.time()
    await engine.feed.changed(newest.serial, 0.05)
    assert loop.time() - start >= 0.045
    await revoke(engine, RevocationTarget(FeedKind.OWNER, "app:billing"))
    await engine.ledger.prune(NOW + 1)
    assert [entry.kind for entry in await followed(engine)] == [FeedKind.OWNER]


async def test_a_missed_edit_leaves_no_itch(engine: Engine) -> None:
    """An edit that lost and a repeated creation wake nobody for nothing."""
    grant = await engine.grants.create(link(), "once")
    await engine.grants.create(link(), "once")
    await engine.grants.save(replace(grant, version=9))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await engine.feed.changed(grant.serial, 0.05)
    assert loop.time() - start >= 0.045


@FEW
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("link"), st.sampled_from(["", "a/", "a/b/", "c/"]), st.sampled_from(["one", "two"])),
            st.tuples(st.just("prefix"), st.sampled_from(["", "a/", "a/b", "c/"]), st.just("")),
            st.tuples(st.just("owner"), st.just(""), st.sampled_from(["one", "two"])),
        ),
        max_size=12,
    ),
    cut=st.integers(0, 12),
)
async def test_store_and_view_agree(engine: Engine, steps: list[tuple[str, str, str]], cut: int) -> None:
    """Whatever the order, a view that followed the feed ends exactly the grants that the store has marked."""
    bucket = link().id.replace("_", "-")
    grants = []
    for step, prefix, owner in steps:
        if step == "link":
            owned = Principal("app", f"{bucket}.{owner}")
            grants.append(await engine.grants.create(link(scope=Scope(bucket, prefix=prefix), owner=owned)))
        elif step == "prefix":
            await revoke(engine, RevocationTarget(FeedKind.PREFIX, bucket, prefix))
        else:
            await revoke(engine, RevocationTarget(FeedKind.OWNER, f"app:{bucket}.{owner}"))
    entries = await followed(engine, step=5)
    view = RevocationView()
    view.apply(reversed(entries[cut:]))
    view.apply(entries)
    for grant in grants:
        kept = await engine.grants.get(grant.id)
        assert kept is not None
        root = grant.scope.root if grant.scope is not None else ""
        assert (kept.revoked_at is not None) == (view.revoked(grant, bucket, root + "x", "archive") is not None), grant
