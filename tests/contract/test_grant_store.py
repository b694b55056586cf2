"""The law of `GrantStore` and `GrantAdmin`, for every engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.core.approval import Approval, Waiting
from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter, GrantKind, GrantState, Scope
from gateway.core.intake import Intake
from gateway.core.lease import Reservation, Settlement
from gateway.core.narrowing import Narrowing
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import hash_secret
from gateway.stores.engine import Engine
from gateway.stores.redis.grants import RedisGrants
from tests.contract.sample import NOW, FakeClock, full_key, full_link, key, link, record


async def test_a_grant_comes_back_as_it_was_stored(engine: Engine) -> None:
    """Every field survives the way to the store and back, by secret and by id."""
    wanted = full_link()
    stored = await engine.grants.create(wanted)
    assert stored == replace(wanted, serial=stored.serial)
    assert await engine.grants.find(wanted.hash) == stored
    assert await engine.grants.get(wanted.id) == stored


async def test_a_key_comes_back_as_it_was_stored(engine: Engine) -> None:
    """A key keeps its sealed secret byte for byte."""
    stored = await engine.grants.create(key(sealed=bytes(range(256))))
    assert await engine.grants.find(stored.hash) == stored
    assert stored.sealed == bytes(range(256))
    narrowed = await engine.grants.create(full_key())
    assert full_key().narrowed == narrowed.narrowed
    assert await engine.grants.find(narrowed.hash) == narrowed
    widened = await engine.grants.save(replace(narrowed, narrowed=(), uses=None, budget=None))
    assert widened is not None
    assert (await engine.grants.get(narrowed.id), ()) == (widened, widened.narrowed)


async def test_an_unknown_secret_finds_nothing(engine: Engine) -> None:
    """None means that there is none."""
    await engine.grants.create(link())
    assert await engine.grants.find(hash_secret("never issued")) is None
    assert await engine.grants.get("l_never") is None


async def test_serials_grow_and_start_above_zero(engine: Engine) -> None:
    """Grants get their serials from the feed's counter, each above all before."""
    first = await engine.grants.create(link())
    (revocation,) = await engine.feed.revoke([RevocationTarget(FeedKind.LINK, "l_other")], NOW, "", "admin:ops")
    second = await engine.grants.create(link(serial=999))
    assert 0 < first.serial < revocation.serial < second.serial


async def test_a_taken_id_or_secret_is_refused(engine: Engine) -> None:
    """Two grants never share an id or a secret, and the first one is untouched."""
    first = await engine.grants.create(link())
    with pytest.raises(ValueError, match="exists"):
        await engine.grants.create(link(first.id, hash=hash_secret("another")))
    with pytest.raises(ValueError, match="exists"):
        await engine.grants.create(link(hash=first.hash))
    assert await engine.grants.get(first.id) == first


@pytest.mark.parametrize("bad", [{"label": "a\x00b"}, {"label": "\ud800"}, {"uses": 2**63}, {"budget": -1}])
async def test_what_some_engine_cannot_hold_is_refused_by_all(engine: Engine, bad: dict[str, object]) -> None:
    """A text with NUL or a lone surrogate and a count above 63 bits are the caller's fault, on every engine."""
    with pytest.raises(ValueError):
        await engine.grants.create(link(**bad))


@pytest.mark.parametrize("text", ["\x00", "\ud800", "ü", "", "x" * 5000])
async def test_a_strange_name_is_nobodys(engine: Engine, text: str) -> None:
    """What comes from a URL may hold anything, and simply is not there."""
    assert await engine.grants.get(text) is None
    assert list((await engine.ledger.records_of(text, None, 9)).records) == []


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
async def test_a_filter_that_matches_nothing_ever_is_refused(engine: Engine, text: str) -> None:
    """A text that no engine could hold is the caller's fault, in a filter as in a grant."""
    for fields in ({"label": text}, {"bucket": text}, {"prefix": text}):
        with pytest.raises(ValueError):
            await engine.grants.page(GrantFilter(now=NOW, **fields), None, 9)
    with pytest.raises(ValueError):
        await engine.grants.create(link(), text)
    with pytest.raises(ValueError):
        await engine.feed.revoke([RevocationTarget(FeedKind.LINK, text)], NOW, "", "admin:ops")


async def test_an_idempotency_text_gives_the_earlier_grant(engine: Engine) -> None:
    """The same text stores nothing twice, and the differing secret tells the caller."""
    first = await engine.grants.create(link(), "order 17")
    again = link()
    assert await engine.grants.create(again, "order 17") == first
    assert await engine.grants.get(again.id) is None
    assert (await engine.grants.create(again, "order 18")).id == again.id


