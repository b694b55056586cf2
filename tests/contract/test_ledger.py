"""The law of `Ledger`, for every engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.core.lease import Reservation
from gateway.core.record import AuditEvent, Outcome, TrailHead, TrailPage
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import hash_secret
from gateway.core.trail import Inspection, entry_fields
from gateway.stores.engine import Engine
from tests.contract.sample import NOW, key, link, record


async def test_a_record_comes_back_as_it_was_written(engine: Engine) -> None:
    """Every field survives, also a key that was refused for its bytes."""
    odd = record(
        "l_1",
        NOW + 0.123456,
        outcome=Outcome.CUT,
        reason="revoked",
        bytes_in=2**60,
        bytes_out=3,
        fresh_use=True,
        terms="0123abc",
        key="a\x00b\ud800\U0001f600",
        status=403,
    )
    await engine.ledger.append([odd])
    page = await engine.ledger.records_of("l_1", None, 10)
    assert list(page.records) == [odd]
    assert page.cursor is None


async def test_records_are_newest_first_and_complete(engine: Engine) -> None:
    """Pages show each record of the grant once, by the time of the attempt, also where times are equal."""
    times = [5, 3, 3, 3, 9, 1, 3]
    written = [record("l_1", NOW + at) for at in times]
    await engine.ledger.append(written[:4])
    await engine.ledger.append([record("l_2"), record(None), *written[4:]])
    seen = []
    cursor = None
    while True:
        page = await engine.ledger.records_of("l_1", cursor, 2)
        seen += page.records
        cursor = page.cursor
        if cursor is None:
            break
    assert [entry.at - NOW for entry in seen] == sorted(times, reverse=True)
    assert {entry.request_id for entry in seen} == {entry.request_id for entry in written}


@pytest.mark.parametrize("cursor", ["", "x", "WyJnIiwxXQ", "WyJyIiwxXQ", "é", "WyJyIiwiYSIsMV0"])
async def test_a_foreign_cursor_is_refused(engine: Engine, cursor: str) -> None:
    """A cursor that this ledger did not give is the caller's fault."""
    with pytest.raises(ValueError, match="cursor"):
        await engine.ledger.records_of("l_1", cursor, 2)


async def test_an_unknown_grant_has_no_records(engine: Engine) -> None:
    """No record is an empty page."""
    page = await engine.ledger.records_of("l_never", None, 2)
    assert (list(page.records), page.cursor) == ([], None)
    await engine.ledger.append([])


async def test_old_records_are_forgotten(engine: Engine) -> None:
    """Pruning forgets what is older, says how many, and keeps the rest."""
    await engine.ledger.append([record("l_1", NOW + at) for at in range(5)] + [record(None, NOW)])
    assert await engine.ledger.prune(NOW + 3) == 4
    assert [entry.at - NOW for entry in (await engine.ledger.records_of("l_1", None, 9)).records] == [4, 3]
    assert await engine.ledger.prune(NOW + 3) == 0


async def test_a_great_many_old_records_are_forgotten(engine: Engine) -> None:
    """Pruning goes on until nothing old is left, however much there is."""
    await engine.ledger.append([record("l_1", NOW + number / 10000) for number in range(2500)])
    assert await engine.ledger.prune(NOW + 0.2) == 2000
    assert len((await engine.ledger.records_of("l_1", None, 2500)).records) == 500


async def test_pruning_keeps_grants_and_revocations(engine: Engine) -> None:
    """Lapsed short-lived keys go; links, lasting keys and every revocation stay, and serials go on rising."""
    session = hash_secret("session")
    lapsed = await engine.grants.create(key(session_hash=session, expires_at=NOW))
    lasting = [
        await engine.grants.create(key(session_hash=session, expires_at=NOW + 100)),
        await engine.grants.create(key(expires_at=NOW)),
        await engine.grants.create(link(expires_at=NOW)),
    ]
    (revocation,) = await engine.feed.revoke([RevocationTarget(FeedKind.OWNER, "app:nobody")], NOW, "", "admin:ops")
    await engine.leases.open_lease(Reservation(lapsed.id, "k"), None, NOW, 1)
    assert await engine.ledger.prune(NOW + 50) == 0
    assert await engine.grants.get(lapsed.id) is None
    assert await engine.grants.find(lapsed.hash) is None
    assert await engine.leases.usage([lapsed.id]) == {}
    for grant in lasting:
        assert await engine.grants.find(grant.hash) == grant
    assert list(await engine.feed.since(0, 10)) == [revocation]
    assert (await engine.grants.create(replace(lapsed, serial=0))).serial > revocation.serial


