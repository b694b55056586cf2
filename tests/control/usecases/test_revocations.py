"""Revoking many grants, and the list, without HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.control.usecases.journal import Journal
from gateway.control.usecases.revocations import Revocations
from gateway.core.attempt import Principal
from gateway.core.revocation import FeedKind, RevocationTarget
from gateway.core.token import hash_secret
from tests.control.desk import Desk, serving
from tests.control.test_bodies import GRANT

OPS = Principal("admin", "ops")


def revocations_of(desk: Desk) -> Revocations:
    return Revocations(
        grants=desk.state,
        feed=desk.state,
        journal=Journal(desk.state, desk.clock, lambda: False, lambda _: None),
        policy=desk.deps.policy,
        apply_now=desk.deps.apply_now,
        clock=desk.clock,
    )


async def test_a_backend_with_many_links_ends_whole(desk: Desk) -> None:
    """More links than a page holds are all found, once, in one write."""
    for number in range(1100):
        await desk.state.create(replace(GRANT, id=f"l_{number}", hash=hash_secret(str(number)), expires_at=None))
    writes = []
    real = desk.state.revoke

    async def counted(*arguments: object) -> object:
        writes.append(arguments)
        return await real(*arguments)  # type: ignore[arg-type]

    desk.state.revoke = counted  # type: ignore[method-assign,assignment]
    target = RevocationTarget(FeedKind.BACKEND, "archive")
    assert (await revocations_of(desk).revoke(OPS, target, "x", dry_run=False)).count == 1100
    assert len(writes) == 1
    assert (await revocations_of(desk).revoke(OPS, target, "x", dry_run=True)).count == 0


async def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    """Neither feed nor audit trail knows of a dry run."""
    target = RevocationTarget(FeedKind.OWNER, "app:a")
    await desk.state.create(GRANT)
    assert (await revocations_of(desk).revoke(OPS, target, "x", dry_run=True)).count == 1
    assert await desk.state.revocations(0, 10) == []
    assert desk.audited() == []


async def test_waiting_skips_what_revokes_nothing(desk: Desk) -> None:
    """A waiting reader sleeps through new links, without spinning, until a revocation comes."""
    reads, read = [], asyncio.Event()
    real = desk.state.revocations

    async def counted(serial: int, limit: int) -> object:
        reads.append(serial)
        read.set()
        return await real(serial, limit)

    desk.state.revocations = counted  # type: ignore[method-assign,assignment]
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(revocations_of(desk).after(0, 10, 30.0))
        await read.wait()
        for number in range(3):
            read.clear()
            await desk.state.create(replace(GRANT, id=f"l_{number}", hash=hash_secret(str(number))))
            await read.wait()
        await desk.state.revoke([RevocationTarget(FeedKind.OWNER, "app:a")], 1.0, "", "")
    assert [entry.name for entry in waiting.result()] == ["app:a"]
    assert len(reads) == 6


async def test_a_shutdown_answers_who_waits() -> None:
    """A server that stops does not wait for its long polls: they are answered with nothing new, at once."""
    async with asyncio.timeout(5), asyncio.TaskGroup() as group, serving() as desk:
        read, real = asyncio.Event(), desk.state.changed

        async def seen(serial: int, seconds: float) -> None:
            read.set()
            await real(serial, seconds)

        desk.state.changed = seen  # type: ignore[method-assign]
        waiting = group.create_task(desk.ask("GET", "/v1/revocations?wait=60"))
        await read.wait()
        await desk.stop()
        assert (await waiting).json == {"revocations": [], "serial": 0}