async def test_an_idempotency_text_is_forgotten_after_a_day(engine: Engine, clock: FakeClock) -> None:
    """After 24 hours the text is free again."""
    first = await engine.grants.create(link(), "order 17")
    if isinstance(engine.grants, RedisGrants):
        # This server forgets by its own clock, so it can only be asked when.
        (name,) = await engine.grants._server._client.keys("*idempotency*")
        assert 86300 < await engine.grants._server._client.ttl(name) <= 86400
        return
    clock.now += 86399
    assert await engine.grants.create(link(), "order 17") == first
    clock.now += 2
    assert await engine.grants.create(link(), "order 17") != first


async def test_parallel_creates_with_one_text_store_one_grant(engine: Engine) -> None:
    """A client that retries while its first call still runs gets one grant."""
    stored = await asyncio.gather(*(engine.grants.create(link(), "one") for _ in range(10)))
    assert len({grant.id for grant in stored}) == 1
    assert len((await engine.grants.page(GrantFilter(now=NOW), None, 100)).grants) == 1


async def test_save_replaces_and_counts_the_version(engine: Engine) -> None:
    """An edit with the current version is stored with the next one."""
    first = await engine.grants.create(full_link())
    edited = replace(first, label=None, expires_at=None, owner=Principal("app", "other"), uses=None, overwrite=False)
    saved = await engine.grants.save(edited)
    assert saved == replace(edited, version=2)
    assert await engine.grants.find(first.hash) == saved


async def test_save_with_an_old_version_changes_nothing(engine: Engine) -> None:
    """Of two edits that read the same version, the second one is told so."""
    first = await engine.grants.create(link())
    assert await engine.grants.save(replace(first, label="mine")) is not None
    assert await engine.grants.save(replace(first, label="theirs")) is None
    assert await engine.grants.save(link("l_never")) is None
    kept = await engine.grants.get(first.id)
    assert kept is not None
    assert kept.label == "mine"


async def test_several_are_saved_at_once(engine: Engine) -> None:
    """Each as if it were alone: those that somebody else was faster with are told, and keep none of the others back."""
    first, second, third = [await engine.grants.create(link()) for _ in range(3)]
    theirs = await engine.grants.save(replace(second, label="theirs"))
    before = (await engine.feed.since(0, 100))[-1].serial
    saved = await engine.grants.save_all(
        [replace(grant, label="mine") for grant in (first, second, third, link("l_never"))]
    )
    mine = [replace(grant, label="mine", version=2) for grant in (first, third)]
    assert [mine[0], None, mine[1], None] == list(saved)
    assert [mine[0], theirs, mine[1]] == [await engine.grants.get(grant.id) for grant in (first, second, third)]
    assert [first.id, third.id] == [entry.name for entry in await engine.feed.since(before, 100)]
    assert [] == list(await engine.grants.save_all([]))


async def test_parallel_saves_have_one_winner(engine: Engine) -> None:
    """Optimistic locking holds under parallel callers."""
    first = await engine.grants.create(link())
    saved = await asyncio.gather(*(engine.grants.save(replace(first, label=str(number))) for number in range(10)))
    assert sum(grant is not None for grant in saved) == 1


async def test_a_rotated_secret_ends_the_old_one(engine: Engine) -> None:
    """After a rotation only the new secret finds the link."""
    first = await engine.grants.create(link())
    saved = await engine.grants.save(replace(first, hash=hash_secret("the new secret")))
    assert await engine.grants.find(hash_secret("the new secret")) == saved
    assert await engine.grants.find(first.hash) is None


async def test_a_rotation_to_a_taken_secret_is_refused(engine: Engine) -> None:
    """A rotation never takes over another grant's secret."""
    first, second = await engine.grants.create(link()), await engine.grants.create(link())
    with pytest.raises(ValueError, match="exists"):
        await engine.grants.save(replace(first, hash=second.hash))
    assert await engine.grants.find(second.hash) == second
    assert await engine.grants.find(first.hash) == first


async def test_an_edit_never_takes_a_revocation_back(engine: Engine) -> None:
    """An edit that was read before a revocation keeps the revocation, the serial and the time of issue."""
    first = await engine.grants.create(link())
    await engine.feed.revoke([RevocationTarget(FeedKind.LINK, first.id)], NOW + 5, "leaked", "admin:ops")
    saved = await engine.grants.save(replace(first, label="edited", serial=first.serial + 100, issued_at=0.0))
    assert saved is not None
    assert (saved.revoked_at, saved.revoked_reason, saved.label) == (NOW + 5, "leaked", "edited")
    assert (saved.serial, saved.issued_at) == (first.serial, first.issued_at)


