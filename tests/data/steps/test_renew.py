"""Asking again: each way of ending or narrowing a grant, on each kind of transfer in work; and what narrows nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.approval import ApprovalTerms, Waiting
from gateway.core.attempt import Attempt, Principal
from gateway.core.grant import Grant
from gateway.core.intake import Intake
from gateway.core.password import hash_password
from gateway.core.pattern import NamePattern
from gateway.core.policy import Policy
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.record import Outcome
from gateway.core.request import Action, Operation
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import EVERY, FeedKind
from gateway.core.rule import Rule
from gateway.core.token import hash_secret
from gateway.data.state.transfers import Permit
from gateway.data.steps import renew
from gateway.data.steps.authorise import authorise
from gateway.stores.engine import Engine
from gateway.stores.memory import open_memory
from tests.data.harness import APP, NOW, Rig, deny, policy, request, rule, running
from tests.data.parts_store import PartsStore
from tests.data.scripted_store import Scripted
from tests.data.transfers_in_work import KINDS, WRITING, in_work
from tests.waiting import until

Change = Callable[[Rig, Grant], Awaitable[object]]


def mine(*more: Rule, **backend: Any) -> Policy:
    return policy(rule("mine", who="app:billing"), *more, **backend)


MINE = mine()
TERMS = ApprovalTerms((NamePattern.of("user:ann"),), 60.0)


def asking() -> Policy:
    return policy(rule("mine", who="app:billing", approval=TERMS))


SALT = bytes(16)
FIELDS: dict[str, Any] = {
    "actions": {Action.READ, Action.LIST, Action.WRITE},
    "expires_at": NOW + 3600,
    "uses": 5,
    "budget": 10**9,
    "max_size": 10**6,
    "overwrite": True,
    "cidrs": (ip_network("127.0.0.0/8"),),
}
"""A link with some of everything, so that each can be narrowed and widened."""


def edit(**fields: Any) -> Change:
    return lambda rig, grant: rig.edit(grant, **fields)


async def time_passes(rig: Rig, grant: Grant) -> None:
    rig.clock.tick(3600)
    await rig.plane.follower.catch_up()
    rig.plane.transfers.cut_expired(rig.clock.now)


async def all_count_as_edited(rig: Rig) -> None:
    """As a sidecar's feed says when the central gateway gives it the grants of others than before."""
    follower = rig.plane.follower
    follower._take([FeedEntry(follower.view.serial + 1, FeedKind.CHANGED, EVERY)])
    await rig.renewals.settle()


async def given_no_longer(rig: Rig, grant: Grant) -> None:
    class Gives:
        async def find(self, secret_hash: bytes) -> Grant | None:
            return None

    rig.plane.grants._store = Gives()
    await all_count_as_edited(rig)


ENDINGS: dict[str, tuple[Change, Reason]] = {
    "revoked": (lambda rig, grant: rig.revoke(FeedKind.LINK, grant.id), Reason.REVOKED),
    "rotated": (edit(hash=hash_secret("another")), Reason.REVOKED),
    "given to another sidecar only": (given_no_longer, Reason.REVOKED),
    "ended by hand": (edit(expires_at=NOW), Reason.EXPIRED),
    "ended by itself": (time_passes, Reason.EXPIRED),
    "suspended": (edit(suspended_at=NOW), Reason.SUSPENDED),
    "to be approved again": (edit(waiting=Waiting(NOW, NOW + 60, ())), Reason.AWAITING_APPROVAL),
    "a rule asks for an approval": (lambda rig, _: rig.reload(asking()), Reason.AWAITING_APPROVAL),
    "begins later": (edit(not_before=NOW + 60), Reason.NOT_YET_VALID),
    "other networks": (edit(cidrs=(ip_network("192.0.2.0/24"),)), Reason.PEER_NOT_ALLOWED),
    "a password": (edit(password=hash_password("new", SALT)), Reason.PASSWORD_REQUIRED),
    "fewer uses": (edit(uses=0), Reason.USED_UP),
    "fewer bytes": (edit(budget=1000), Reason.USED_UP),
    "another owner": (edit(owner=Principal("app", "nobody")), Reason.OWNER_NOT_ALLOWED),
    "a rule denies": (
        lambda rig, _: rig.reload(mine(deny("no", "reports/box/**"))),
        Reason.OWNER_NOT_ALLOWED,
    ),
    "the rule is gone": (lambda rig, _: rig.reload(policy(rule("other", who="app:other"))), Reason.OWNER_NOT_ALLOWED),
    "another place": (
        lambda rig, _: rig.reload(
            replace(mine(), buckets={**MINE.buckets, "reports": replace(MINE.buckets["reports"], prefix="else/")})
        ),
        Reason.NOT_ALLOWED,
    ),
}
READERS: dict[str, tuple[Change, Reason]] = {
    "no reading": (edit(actions={Action.LIST, Action.WRITE}), Reason.METHOD_NOT_ALLOWED),
}
WRITERS: dict[str, tuple[Change, Reason]] = {
    "no writing": (edit(actions={Action.READ, Action.LIST}), Reason.METHOD_NOT_ALLOWED),
    "no replacing": (edit(overwrite=False), Reason.NOT_ALLOWED),
    "other types of files": (edit(intake=Intake(types=("image/png",))), Reason.NOT_ALLOWED),
}
ALSO: dict[str, dict[str, tuple[Change, Reason]]] = {
    "get": READERS | {"another version": (edit(etag='"v2"'), Reason.OBJECT_CHANGED)},
    "archive": READERS | {"no listing": (edit(actions={Action.READ, Action.WRITE}), Reason.METHOD_NOT_ALLOWED)},
} | dict.fromkeys(WRITING, WRITERS)
CASES = [(kind, name) for kind in KINDS for name in ENDINGS | ALSO[kind]]

