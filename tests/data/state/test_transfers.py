"""What runs, how much of it at once, and how it ends by force."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from gateway.core.attempt import ANONYMOUS, Attempt, Principal, address_texts
from gateway.core.limits import Limit
from gateway.core.pattern import NamePattern
from gateway.core.policy import LimitRule
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Outcome
from gateway.core.request import Action, Operation
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Backend, Bucket, Route
from gateway.data.state.transfers import Permit, Transfers
from tests.data.harness import APP, Rig, policy, request, running, tick
from tests.data.raw_client import RawClient
from tests.data.scripted_store import Scripted, xml
from tests.servers import over_tls
from tests.waiting import until


def permit(*limits: Limit) -> Permit:
    exchange = SimpleNamespace(cut_reason=None, client_side=False, awaits_answer=False, cut=lambda reason: None)
    attempt = Attempt(
        principal=APP, operation=Operation.GET_OBJECT, action=Action.READ, bucket="b", key="k", peer=None, now=0.0
    )
    route = Route(rule="r", backend=Backend("lab"), bucket=Bucket("b", "lab", "real"), key="k", limits=limits)
    return Permit(exchange=exchange, grant=None, attempt=attempt, route=route)


def transfers() -> Transfers:
    return Transfers(monotonic=lambda: 0.0, on_cut=lambda reason: None, refuse=Mock())


def test_counts_go_up_and_come_back() -> None:
    """A limit of two holds two; the third waits for one to leave; leaving twice is leaving once."""
    running_, limit = transfers(), Limit("k", concurrent=2)
    first, second, third = (permit(limit) for _ in range(3))
    running_.enter(first, 10)
    running_.enter(second, 10)
    with pytest.raises(Refused) as no:
        running_.enter(third, 10)
    assert Reason.TOO_MANY_TRANSFERS == no.value.reason
    running_.leave(first)
    running_.leave(first)
    running_.enter(third, 10)
    with pytest.raises(Refused):
        running_.enter(first, 10)
    for one in (second, third):
        running_.leave(one)
    assert (0, {}) == (len(running_), dict(running_._counts))


def caller(principal: Principal, address: str | None, *, grant: bool = True) -> Permit:
    """What somebody runs; `grant` is false for a trusted listener's app."""
    made = permit()
    peer = None if address is None else ip_address(address)
    made.attempt = replace(made.attempt, principal=principal, peer=peer)
    made.exchange.address_class = address_texts(peer)[1]
    made.grant = SimpleNamespace() if grant else None
    return made


LINK, OTHER = Principal("link", "l_1"), Principal("link", "l_2")


@pytest.mark.parametrize(
    ("takes", "same", "other"),
    [
        ((LINK, "192.0.2.1"), (LINK, "192.0.2.2"), (OTHER, "192.0.2.2")),
        ((LINK, "192.0.2.1"), (OTHER, "192.0.2.1"), (APP, "192.0.2.1")),
        ((LINK, "2001:db8::1"), (OTHER, "2001:db8::2"), (OTHER, "2001:db8:0:1::1")),
        ((ANONYMOUS, "192.0.2.1"), (ANONYMOUS, "192.0.2.1"), (ANONYMOUS, "192.0.2.2")),
        ((APP, "192.0.2.1"), (APP, "192.0.2.2"), (Principal("app", "web"), "192.0.2.1")),
    ],
    ids=["link", "address", "network", "anonymous", "app"],
)
def test_one_holder_leaves_a_quarter_to_others(takes: tuple, same: tuple, other: tuple) -> None:
    """However much one link, address or app asks for; all come back, and can be had again."""
    running_ = transfers()
    taken = [caller(*takes) for _ in range(9)]
    for one in taken:
        running_.enter(one, 12)
    with pytest.raises(Refused) as no:
        running_.enter(caller(*same), 12)
    assert (Reason.TOO_MANY_TRANSFERS, 1.0) == (no.value.reason, no.value.retry_after)
    rest = [caller(*other) for _ in range(3)]
    for one in rest:
        running_.enter(one, 12)
    with pytest.raises(Refused) as full:
        running_.enter(caller(*other), 12)
    assert Reason.OVERLOADED == full.value.reason
    running_.leave(taken.pop())
    running_.enter(again := caller(*same), 12)
    for one in (*taken, *rest, again):
        running_.leave(one)
    assert (0, {}) == (len(running_), dict(running_._counts))


def test_who_has_nobody_beside_him_has_all() -> None:
    """A trusted listener's app, and what comes over a Unix socket from nobody in particular."""
    for principal in (APP, ANONYMOUS):
        running_ = transfers()
        for _ in range(12):
            running_.enter(caller(principal, None, grant=False), 12)