async def test_pages_are_newest_first_and_complete(engine: Engine) -> None:
    """Following the cursors shows every grant once, although new ones appear meanwhile."""
    made = [await engine.grants.create(link()) for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await engine.grants.page(GrantFilter(now=NOW), cursor, 3)
        seen += [grant.id for grant in page.grants]
        await engine.grants.create(link())
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [grant.id for grant in reversed(made)]


async def test_a_full_last_page_has_no_cursor(engine: Engine) -> None:
    """A cursor promises at least one more grant."""
    for _ in range(3):
        await engine.grants.create(link())
    assert (await engine.grants.page(GrantFilter(now=NOW), None, 3)).cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "....", "WyJyIiwxXQ", "WyJnIl0", "WyJnIiwiMSJd", "é", "WyJnIiwxZTQwMF0"])
async def test_a_foreign_cursor_is_refused(engine: Engine, cursor: str) -> None:
    """A cursor that this list did not give is the caller's fault."""
    with pytest.raises(ValueError, match="cursor"):
        await engine.grants.page(GrantFilter(now=NOW), cursor, 3)


async def test_filters_narrow(engine: Engine) -> None:
    """Each field of a filter narrows the list, and all of them together."""
    invoice = await engine.grants.create(link(scope=Scope("reports", key="billing/invoices/1.pdf"), label="one"))
    folder = await engine.grants.create(
        link(scope=Scope("reports", prefix="billing/"), owner=Principal("app", "other"))
    )
    beside = await engine.grants.create(link(scope=Scope("reports", prefix="billing-old/")))
    place = await engine.grants.create(link(scope=Scope("archive", prefix="")))
    access = await engine.grants.create(key(label="one"))

    async def found(**fields: object) -> set[str]:
        page = await engine.grants.page(GrantFilter(now=NOW, **fields), None, 100)  # type: ignore[arg-type]
        return {grant.id for grant in page.grants}

    assert await found() == {invoice.id, folder.id, beside.id, place.id, access.id}
    assert await found(kind=GrantKind.KEY) == {access.id}
    assert await found(owner=Principal("app", "other")) == {folder.id}
    assert await found(bucket="reports") == {invoice.id, folder.id, beside.id}
    assert await found(bucket="reports", prefix="billing/") == {invoice.id, folder.id}
    assert await found(prefix="") == {invoice.id, folder.id, beside.id, place.id}
    assert await found(label="one") == {invoice.id, access.id}
    assert await found(label="one", kind=GrantKind.LINK) == {invoice.id}
    assert await found(label="%") == set()
    assert await found(prefix="billing_") == set()


async def test_a_key_is_where_one_of_its_places_is(engine: Engine) -> None:
    """A bucket's list has the keys that name the bucket, a prefix's those with a folder or a name inside; bucket and
    prefix are asked of one place. A key that is held to no bucket is in none."""
    folder = await engine.grants.create(key(narrowed=(Narrowing(bucket="reports", prefix="2026/ü/"),)))
    names = await engine.grants.create(key(narrowed=(Narrowing(bucket="reports", keys=frozenset({"a", "2026/b 🧾"})),)))
    several = await engine.grants.create(
        key(narrowed=(Narrowing(bucket="reports"), Narrowing(bucket="archive", prefix="2026/")))
    )
    for narrowed in ((), (Narrowing(actions=frozenset({Action.READ})),)):
        await engine.grants.create(key(narrowed=narrowed))
    strange = await engine.grants.create(link(scope=Scope("reports", prefix="2026/"), filename="a\x00.pdf"))

    async def found(**fields: object) -> set[str]:
        page = await engine.grants.page(GrantFilter(now=NOW, **fields), None, 100)  # type: ignore[arg-type]
        return {grant.id for grant in page.grants}

    keys = {"kind": GrantKind.KEY}
    assert {folder.id, names.id, several.id} == await found(bucket="reports", **keys)
    assert {folder.id, names.id} == await found(bucket="reports", prefix="2026/", **keys)
    assert {folder.id, names.id, several.id} == await found(prefix="2026/", **keys)
    assert {folder.id} == await found(prefix="2026/ü/", **keys)
    assert {names.id} == await found(prefix="2026/b 🧾", **keys)
    assert {folder.id, names.id, several.id} == await found(prefix="", **keys)
    assert set() == await found(bucket="drafts", **keys)
    assert {folder.id, names.id, strange.id} == await found(bucket="reports", prefix="2026/")
    assert {strange.id} == await found(bucket="reports", prefix="2026/", kind=GrantKind.LINK)