HARMLESS: dict[str, Change] = {
    "a label": edit(label="new"),
    "a longer life": edit(expires_at=NOW + 7200),
    "a shorter life that is not over": edit(expires_at=NOW + 60),
    "no end": edit(expires_at=None),
    "more uses": edit(uses=9),
    "fewer uses than allowed, as many as taken": edit(uses=1),
    "any number of uses": edit(uses=None),
    "more bytes": edit(budget=10**10),
    "any number of bytes": edit(budget=None),
    "larger files": edit(max_size=10**9),
    "wider networks": edit(cidrs=(ip_network("0.0.0.0/0"),)),
    "narrower networks with the peer in them": edit(cidrs=(ip_network("127.0.0.1/32"),)),
    "a beginning in the past": edit(not_before=NOW - 60),
    "a shown name": edit(filename="other.bin", content_type="text/plain"),
    "another link edited": lambda rig, _: another(rig, expires_at=NOW),
    "another link revoked": lambda rig, _: another(rig),
    "all grants as good as edited": lambda rig, _: all_count_as_edited(rig),
    "a rule elsewhere": lambda rig, _: rig.reload(mine(deny("no", "reports/else/**"))),
    "the same rules again": lambda rig, _: rig.reload(mine()),
    "a drained store": lambda rig, _: rig.reload(mine(drained=True)),
    "time that is not over": lambda rig, _: some_time(rig),
}


async def another(rig: Rig, **fields: Any) -> None:
    _, grant = await rig.granted("other.txt")
    await (rig.edit(grant, **fields) if fields else rig.revoke(FeedKind.LINK, grant.id))


async def some_time(rig: Rig) -> None:
    rig.clock.tick(3599)
    await rig.plane.follower.catch_up()
    rig.plane.transfers.cut_expired(rig.clock.now)


@pytest.fixture
async def box() -> AsyncIterator[Rig]:
    """A listener before a store that takes parts, whose one rule is for `app:billing`."""
    async with running(MINE, store=PartsStore()) as started:
        yield started


async def cut_by(rig: Rig, kind: str, change: Change) -> tuple[bool, Reason | None]:
    """Whether a transfer comes to its end all the same when this happens in the midst of it, and why not."""
    token, grant = await rig.granted(prefix="box/", **FIELDS)
    async with in_work(rig, kind, token) as transfer:
        await change(rig, grant)
        reasons = [permit.exchange.cut_reason for permit in rig.plane.transfers]
        whole = await transfer.finish()
        await rig.settled()
    if not whole:
        assert None is rig.store.stored("inside/box/in.bin")
        assert Outcome.CUT == rig.records[-1].outcome
    return whole, reasons[0] if reasons else rig.records[-1].reason


@pytest.mark.parametrize(("kind", "ending"), CASES)
async def test_whatever_ends_or_narrows_a_grant_cuts_what_runs(box: Rig, kind: str, ending: str) -> None:
    """Before the change is acknowledged, with the reason that a new request would get; nothing is stored."""
    change, reason = (ENDINGS | ALSO[kind])[ending]
    assert (False, reason) == await cut_by(box, kind, change)
    assert 0 == len(box.plane.transfers)