def test_a_refused_permit_counted_nothing() -> None:
    """If the second of two limits is full, the first is as it was."""
    running_ = transfers()
    running_.enter(permit(Limit("full", concurrent=1)), 10)
    with pytest.raises(Refused):
        running_.enter(permit(Limit("free", concurrent=1), Limit("full", concurrent=1)), 10)
    running_.enter(permit(Limit("free", concurrent=1)), 10)


def test_the_process_has_a_limit_of_its_own() -> None:
    """OVERLOADED, before any memory is spent."""
    running_ = transfers()
    running_.enter(permit(), 1)
    with pytest.raises(Refused) as no:
        running_.enter(permit(), 1)
    assert Reason.OVERLOADED == no.value.reason


async def test_too_many_at_once_is_slow_down() -> None:
    """While one transfer runs, the next of the same app is refused; then it is not."""
    given = policy(limits=(LimitRule(who=NamePattern.parse("app:*"), concurrent=1),))
    async with running(given, trusted=APP) as app:
        hold = asyncio.Event()
        app.store.hold("inside/a", b"hello")
        app.store.script(Scripted(200, {}, [b"x" * 70_000, hold], length=70_000))
        async with app.client() as client:
            await client.send(request("GET", "/reports/a"))
            await client.head()
            got = await app.ask("GET", "/reports/a")
            assert (503, "too_many_transfers") == (got.status, app.records[-1].reason)
            hold.set()
            await client.rest_of(70_000)
        await app.settled()
        assert 200 == (await app.ask("GET", "/reports/a")).status


TARGETS = {
    FeedKind.LINK: lambda grant: (grant.id, ""),
    FeedKind.OWNER: lambda grant: (str(APP), ""),
    FeedKind.PREFIX: lambda grant: ("reports", "a"),
    FeedKind.BACKEND: lambda grant: ("lab", ""),
    FeedKind.POLICY: lambda grant: ("everything", ""),
}


@pytest.mark.parametrize("kind", TARGETS)
async def test_a_revocation_cuts_what_runs(rig: Rig, kind: FeedKind) -> None:
    """In the same call, with a reset, whatever kind it is; others run on."""
    hold = asyncio.Event()
    token, grant = await rig.granted(rule="everything")
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, hold], length=100_000))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}"))
        await client.head()
        await rig.revoke(kind, *TARGETS[kind](grant))
        await client.rest()
        assert client.reset
    [record] = await rig.recorded(1)
    assert (Outcome.CUT, "revoked") == (record.outcome, record.reason)
    assert 1 == rig.metric("gateway_streams_cut_total", reason="revoked")
    assert (0, 0) == (len(rig.plane.transfers), rig.store.open_now)


async def test_a_revocation_of_another_cuts_nothing(rig: Rig) -> None:
    """Control: only what is meant is cut."""
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, hold, b"y"], length=70_001))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{await rig.link()}"))
        _, other = await rig.granted(key="b.txt")
        got = await client.head()
        await rig.revoke(FeedKind.LINK, other.id)
        await rig.revoke(FeedKind.PREFIX, "reports", "b")
        await rig.revoke(FeedKind.BACKEND, "away")
        hold.set()
        assert 200 == got.status
        assert 70_001 == len(await client.rest_of(70_001))


async def test_what_nobody_can_know_to_be_unrevoked_is_cut(rig: Rig) -> None:
    """With a reset, recorded as a cut for an old view, and counted."""
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, hold], length=100_000))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{await rig.link()}"))
        await client.head()
        assert 1 == rig.plane.transfers.cut_undecided()
        await client.rest()
        assert client.reset
    [record] = await rig.recorded(1)
    assert (Outcome.CUT, "view_too_old") == (record.outcome, record.reason)
    assert 1 == rig.metric("gateway_streams_cut_total", reason="view_too_old")


async def test_what_no_revocation_could_end_goes_on_without_a_view() -> None:
    """A trusted listener's requests act without a grant."""
    hold = asyncio.Event()
    async with running(trusted=APP) as app:
        app.store.script(Scripted(200, {}, [b"x" * 70_000, hold, b"y"], length=70_001))
        async with app.client() as client:
            await client.send(request("GET", "/reports/a"))
            await client.head()
            assert 0 == app.plane.transfers.cut_undecided()
            hold.set()
            assert 70_001 == len(await client.rest_of(70_001))


async def test_a_revocation_cuts_an_upload(rig: Rig) -> None:
    """The store never sees a whole request."""
    token, grant = await rig.granted(actions=[Action.WRITE])
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": "100000"}, b"x" * 50_000))
        await until(lambda: rig.store.seen and rig.store.seen[0].body is not None)
        await rig.revoke(FeedKind.LINK, grant.id)
        await client.rest()
        assert client.reset
    [record] = await rig.recorded(1)
    assert Outcome.CUT == record.outcome
    assert not rig.store.seen[0].whole
    assert None is rig.store.stored("inside/a.txt")


