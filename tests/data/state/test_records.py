"""Step 8: one record an attempt, whatever happened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from gateway.core.reasons import DependencyDown, Reason, Refused, UpstreamFailed
from gateway.core.record import Outcome, Record
from gateway.data.state import records as room
from gateway.data.state.records import outcome_of
from tests.data.harness import Rig
from tests.data.scripted_store import Scripted, xml

OUTCOMES = [
    (None, Outcome.OK, ""),
    (Refused(Reason.EXPIRED), Outcome.REFUSED, "expired"),
    (Refused(Reason.CLIENT_GONE), Outcome.CLIENT_GONE, "client_gone"),
    (Refused(Reason.INCOMPLETE_BODY), Outcome.CLIENT_GONE, "incomplete_body"),
    (UpstreamFailed(Reason.UPSTREAM_TIMED_OUT), Outcome.UPSTREAM_FAILED, "upstream_timed_out"),
    (DependencyDown("grants"), Outcome.ERROR, "dependency_down"),
    (asyncio.CancelledError(), Outcome.CLIENT_GONE, "client_gone"),
    (ZeroDivisionError(), Outcome.ERROR, "internal"),
]


@pytest.mark.parametrize(("failure", "outcome", "reason"), OUTCOMES)
def test_every_failure_has_its_outcome(failure: BaseException | None, outcome: Outcome, reason: str) -> None:
    """The table from failure to outcome."""
    assert (outcome, reason) == outcome_of(failure, SimpleNamespace(cut_reason=None, whole=False))


def test_who_leaves_with_everything_has_had_it() -> None:
    """A client that hangs up the moment the last byte came is no client that went away."""
    assert (Outcome.OK, "") == outcome_of(asyncio.CancelledError(), SimpleNamespace(cut_reason=None, whole=True))


def test_a_cut_is_a_cut_whatever_it_broke() -> None:
    """The reason of the cut outranks the failure that followed from it."""
    cut = SimpleNamespace(cut_reason=Reason.REVOKED, whole=True, refused=False)
    assert {(Outcome.CUT, "revoked")} == {outcome_of(failure, cut) for failure, _, _ in OUTCOMES}


def test_who_was_refused_in_place_of_a_cut_was_refused() -> None:
    """Whatever broke when its work was ended: it got an answer, and is counted as one who did."""
    ended = SimpleNamespace(cut_reason=Reason.REVOKED, whole=True, refused=True)
    assert {(Outcome.REFUSED, "revoked")} == {outcome_of(failure, ended) for failure, _, _ in OUTCOMES}


ATTEMPTS = {
    "malformed": ("GET /reports/%zz HTTP/1.1", Outcome.REFUSED),
    "unknown token": ("GET /s/nothing HTTP/1.1", Outcome.REFUSED),
    "anonymous": ("GET /reports/a HTTP/1.1", Outcome.REFUSED),
    "preflight": ("OPTIONS /reports/a HTTP/1.1", Outcome.REFUSED),
    "missing": ("GET /s/TOKEN HTTP/1.1", Outcome.REFUSED),
    "store down": ("GET /s/TOKEN HTTP/1.1", Outcome.UPSTREAM_FAILED),
    "fault": ("GET /s/TOKEN HTTP/1.1", Outcome.ERROR),
    "fine": ("GET /s/TOKEN HTTP/1.1", Outcome.OK),
}


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_one_attempt_leaves_one_record(rig: Rig, name: str) -> None:
    """However early or late it ended, and however: one record, and one count of its outcome."""
    line, outcome = ATTEMPTS[name]
    scripts = {
        "store down": Scripted(raises=UpstreamFailed(Reason.UPSTREAM_UNREACHABLE)),
        "fault": Scripted(raises=ZeroDivisionError()),
        "fine": Scripted(200, {}, [b"x"]),
    }
    if name in scripts:
        rig.store.script(scripts[name])
    async with rig.client() as client:
        await client.send(f"{line}\r\nHost: gw\r\n\r\n".replace("TOKEN", await rig.link()).encode())
        got = await client.answer()
    record = await rig.last()
    assert [outcome] == [record.outcome for record in rig.records]
    assert got.status == record.status
    labels = {"plane": "data", "operation": record.operation or "other", "backend": record.backend or "none"}
    assert 1 == rig.metric("gateway_requests_total", outcome=str(outcome), **labels)


async def test_a_client_that_leaves_leaves_a_record(rig: Rig) -> None:
    """Hanging up while the store is slow ends the attempt as `client_gone`, and gives everything back."""
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {}, [hold], length=70_000))
    async with rig.client() as client:
        await client.send(f"GET /s/{await rig.link()} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        await client.head()
    [record] = await rig.recorded(1)
    assert Outcome.CLIENT_GONE == record.outcome
    assert (0, 0) == (len(rig.plane.transfers), rig.store.open_now)


async def test_a_store_error_that_was_passed_on_is_a_refusal(app: Rig) -> None:
    """The request was answered, and yet nothing was given."""
    app.store.script(xml("<Error><Code>InvalidPart</Code></Error>", 400))
    assert 400 == (await app.ask("GET", "/reports/a")).status
    record = await app.last()
    assert Outcome.REFUSED == record.outcome
    assert record.reason


class DownLedger:
    """A ledger that is down until it is not."""

    down = True

    def __init__(self) -> None:
        self.written: list[str] = []

    async def append(self, records):
        if self.down:
            raise DependencyDown("audit", "no")
        self.written += [record.request_id for record in records]


async def test_a_ledger_that_is_down_loses_nothing_and_delays_nobody(rig: Rig) -> None:
    """Records wait in their order and are written when it is back."""
    rig.store.hold("inside/a.txt", b"hello")
    rig.plane.accounts._ledger = ledger = DownLedger()
    token = await rig.link()
    for _ in range(3):
        assert 200 == (await rig.fetch(token)).status
    await rig.settled()
    await rig.plane.accounts.flush()
    assert rig.plane.accounts.ledger_down
    assert [] == ledger.written
    ledger.down = False
    await rig.plane.accounts.flush()
    assert not rig.plane.accounts.ledger_down
    assert [record.request_id for record in rig.records] == ledger.written


async def test_what_waits_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest records leave, and the metric says how many."""
    monkeypatch.setattr(room, "_KEPT", 2)
    token = await rig.link()
    rig.plane.accounts._ledger = ledger = DownLedger()
    for _ in range(5):
        await rig.fetch(token)
    await rig.settled()
    ledger.down = False
    await rig.plane.accounts.flush()
    assert [record.request_id for record in rig.records[-2:]] == ledger.written
    assert 3 == rig.metric("gateway_dropped_records_total")


