"""Revoking many grants, and the list, without HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.control.caller import EVERYTHING
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind
from gateway.core.reasons import Reason, Refused
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import hash_secret
from gateway.core.trail import entry_fields
from tests.control.desk import Desk, serving
from tests.control.test_bodies import GRANT

OPS = Principal("admin", "ops")


async def test_a_backend_with_many_links_ends_whole(desk: Desk) -> None:
    """More links than a page holds are all found, once, in one write."""
    for number in range(1100):
        await desk.state.grants.create(replace(GRANT, id=f"l_{number}", hash=hash_secret(str(number)), expires_at=None))
    writes = []
    real = desk.state.feed.revoke

    async def counted(*arguments: object) -> object:
        writes.append(arguments)
        return await real(*arguments)  # type: ignore[arg-type]

    desk.state.feed.revoke = counted  # type: ignore[method-assign,assignment]
    target = RevocationTarget(FeedKind.BACKEND, "archive")
    assert (await desk.api.revocations.revoke(OPS, EVERYTHING, target, "x", dry_run=False)).count == 1100
    assert len(writes) == 1
    assert (await desk.api.revocations.revoke(OPS, EVERYTHING, target, "x", dry_run=True)).count == 0


async def test_what_was_issued_before_a_time_ends_and_nothing_else(desk: Desk) -> None:
    """Of one owner, links and keys alike, in one write; what was issued at the time itself or later lives on."""
    old, same, other = Principal("app", "a"), 1_000.0, Principal("app", "b")
    key = {"kind": GrantKind.KEY, "scope": None, "actions": frozenset()}
    for number, (issued, owner, more) in enumerate(
        [(999.9, old, {}), (same, old, {}), (999.0, other, {}), (5.0, old, key), (1001.0, old, key)]
    ):
        grant = replace(GRANT, id=f"g_{number}", hash=hash_secret(str(number)), issued_at=issued, owner=owner)
        await desk.state.grants.create(replace(grant, expires_at=None, **more))
    target = RevocationTarget(FeedKind.OWNER, "app:a")
    told = await desk.api.revocations.revoke(OPS, EVERYTHING, target, "x", dry_run=True, issued_before=same)
    assert (told.count, told.serial) == (2, None)
    done = await desk.api.revocations.revoke(OPS, EVERYTHING, target, "x", dry_run=False, issued_before=same)
    assert done.count == 2
    found = [await desk.state.grants.get(f"g_{number}") for number in range(5)]
    assert [grant is not None and grant.revoked_at is not None for grant in found] == [True, False, False, True, False]
    assert [entry.kind for entry in await desk.state.feed.revocations(0, 10)] == [FeedKind.KEY, FeedKind.LINK]
    assert (
        await desk.api.revocations.revoke(OPS, EVERYTHING, target, "x", dry_run=False, issued_before=same)
    ).count == 0
    assert desk.audited() == ["revoke"]


async def test_by_rule_and_by_id_before_a_time(desk: Desk) -> None:
    """A rule's links are told apart by age as an owner's are, and so is a single link."""
    for name, issued, rule in (("l_1", 1.0, "r"), ("l_2", 3.0, "r"), ("l_3", 1.0, "s")):
        await desk.state.grants.create(replace(GRANT, id=name, hash=hash_secret(name), issued_at=issued, rule=rule))
    by_rule, by_id = RevocationTarget(FeedKind.POLICY, "r"), RevocationTarget(FeedKind.LINK, "l_2")
    assert (
        await desk.api.revocations.revoke(OPS, EVERYTHING, by_rule, "x", dry_run=False, issued_before=2.0)
    ).count == 1
    assert (await desk.api.revocations.revoke(OPS, EVERYTHING, by_id, "x", dry_run=False, issued_before=3.0)).count == 0
    assert (await desk.api.revocations.revoke(OPS, EVERYTHING, by_id, "x", dry_run=False, issued_before=3.5)).count == 1


async def test_a_time_to_come_is_refused(desk: Desk) -> None:
    """It would promise to end what is not issued yet."""
    target = RevocationTarget(FeedKind.OWNER, "app:a")
    with pytest.raises(Refused) as refused:
        await desk.api.revocations.revoke(OPS, EVERYTHING, target, "x", dry_run=False, issued_before=desk.clock.now + 1)
    assert refused.value.reason is Reason.BAD_ARGUMENT


async def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    """Neither feed nor audit trail knows of a dry run."""
    target = RevocationTarget(FeedKind.OWNER, "app:a")
    await desk.state.grants.create(GRANT)
    assert (await desk.api.revocations.revoke(OPS, EVERYTHING, target, "x", dry_run=True)).count == 1
    assert await desk.state.feed.revocations(0, 10) == []
    assert desk.audited() == []


async def test_waiting_skips_what_revokes_nothing(desk: Desk) -> None:
    """A waiting reader sleeps through new links, without spinning, until a revocation comes."""
    reads, read = [], asyncio.Event()
    real = desk.state.feed.revocations

    async def counted(serial: int, limit: int) -> object:
        reads.append(serial)
        read.set()
        return await real(serial, limit)

    desk.state.feed.revocations = counted  # type: ignore[method-assign,assignment]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(desk.api.revocations.after(0, 10, 30.0))
        await read.wait()
        for number in range(3):
            read.clear()
            await desk.state.grants.create(replace(GRANT, id=f"l_{number}", hash=hash_secret(str(number))))
            await read.wait()
        await desk.state.feed.revoke([RevocationTarget(FeedKind.OWNER, "app:a")], 1.0, "", "")
    assert [entry.name for entry in waiting.result()] == ["app:a"]
    assert len(reads) == 6


async def test_a_shutdown_answers_who_waits() -> None:
    """A server that stops does not wait for its long polls: they are answered with nothing new, at once."""
    async with asyncio.timeout(5), asyncio.TaskGroup() as group, serving() as desk:
        read, real = asyncio.Event(), desk.state.feed.changed

        async def seen(serial: int, seconds: float) -> None:
            read.set()
            await real(serial, seconds)

        desk.state.feed.changed = seen  # type: ignore[method-assign]
        waiting = group.create_task(desk.ask("GET", "/v1/revocations?wait=60"))
        await read.wait()
        await desk.stop()
        assert (await waiting).json == {"revocations": [], "serial": 0, "as_of": "2027-01-15T08:00:00Z"}


@pytest.mark.parametrize("kind", ["links", "keys"])
async def test_one_act_has_one_trail_by_either_way(desk: Desk, kind: str) -> None:
    """A link and a key end alike by their own place and by a target: one entry of the feed, one kind of event; what
    had ended before stays as it is, and is noted."""
    made = await desk.link() if kind == "links" else (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
    other = await desk.link(key="b") if kind == "links" else (await desk.ask("POST", "/v1/keys", {"app": "x"})).json
    first = await desk.ask("DELETE", f"/v1/{kind}/{made['id']}?reason=leaked")
    target = {kind.removesuffix("s"): other["id"], "reason": "leaked"}
    second = await desk.ask("POST", "/v1/revocations", target)
    assert {"revoked": 1, "serial": 4, "dry_run": False, "known": True} == second.json
    again = await desk.ask("POST", "/v1/revocations", target)
    assert {"revoked": 0, "serial": None, "dry_run": False, "known": True} == again.json
    assert first.json == (await desk.ask("GET", f"/v1/{kind}/{made['id']}")).json
    assert ["leaked", "leaked"] == [entry.reason for entry in await desk.state.feed.revocations(0, 10)]
    assert [f"{kind.removesuffix('s')}.revoke"] * 3 == desk.audited()[2:]
    told = [entry_fields(entry)["detail"] for entry in desk.state.ledger._trail][2:]
    owners = ["admin:ops"] * 3 if kind == "links" else ["app:billing", "app:x", "app:x"]
    assert [{"owner": owner, "reason": "leaked"} for owner in owners] == told


async def test_a_revocation_reads_its_grant_once(desk: Desk) -> None:
    """What was read, and what was written, are the answer."""
    made = await desk.link()
    real, reads = desk.state.grants.get, []

    async def get(grant_id: str) -> Grant | None:
        reads.append(grant_id)
        return await real(grant_id)

    desk.state.grants.get = get  # type: ignore[method-assign]
    assert "revoked" == (await desk.ask("DELETE", f"/v1/links/{made['id']}")).json["state"]
    assert [made["id"]] == reads