async def test_a_revocation_ends_a_wait_for_bandwidth(rig: Rig) -> None:
    """Nobody finishes because they were waiting."""
    one = permit()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_paused(one))
        await asyncio.sleep(0)
        one.cut(Reason.REVOKED)
        assert Reason.REVOKED == await waiting


async def _paused(one: Permit) -> Reason | None:
    try:
        await one.pause(60)
    except Refused as no:
        return no.reason
    return None


# slow clients


async def _stalled_reader(rig: Rig) -> RawClient:
    rig.store.script(Scripted(200, {}, [b"x" * 262_144] * 40))
    client = rig.client(window=4096)
    await client.__aenter__()
    await client.send(request("GET", f"/s/{await rig.link()}"))
    await client.head()
    await until(lambda: _awaits_client(rig))
    return client


def _awaits_client(rig: Rig) -> bool:
    [permit] = rig.plane.transfers
    return permit.exchange.awaits_client


async def test_a_reader_that_does_not_read_is_cut(rig: Rig) -> None:
    """After ten seconds of less than 1 KiB/s, not before."""
    client = await _stalled_reader(rig)
    assert 0 == tick(rig, 10)
    assert 1 == tick(rig, 1)
    await client.rest()
    assert client.reset
    [record] = await rig.recorded(1)
    assert (Outcome.CUT, "client_too_slow") == (record.outcome, record.reason)
    await client.__aexit__()


async def test_a_slow_reader_that_keeps_reading_is_not_cut(rig: Rig) -> None:
    """Twice the minimum is enough."""
    client = await _stalled_reader(rig)
    for _ in range(30):
        read = 0
        while read < 8192:
            read += len(await client.receive(8192))
        await asyncio.sleep(0.005)
        assert 0 == tick(rig, 4)
    await client.__aexit__()


async def test_below_tls_it_is_seen_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits below the encryption goes on although nothing above it does; who reads nothing of it is cut."""
    monkeypatch.setattr(over_tls, "_trust", None)
    over_tls.begin(tmp_path)
    async with running() as rig:
        client = await _stalled_reader(rig)
        for _ in range(12):
            wire = 0
            while wire < 8192:
                wire += len(await asyncio.get_running_loop().sock_recv(client.sock, 8192 - wire))
            await asyncio.sleep(0.005)
            assert 0 == tick(rig, 4)
        assert 1 == tick(rig, 21)
        await client.__aexit__()


async def test_an_upload_that_stalls_is_cut(rig: Rig) -> None:
    """Half a body, and then nothing."""
    token = await rig.link(actions=[Action.WRITE])
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": "100000"}, b"x" * 500))
        await until(lambda: [500] == [permit.exchange.bytes_in for permit in rig.plane.transfers])
        await until(lambda: _awaits_client(rig))
        assert 0 == tick(rig, 10)
        assert 1 == tick(rig, 1)
        await client.rest()
        assert client.reset
    assert None is rig.store.stored("inside/a.txt")


async def test_a_slow_store_is_not_the_clients_fault(rig: Rig) -> None:
    """Only the time in which we wait for the client counts."""
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, hold], length=70_000))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{await rig.link()}"))
        await client.head()
        await client.rest_of(70_000)
        assert 0 == tick(rig, 60)
        hold.set()


async def test_a_document_that_nobody_reads_is_cut(app: Rig) -> None:
    """A long listing waits for its client like any other body, over TLS too."""
    entry = "<Contents><Key>inside/{}</Key><Size>1</Size></Contents>"
    rows = "".join(entry.format(f"{number:04}" + "k" * 900) for number in range(4000))
    app.store.script(xml(f"<ListBucketResult>{rows}</ListBucketResult>"))
    async with app.client(window=4096) as client:
        await client.send(request("GET", "/reports?list-type=2"))
        await client.head()
        await until(lambda: _awaits_client(app))
        assert 0 == tick(app, 10)
        assert 1 == tick(app, 1)
        await client.rest()
        assert client.reset


def test_one_transfer_is_cut_by_its_id_and_its_owner() -> None:
    """Another's of the same id, and the same owner's other ones, go on."""
    cuts: list[tuple[str, str]] = []
    running_ = transfers()
    for name, principal in (("r1", APP), ("r1", Principal("app", "other")), ("r2", APP)):
        one = permit()
        one.attempt = replace(one.attempt, principal=principal)
        exchange = SimpleNamespace(cut_reason=None, client_side=False, awaits_answer=False, request_id=name)
        exchange.cut = lambda reason, name=name, principal=principal: cuts.append((name, str(principal)))
        one.exchange = exchange
        running_.enter(one, 10)
    assert 0 == running_.cut_of("r2", "app:nobody")
    assert 1 == running_.cut_of("r1", str(APP))
    assert [("r1", str(APP))] == cuts