async def test_a_flood_of_strangers_pushes_out_nobodys_records(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound, what no grant stands behind is what is dropped; below it, it is kept like any other."""
    monkeypatch.setattr(room, "_KEPT", 2)
    token = await rig.link()
    rig.plane.accounts._ledger = ledger = DownLedger()
    await rig.ask("GET", "/s/nothing")
    await rig.fetch(token)
    for _ in range(5):
        await rig.ask("GET", "/s/nothing")
    await rig.settled()
    ledger.down = False
    await rig.plane.accounts.flush()
    assert [record.request_id for record in rig.records[:2]] == ledger.written
    assert 5 == rig.metric("gateway_dropped_records_total")


async def test_the_writer_writes_what_is_left_at_its_end(rig: Rig) -> None:
    """A shutdown loses no record."""
    rig.plane.accounts._ledger = ledger = DownLedger()
    ledger.down = False
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(rig.plane.accounts.run())
        for _ in range(2):  # the first is written at once, the second waits for the next batch
            await rig.ask("GET", "/s/nothing")
            await rig.settled()
        assert 1 == len(ledger.written)
        writer.cancel()
    assert 2 == len(ledger.written)


async def test_what_closes_while_a_batch_is_written_is_part_of_the_next_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the ledger, there is a pause before each batch, so that requests are written together."""
    monkeypatch.setattr(room, "_PAUSE", 3600)
    accounts, batches = rig.plane.accounts, []

    class Slow:
        async def append(self, records: Sequence[Record]) -> None:
            batches.append(len(records))
            if len(batches) < 3:
                await rig.ask("GET", "/reports/b")
                await rig.settled()

    accounts._ledger = Slow()
    await rig.ask("GET", "/reports/a")
    await rig.settled()
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(accounts.run())
        await rig.recorded(2)
        async with accounts._writing:
            assert [1] == batches
        accounts._ledger = ledger = DownLedger()
        ledger.down = False
        writer.cancel()
    assert 1 == len(ledger.written)


async def test_a_whole_batch_waits_for_no_pause(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more comes than one batch while another is written, the ledger's own speed is the only bound."""
    monkeypatch.setattr(room, "_PAUSE", 3600)
    monkeypatch.setattr(room, "_BATCH", 2)
    batches, twice = [], asyncio.Event()

    class Slow:
        async def append(self, records: Sequence[Record]) -> None:
            batches.append(len(records))
            for _ in range(3 - len(batches)):
                await rig.ask("GET", "/reports/b")
                await rig.settled()
            if len(batches) == 2:
                twice.set()

    rig.plane.accounts._ledger = Slow()
    writer = asyncio.get_running_loop().create_task(rig.plane.accounts.run())
    await rig.ask("GET", "/reports/a")
    try:
        async with asyncio.timeout(5):
            await twice.wait()
        assert [1, 2] == batches
    finally:
        writer.cancel()
        await asyncio.wait({writer})
    assert [1, 2, 1] == batches  # at the end, without a pause


async def test_a_ledger_that_is_down_is_left_alone_for_a_while(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much waits for it."""
    monkeypatch.setattr(room, "_PAUSE", 3600)
    monkeypatch.setattr(room, "_BATCH", 1)
    asked = []

    class Down:
        async def append(self, records: Sequence[Record]) -> None:
            asked.append(len(records))
            await asyncio.sleep(0)
            raise DependencyDown("audit", "no")

    rig.plane.accounts._ledger = Down()
    writer = asyncio.get_running_loop().create_task(rig.plane.accounts.run())
    try:
        for _ in range(3):
            await rig.ask("GET", "/reports/a")
            await rig.settled()
        assert [1] == asked
    finally:
        writer.cancel()
        await asyncio.wait({writer})


async def test_a_batch_that_is_being_written_at_the_end_is_written_once(rig: Rig) -> None:
    """Whoever ends the writer in the middle of one waits for it: no record is lost, and none is there twice."""
    accounts, ledger = rig.plane.accounts, rig.plane.accounts._ledger
    begun, go, written = asyncio.Event(), asyncio.Event(), []

    class Slow:
        async def append(self, records: Sequence[Record]) -> None:
            begun.set()
            await go.wait()
            written.extend(record.request_id for record in records)

    accounts._ledger = Slow()
    writer = asyncio.get_running_loop().create_task(accounts.run())
    await rig.ask("GET", "/reports/a")
    await begun.wait()
    await rig.ask("GET", "/reports/b")
    writer.cancel()
    asyncio.get_running_loop().call_later(0.01, go.set)
    with pytest.raises(asyncio.CancelledError):
        await writer
    accounts._ledger = ledger
    assert (2, 2) == (len(written), len(set(written)))


async def test_uses_of_an_unlimited_link_are_counted_behind_the_answer(rig: Rig) -> None:
    """Nobody waits for statistics, and yet they come: one use for one client, the bytes of all its requests."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted()
    await rig.fetch(token)
    await rig.fetch(token)
    await rig.settled()
    assert {} == await rig.state.leases.usage([grant.id])
    await rig.plane.accounts.flush()
    [usage] = (await rig.state.leases.usage([grant.id])).values()
    assert (1, 10) == (usage.uses, usage.moved)


async def test_a_use_is_fresh_once(rig: Rig) -> None:
    """Ranges and resumes inside a use are recorded as part of it."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(uses=2)
    for headers in ({}, {"Range": "bytes=1-"}, {"User-Agent": "another"}):
        await rig.fetch(token, **headers)
        await rig.last()
    assert [True, False, True] == [record.fresh_use for record in rig.records]


async def test_no_record_or_detail_holds_a_secret(rig: Rig) -> None:
    """Neither tokens nor passwords reach the log."""
    token = await rig.link(password="scrypt$x$y")
    await rig.ask("GET", f"/s/{token}?password=hunter2", {"Authorization": "Basic OmhudW50ZXIy"})
    await rig.settled()
    told = repr(rig.records) + repr(rig.details)
    assert token not in told
    assert "hunter2" not in told


async def test_a_token_that_came_as_a_name_is_in_no_record(rig: Rig) -> None:
    """A link's path without its `/s` is an object's name to us, and leaves no usable token behind."""
    token = await rig.link()
    assert 403 == (await rig.ask("GET", f"/reports/{token}/x")).status
    assert "[redacted]/x" == (await rig.last()).key


async def test_an_attempt_is_told_of_after_its_own_turn(rig: Rig) -> None:
    """What it came to is settled as it closes; log and metrics hear of it when its answer has been handed on."""
    accounts, told = rig.plane.accounts, list[int]()
    close = accounts.close

    def closing(account: room.Account) -> None:
        close(account)
        told.append(len(rig.records))

    accounts.close = closing
    async with rig.client() as client:
        await client.send(b"GET /reports/a HTTP/1.1\r\nHost: gw\r\n\r\n" * 3)
        for _ in range(3):
            await client.answer()
    await rig.settled()
    assert (3, 3, [True] * 3) == (len(told), len(rig.records), [seen < at for at, seen in enumerate(told, 1)])


async def test_whoever_writes_records_tells_of_all_that_closed(rig: Rig) -> None:
    """None is left behind at the end."""
    await rig.ask("GET", "/reports/a")
    kept = list(rig.records)
    account = room.Account(SimpleNamespace(**vars(Ended)), 0.0, 0.0)
    rig.plane.accounts.close(account)
    assert kept == rig.records
    await rig.plane.accounts.flush()
    assert len(kept) + 1 == len(rig.records)


class Ended:
    """An exchange that came to nothing."""

    accepted_terms = ""
    request_id, peer, address, status, cut_reason, whole = "r", None, "", 0, None, False
    bytes_in = bytes_out = 0
    first_byte_at = None