@pytest.mark.parametrize("change", HARMLESS)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_narrows_nothing_cuts_nothing(box: Rig, kind: str, change: str) -> None:
    """Both sides: the transfer goes on and comes to its end."""
    assert (True, None) == await cut_by(box, kind, HARMLESS[change])


@pytest.mark.parametrize("kind", KINDS)
async def test_without_the_second_question_it_would_go_on(box: Rig, kind: str, monkeypatch) -> None:
    """Control: neither asked after an edit nor before the last byte, every transfer ends as if nothing had happened."""
    monkeypatch.setattr(box.renewals, "note", lambda entries: None)
    monkeypatch.setattr(renew, "_catch_up", nothing)
    for ending in ("rotated", "other networks"):
        assert (True, None) == await cut_by(box, kind, ENDINGS[ending][0])


@pytest.mark.parametrize("kind", sorted(WRITING))
async def test_the_last_byte_waits_for_one_more_question(box: Rig, kind: str) -> None:
    """An edit that was heard of, and that nobody has acted on yet, is acted on before a store has the whole."""
    for fields in ({"hash": hash_secret(kind)}, {"expires_at": NOW}, {"actions": {Action.READ}}):
        token, grant = await box.granted(prefix="box/", **FIELDS)
        async with in_work(box, kind, token) as transfer:
            await box.state.grants.save(replace(grant, **fields))
            await box.plane.follower.catch_up()
            assert [None] == [permit.exchange.cut_reason for permit in box.plane.transfers]
            assert not await transfer.finish()
            await box.settled()
        assert None is box.store.stored("inside/box/in.bin")


@pytest.mark.parametrize("kind", sorted(WRITING))
async def test_the_last_byte_of_a_link_whose_time_is_over_is_not_sent(box: Rig, kind: str) -> None:
    """To the moment, whether or not the watch has come round."""
    token, _ = await box.granted(prefix="box/", **FIELDS)
    async with in_work(box, kind, token) as transfer:
        box.clock.tick(3600)
        await box.plane.follower.catch_up()
        assert not await transfer.finish()
        assert "expired" == (await box.last()).reason
    assert None is box.store.stored("inside/box/in.bin")


@pytest.mark.parametrize("kind", sorted(WRITING))
async def test_without_the_last_question_the_object_would_appear(box: Rig, kind: str, monkeypatch) -> None:
    """Control for the two above."""
    monkeypatch.setattr(renew, "_catch_up", nothing)
    monkeypatch.setattr(renew, "_decide_again", lambda plane, permit: None)
    token, _ = await box.granted(prefix="box/", **FIELDS)
    async with in_work(box, kind, token) as transfer:
        box.clock.tick(3600)
        await box.plane.follower.catch_up()
        assert await transfer.finish()


@pytest.mark.parametrize("at_once", [True, False], ids=["with its head", "after its head"])
async def test_what_is_let_in_and_sent_in_one_turn_is_asked_once(rig: Rig, at_once: bool, monkeypatch) -> None:
    """Nobody else had a turn in which anything could change; what waits for its body's end is asked for once more."""
    asked: list[Permit] = []
    decide_again = renew._decide_again
    monkeypatch.setattr(renew, "_decide_again", lambda plane, one: asked.append(one) or decide_again(plane, one))
    token = await rig.link(actions={Action.WRITE}, overwrite=True)
    async with rig.client() as client:
        head = request("PUT", f"/s/{token}", {"Content-Length": "4"})
        for number in range(2):  # the first one may have waited for its grant
            asked.clear()
            await client.send(head + b"body" if at_once else head)
            if not at_once:
                await until(lambda: len(rig.plane.transfers))
                await client.send(b"body")
            assert 201 == (await client.answer("PUT")).status, number
    assert (0 if at_once else 1) == len(asked)
    assert b"body" == rig.store.stored("inside/a.txt")


async def nothing(*_: object) -> None:
    return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("password", "whole"), [("other", False), ("secret", True), (None, True)])
async def test_a_replaced_password_ends_what_it_let_in(box: Rig, kind: str, password: str | None, whole: bool) -> None:
    """One that was taken away, or stored as it was, ends nothing."""
    stored = hash_password("secret", SALT)
    token, grant = await box.granted(prefix="box/", password=stored, **FIELDS)
    async with in_work(box, kind, token, password=True) as transfer:
        await box.edit(grant, password=password and hash_password(password, SALT))
        assert whole == await transfer.finish()