async def test_states_are_disjoint_and_complete(engine: Engine) -> None:
    """Every grant is in exactly one state; a link whose uses or bytes are spent is used up, and so is one that only
    takes files and has all of them. One that can still be read is not."""
    active = await engine.grants.create(link(uses=2, budget=10))
    expired = await engine.grants.create(link(expires_at=NOW, not_before=NOW + 9))
    pending = await engine.grants.create(link(not_before=NOW + 1, expires_at=NOW + 2))
    revoked = await engine.grants.create(link(expires_at=NOW - 1))
    spent = await engine.grants.create(link(uses=1))
    drained = await engine.grants.create(link(budget=10))
    writes, both = frozenset({Action.WRITE}), frozenset({Action.READ, Action.WRITE})
    full = await engine.grants.create(link(actions=writes, intake=Intake(max_files=1)))
    filled = await engine.grants.create(link(actions=writes, intake=Intake(total_bytes=10)))
    taking = await engine.grants.create(link(actions=writes, intake=Intake(max_files=2, total_bytes=11)))
    readable = await engine.grants.create(link(actions=both, intake=Intake(max_files=1)))
    begun = await engine.grants.create(link(not_before=NOW, expires_at=NOW + 0.5))
    await engine.feed.revoke([RevocationTarget(FeedKind.LINK, revoked.id)], NOW, "", "admin:ops")
    paused = await engine.grants.create(link(not_before=NOW + 1, suspended_at=NOW))
    resumed = await engine.grants.save(replace(await engine.grants.create(link(suspended_at=NOW)), suspended_at=None))
    assert resumed is not None
    waiting = await engine.grants.create(link(not_before=NOW + 1, waiting=Waiting(NOW, NOW + 1, ())))
    lapsed = await engine.grants.create(key(suspended_at=NOW, waiting=Waiting(NOW - 2, NOW, ())))
    halted = await engine.grants.create(link(suspended_at=NOW, waiting=Waiting(NOW, NOW + 1, ())))
    for grant in (active, spent):
        assert await engine.leases.open_lease(Reservation(grant.id, "k"), grant.uses, NOW, 60) is not None
    for grant, moved in ((active, 9), (drained, 10)):
        await engine.leases.settle_bytes(Reservation(grant.id), Settlement(moved), NOW)
    for grant in (full, filled, taking, readable):
        counter = Reservation(grant.intake_id, "k")
        assert await engine.leases.open_lease(counter, grant.intake.max_files, NOW, 60) is not None
        await engine.leases.settle_bytes(counter, Settlement(10), NOW)
    found = {
        state: {grant.id for grant in (await engine.grants.page(GrantFilter(now=NOW, state=state), None, 100)).grants}
        for state in GrantState
    }
    assert found == {
        GrantState.ACTIVE: {active.id, begun.id, resumed.id, taking.id, readable.id},
        GrantState.SUSPENDED: {paused.id, halted.id},
        GrantState.AWAITING_APPROVAL: {waiting.id},
        GrantState.EXPIRED: {expired.id, lapsed.id},
        GrantState.PENDING: {pending.id},
        GrantState.REVOKED: {revoked.id},
        GrantState.USED_UP: {spent.id, drained.id, full.id, filled.id},
    }


async def test_who_approves_is_shown_what_waits_for_them(engine: Engine) -> None:
    """Beside their own, in pages and with every filter; and nothing that waits under another rule, or no longer."""
    ann, wait = Principal("user", "ann"), Waiting(NOW, NOW + 60, ("app:billing",))
    own = await engine.grants.create(link(owner=ann))
    mine = await engine.grants.create(link(rule="one", waiting=wait, label="x"))
    theirs = await engine.grants.create(key(rule="two", waiting=wait))
    other = await engine.grants.create(link(rule="three", waiting=wait))
    for changes in ({"waiting": None}, {"suspended_at": NOW}, {"waiting": Waiting(NOW, NOW, ())}, {"expires_at": NOW}):
        await engine.grants.create(link(rule="one", **{"waiting": wait} | changes))
    gone = await engine.grants.create(link(rule="one", waiting=wait))
    await engine.feed.revoke([RevocationTarget(FeedKind.LINK, gone.id)], NOW, "no", "admin:ops")

    async def found(rules: set[str], **fields: object) -> list[str]:
        wanted = GrantFilter(now=NOW, shown_to=ann, approves=frozenset(rules), **fields)  # type: ignore[arg-type]
        ids, cursor = [], None
        while True:
            page = await engine.grants.page(wanted, cursor, 1)
            ids += [grant.id for grant in page.grants]
            if (cursor := page.cursor) is None:
                return ids

    assert [own.id] == await found(set())
    assert [theirs.id, mine.id, own.id] == await found({"one", "two"})
    assert [other.id, own.id] == await found({"three", "'; --"})
    assert [mine.id] == await found({"one", "two"}, state=GrantState.AWAITING_APPROVAL, kind=GrantKind.LINK)
    assert [mine.id] == await found({"one"}, label="x")
    assert [mine.id] == await found({"one"}, owner=Principal("app", "billing"))