async def test_an_audit_event_is_taken(engine: Engine) -> None:
    """An event with any text in it can be written."""
    event = AuditEvent(at=NOW, actor="admin:ops", act="revoke", target="l_1", detail={"why": "ü\x00\U0001f600"})
    await engine.ledger.audit(event)


async def test_the_trail_is_one_chain(engine: Engine) -> None:
    """Entries come back in order, each with the digest of the one before, and the head is the last of them."""
    for number in range(5):
        await engine.ledger.audit(AuditEvent(at=NOW + number, actor="admin:ops", act="revoke", target=f"l_{number}"))
    first = await engine.ledger.trail(0, 3)
    rest = await engine.ledger.trail(3, 100)
    inspection = Inspection()
    assert list(inspection.faults([*first.entries, *rest.entries])) == []
    assert list(inspection.end(rest.head)) == []
    assert first.head == rest.head == inspection.reached
    assert [entry_fields(entry)["target"] for entry in first.entries] == ["l_0", "l_1", "l_2"]
    assert list((await engine.ledger.trail(5, 10)).entries) == []


async def test_several_events_are_one_write(engine: Engine, rival: Engine) -> None:
    """They follow each other in the one chain, and none is lost or comes twice where another writer comes between."""
    events = [AuditEvent(at=NOW, actor="admin:ops", act="revoke", target=f"l_{number}") for number in range(40)]
    turns = [events[start : start + 5] for start in range(0, 40, 5)]
    await asyncio.gather(
        *((engine, rival)[number % 2].ledger.audit(*some) for number, some in enumerate(turns)),
    )
    page = await engine.ledger.trail(0, 100)
    inspection = Inspection()
    assert [] == [*inspection.faults(page.entries), *inspection.end(page.head)]
    found = [entry_fields(entry)["target"] for entry in page.entries]
    assert sorted(event.target for event in events) == sorted(found)
    for some in turns:
        mine = [target for target in found if target in {event.target for event in some}]
        assert [event.target for event in some] == mine


async def test_an_empty_trail_has_a_head(engine: Engine) -> None:
    """It is number 0, so that an empty export can be told from a cut one."""
    assert await engine.ledger.trail(0, 10) == TrailPage([], TrailHead())


async def test_writers_in_parallel_keep_one_chain(engine: Engine, rival: Engine) -> None:
    """Two gateways on the same state write at once: no number is missing, doubled or beside the chain."""
    events = [AuditEvent(at=NOW, actor="admin:ops", act="revoke", target=f"l_{number}") for number in range(40)]
    await asyncio.gather(*((engine, rival)[number % 2].ledger.audit(event) for number, event in enumerate(events)))
    page = await engine.ledger.trail(0, 100)
    inspection = Inspection()
    assert list(inspection.faults(page.entries)) == []
    assert list(inspection.end(page.head)) == []
    assert {entry_fields(entry)["target"] for entry in page.entries} == {event.target for event in events}


async def test_every_record_is_exported_once(engine: Engine) -> None:
    """Page by page, whoever's it is, also those of no grant."""
    written = [record(grant, NOW + at) for at, grant in enumerate(["l_1", None, "l_2", "l_1", "l_1", None, "l_3"])]
    await engine.ledger.append(written)
    seen, cursor = [], None
    while True:
        page = await engine.ledger.export(cursor, 2)
        seen += page.records
        assert len(page.records) <= 2
        if (cursor := page.cursor) is None:
            break
    assert sorted(entry.request_id for entry in seen) == sorted(entry.request_id for entry in written)
    for foreign in ("", "x", "WyJyIiwxXQ"):
        with pytest.raises(ValueError, match="cursor"):
            await engine.ledger.export(foreign, 2)