@pytest.mark.parametrize("kind", sorted(WRITING))
async def test_a_smaller_size_holds_for_what_is_on_its_way(box: Rig, kind: str) -> None:
    """Whether or not the length was told beforehand; and a size above it changes nothing."""
    for size, whole in ((60_000, False), (100_000, True)):
        token, grant = await box.granted(prefix="box/", **FIELDS)
        async with in_work(box, kind, token) as transfer:
            await box.edit(grant, max_size=size)
            assert whole == await transfer.finish()


@pytest.mark.parametrize("kind", ["parts", "form"])
async def test_a_rules_smaller_size_holds_for_a_body_of_untold_length(box: Rig, kind: str) -> None:
    """What is above it already is cut; what would pass it later is refused then; what fits comes in."""
    for size, cut, whole in ((40_000, Reason.TOO_LARGE, False), (60_000, None, False), (100_000, None, True)):
        box.use(mine())
        token, _ = await box.granted(prefix="box/", **FIELDS)
        async with in_work(box, kind, token) as transfer:
            await box.reload(policy(rule("mine", who="app:billing", max_size=size)))
            assert [cut] == [permit.exchange.cut_reason for permit in box.plane.transfers]
            assert whole == await transfer.finish()
            await box.settled()


# keys, and what else takes time


async def test_a_copy_between_stores_ends_with_its_key_and_with_either_name(rig: Rig) -> None:
    """While it runs, and before its last byte; nothing appears."""
    for change in (
        lambda key: rig.revoke(FeedKind.KEY, key.id),
        lambda key: rig.edit(key, expires_at=NOW),
        lambda key: rig.edit(key, sealed=b"another secret"),
        lambda key: rig.edit(key, session_hash=hash_secret("another")),
        lambda _: rig.reload(policy(rule("everything"), deny("no", "far/**"))),
        lambda _: rig.reload(policy(rule("everything"), deny("no", "reports/b"))),
    ):
        rig.use(policy())
        assert not await copied(rig, change)
        assert None is rig.store.stored("inside/b")


async def test_a_copy_goes_on_when_nothing_of_it_is_narrowed(rig: Rig) -> None:
    """Both sides."""
    for change in (
        lambda key: rig.edit(key, label="new"),
        lambda _: rig.reload(policy(rule("everything"), deny("no", "far/else/**"))),
        lambda _: rig.reload(policy(drained=True)),
    ):
        rig.use(policy())
        rig.store.objects.clear()
        assert await copied(rig, change)
        assert b"x" * 2000 == rig.store.stored("inside/b")


async def copied(rig: Rig, change: Callable[[Grant], Awaitable[object]]) -> bool:
    """Whether a copy from one store to another is made all the same when this happens in the midst of it."""
    credentials, key = await rig.key()
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {"etag": '"s"'}, [b"x" * 1000, hold, b"x" * 1000]))
    target, headers = rig.signed(credentials, "PUT", "reports/b", headers={"x-amz-copy-source": "/far/a"})
    async with rig.client() as client:
        await client.send(request("PUT", target, headers))
        await until(lambda: any(permit.copied for permit in rig.plane.transfers))
        await change(key)
        hold.set()
        got = await client.answer("PUT")
        await rig.settled()
    return got.status == 200 and got.whole and b"<Error>" not in got.body