async def test_what_waits_is_counted(engine: Engine) -> None:
    """Neither what was approved or rejected nor what has lapsed or is suspended is among it."""
    wait = Waiting(NOW, NOW + 60, ())
    made = [await engine.grants.create(link(waiting=wait)) for _ in range(4)]
    await engine.grants.create(key(waiting=wait, expires_at=NOW + 30))
    await engine.grants.create(link(waiting=Waiting(NOW, NOW, ())))
    await engine.grants.create(link())
    assert 5 == await engine.grants.count_waiting(NOW)
    await engine.grants.save(replace(made[0], waiting=None, approvals=(Approval("one", "admin:ops", NOW),)))
    await engine.grants.save(replace(made[1], suspended_at=NOW))
    await engine.feed.revoke([RevocationTarget(FeedKind.LINK, made[2].id)], NOW, "no", "admin:ops")
    assert 2 == await engine.grants.count_waiting(NOW)
    assert 1 == await engine.grants.count_waiting(NOW + 30)
    assert 0 == await engine.grants.count_waiting(NOW + 60)


async def test_what_ended_is_forgotten_after_its_time(engine: Engine, rival: Engine) -> None:
    """Links and keys alike, and what nobody approved of; not its records. What has not ended stays, revoked or not, and
    so does what was revived. A secret that is forgotten is like one that never was."""
    ends = {"expires_at": NOW - 10}
    gone = [
        await engine.grants.create(grant)
        for grant in (link(**ends), key(**ends), link(waiting=Waiting(NOW - 60, NOW - 10, ())), link(**ends))
    ]
    await engine.feed.revoke([RevocationTarget(FeedKind.LINK, gone[3].id)], NOW, "", "admin:ops")
    again = await engine.grants.create(link(**ends), "order 17")
    revived = await engine.grants.save(replace(again, expires_at=NOW + 10))
    kept = [
        await engine.grants.create(grant)
        for grant in (
            link(expires_at=NOW),
            link(),
            link(waiting=Waiting(NOW, NOW + 60, ())),
            key(suspended_at=NOW - 90),
        )
    ]
    await engine.feed.revoke([RevocationTarget(FeedKind.LINK, kept[1].id)], NOW - 90, "", "admin:ops")
    await engine.leases.open_lease(Reservation(gone[0].id, "k"), 5, NOW, 60)
    await engine.ledger.append([record(gone[0].id)])
    forgotten = await asyncio.gather(engine.grants.prune_ended(NOW), rival.grants.prune_ended(NOW))
    assert 4 == sum(forgotten)
    for grant in gone:
        assert await engine.grants.find(grant.hash) is None
        assert await engine.grants.get(grant.id) is None
    assert {} == await engine.leases.usage([gone[0].id])
    assert 1 == len((await engine.ledger.records_of(gone[0].id, None, 9)).records)
    page = await engine.grants.page(GrantFilter(now=NOW), None, 100)
    assert [grant.id for grant in reversed(page.grants)] == [again.id, *(grant.id for grant in kept)]
    assert await engine.grants.find(again.hash) == revived
    assert await engine.grants.create(link(), "order 17") == revived
    assert 0 == await engine.grants.prune_ended(NOW)


async def test_more_than_a_batch_is_forgotten(engine: Engine) -> None:
    """However many have ended; and a text of Idempotency-Key that named one of them is free again."""
    await engine.grants.create(link("l_first", expires_at=NOW - 1), "order 17")
    for _ in range(10):
        await asyncio.gather(*(engine.grants.create(link(expires_at=NOW - 1)) for _ in range(101)))
    assert 1011 == await engine.grants.prune_ended(NOW)
    assert "l_second" == (await engine.grants.create(link("l_second"), "order 17")).id