DOCUMENTS = {
    "complete": (
        "POST",
        "reports/b",
        (("uploadId", "u"),),
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
    ),
    "batch": ("POST", "reports", (("delete", ""),), b"<Delete><Object><Key>b</Key></Object></Delete>"),
    "tags": ("PUT", "reports/b", (("tagging", ""),), b"<Tagging><TagSet></TagSet></Tagging>"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("narrowed", [True, False])
async def test_a_document_that_changes_something_is_sent_when_it_still_may_be(
    rig: Rig, name: str, narrowed: bool, monkeypatch
) -> None:
    """The store listens only after a while; by then the rules are others: completion, batch and tags stay unsent."""
    method, key, query, body = DOCUMENTS[name]
    credentials, _ = await rig.key()
    target, headers = rig.signed(credentials, method, key, query=query)
    changed = policy(rule("everything"), deny("no", "reports/b" if narrowed else "reports/c"))
    opened = rig.store.open

    @asynccontextmanager
    async def listening(call, sent=None):
        await asyncio.sleep(0)
        rig.use(changed)  # no transfer is looked at: the question is asked by who sends
        async with opened(call, sent) as answer:
            yield answer

    monkeypatch.setattr(rig.store, "open", listening)
    rig.store.always = lambda call: None
    rig.store.script(Scripted(200, {}, [b"<X/>"]))
    await rig.ask(method, target, headers, body)
    await rig.settled()
    heard = [seen.body for seen in rig.store.seen if seen.body]
    assert (0 if narrowed else 1) == len(heard)


async def test_an_archive_asks_for_each_member_when_its_turn_comes(box: Rig) -> None:
    """A rule that means a later member ends the archive there; the one before it came whole."""
    for name in ("a", "b"):
        box.store.hold(f"inside/box/{name}.bin", b"y" * 50_000)
    hold = asyncio.Event()
    box.store.always = lambda call: (
        Scripted(200, {}, [b"y" * 40_000, hold, b"y" * 10_000]) if "a.bin" in call.key else None
    )
    token, _ = await box.granted(prefix="box/", **FIELDS)
    async with box.client() as client:
        await client.send(request("GET", f"/s/{token}/?archive=tar"))
        await client.head()
        await box.reload(mine(deny("no", "reports/box/b.bin", may=[Action.READ])))
        hold.set()
        assert b"y" * 50_000 in await client.rest()
        assert client.reset
    assert "owner_not_allowed" == (await box.last()).reason


# between the look at a grant and the right to run


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"label": "x"}, 201),
        ({"actions": {Action.READ}}, 405),
        ({"hash": hash_secret("z")}, 410),
        ({"max_size": 3}, 413),
    ],
    ids=str,
)
async def test_an_edit_between_resolving_and_running_counts(rig: Rig, fields: dict, status: int) -> None:
    """A form is read before it is admitted, which takes as long as its sender likes: what is in force then decides."""
    token, grant = await rig.granted(None, prefix="in/", actions={Action.WRITE}, overwrite=True)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    rest = b"12345\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(len(head) + len(rest))}
    async with rig.client() as client:
        await client.send(request("POST", f"/s/{token}/", headers) + head[:20])
        await until(lambda: rig.in_work)
        await asyncio.sleep(0.02)
        assert 0 == len(rig.plane.transfers)
        await rig.edit(grant, **fields)
        await client.send(head[20:] + rest)
        assert status == (await client.answer("POST")).status
    assert (status == 201) == (rig.store.stored("inside/in/f") is not None)


async def test_without_a_look_at_the_newest_edit_the_old_grant_would_count(rig: Rig, monkeypatch) -> None:
    """Control: with every grant taken for current, the upload comes in."""
    monkeypatch.setattr(rig.plane.grants, "is_current", lambda grant_id, as_of: True)
    await test_an_edit_between_resolving_and_running_counts(rig, {"actions": {Action.READ}}, 201)


# many at once, and a store that does not answer


class CountedReads:
    """A store of grants that counts how often one is looked for, and is away when a test says so."""

    reads = 0
    away = False

    def __init__(self, grants):
        self._grants = grants

    def __getattr__(self, name):
        return getattr(self._grants, name)

    async def find(self, secret_hash):
        self.reads += 1
        if self.away:
            raise DependencyDown("grants", "away")
        return await self._grants.find(secret_hash)


def counted() -> Engine:
    state = open_memory(clock=lambda: NOW)
    return replace(state, grants=CountedReads(state.grants))


def entered(rig: Rig, grant: Grant, number: int, key: str = "a.txt") -> list[Permit]:
    """So many permits of one link, counted in."""
    attempt = Attempt(
        principal=grant.principal,
        operation=Operation.GET_OBJECT,
        action=Action.READ,
        bucket="reports",
        key=key,
        peer=None,
        now=NOW,
    )
    route = authorise(rig.plane, grant, attempt)
    permits = []
    for _ in range(number):
        exchange = SimpleNamespace(cut_reason=None, awaits_answer=False)
        exchange.cut = lambda reason, exchange=exchange: setattr(exchange, "cut_reason", reason)
        as_of = rig.plane.follower.view.serial
        permits.append(Permit(exchange=exchange, grant=grant, attempt=attempt, route=route, as_of=as_of))
        rig.plane.transfers.enter(permits[-1], 2 * number + 2)
    return permits


async def test_a_thousand_transfers_of_a_link_are_one_look_at_it() -> None:
    """And a few in each turn, between which everybody else has theirs."""
    state = counted()
    async with running(state=state) as rig:
        _, grant = await rig.granted()
        permits = entered(rig, grant, 1000)
        state.grants.reads = turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        beside = asyncio.get_running_loop().create_task(others())
        await rig.edit(grant, label="new")
        assert (1, [None]) == (state.grants.reads, list({permit.exchange.cut_reason for permit in permits}))
        assert turns >= 1000 / renew._A_TURN
        await rig.edit(grant, label="newer", version=2, actions={Action.LIST})
        beside.cancel()
        cut = {permit.exchange.cut_reason for permit in permits}
        assert (2, {Reason.METHOD_NOT_ALLOWED}) == (state.grants.reads, cut)


async def test_what_was_edited_and_cannot_be_read_ends_when_the_view_would_be_too_old() -> None:
    """Until then it goes on, and so does everything else; if the grant is read in time, it stays."""
    for comes_back in (True, False):
        state = counted()
        async with running(state=state) as rig:
            _, grant = await rig.granted()
            [permit, other] = entered(rig, grant, 1) + entered(rig, (await rig.granted("b.txt"))[1], 1, "b.txt")
            state.grants.away = True
            with pytest.raises(DependencyDown):
                await rig.edit(grant, label="new")
            rig.clock.tick(4.9)
            await rig.plane.follower.catch_up()
            with pytest.raises(DependencyDown):
                await rig.renewals.settle()
            assert None is permit.exchange.cut_reason
            state.grants.away = not comes_back
            rig.clock.tick(0.2)
            await rig.plane.follower.catch_up()
            await rig.renewals.settle()
            assert (None if comes_back else Reason.VIEW_TOO_OLD, None) == (
                permit.exchange.cut_reason,
                other.exchange.cut_reason,
            )


async def test_a_store_that_never_answers_is_waited_for_no_longer(monkeypatch) -> None:
    """The edit is read until the view would be too old; the same holds when nothing comes back at all."""
    state = counted()
    async with running(state=state) as rig:
        _, grant = await rig.granted()
        [permit] = entered(rig, grant, 1)
        monkeypatch.setattr(renew, "MAX_VIEW_AGE", 0.05)
        monkeypatch.setattr(state.grants, "find", lambda secret_hash: asyncio.Event().wait())
        rig.renewals._monotonic = asyncio.get_running_loop().time
        await rig.edit(grant, label="new")
        assert Reason.VIEW_TOO_OLD == permit.exchange.cut_reason


async def test_who_has_left_is_not_cut(rig: Rig) -> None:
    """Its connection serves another request by now."""
    _, grant = await rig.granted()
    [permit] = entered(rig, grant, 1)
    rig.plane.transfers.leave(permit)
    rig.plane.transfers.end(permit, Reason.REVOKED)
    assert (None, Reason.REVOKED) == (permit.exchange.cut_reason, permit.ended)


async def test_the_watch_of_edits_goes_on_by_itself(rig: Rig) -> None:
    """What another replica edited is acted on without anybody waiting for it, also after a store that was away."""
    _, grant = await rig.granted()
    [permit] = entered(rig, grant, 1)
    watch = asyncio.get_running_loop().create_task(rig.renewals.run())
    await rig.state.grants.save(replace(grant, cidrs=(ip_network("192.0.2.0/24"),)))
    await rig.plane.follower.catch_up()
    await until(lambda: permit.exchange.cut_reason)
    assert Reason.PEER_NOT_ALLOWED == permit.exchange.cut_reason
    watch.cancel()


async def test_what_may_go_on_is_confirmed_and_what_may_not_is_refused(rig: Rig) -> None:
    """`confirm` takes the newest grant for the permit's own, whatever it was admitted by."""
    _, grant = await rig.granted(max_size=100)
    [permit] = entered(rig, grant, 1)
    await rig.state.grants.save(replace(grant, max_size=10))
    await rig.plane.follower.catch_up()
    await rig.renewals.confirm(permit)
    assert 10 == permit.largest
    await rig.revoke(FeedKind.OWNER, str(APP))
    with pytest.raises(Refused) as no:
        await rig.renewals.confirm(permit)
    assert Reason.REVOKED == no.value.reason
