"""Faults of the disk and of the file: nothing is acknowledged that is not there."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.reasons import DependencyDown
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.engine import Engine
from gateway.stores.sqlite import schema as sqlite_schema
from gateway.stores.sqlite.engine import open_sqlite
from tests.contract.sample import NOW, link, record

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


async def test_a_closed_store_says_so(state: Engine) -> None:
    """After closing, every call is a DependencyDown of its own dependency."""
    await state.close()
    for dependency, call in (
        ("grants", state.grants.find(link().hash)),
        ("grants", state.grants.create(link())),
        ("revocations", state.feed.revoke(LINK, NOW, "", "")),
        ("revocations", state.feed.since(0, 1)),
        ("audit", state.ledger.append([record("l_1")])),
    ):
        with pytest.raises(DependencyDown) as caught:
            await call
        assert caught.value.dependency == dependency


async def test_a_full_disk_refuses_and_recovers(state: Engine) -> None:
    """When the disk is full nothing is acknowledged, reads go on, and a later write succeeds."""
    grant = await state.grants.create(link())

    def fill(tx: sqlite3.Connection) -> None:
        (pages,) = tx.execute("PRAGMA page_count").fetchone()
        tx.execute(f"PRAGMA max_page_count = {pages}")

    await state.grants._database.write("grants", fill)
    with pytest.raises(DependencyDown, match="the disk is full") as caught:
        await state.ledger.append([record("l_1", key="x" * 100_000)])
    assert caught.value.dependency == "audit"
    assert await state.grants.get(grant.id) == grant
    assert (await state.ledger.records_of("l_1", None, 9)).records == []
    await state.ledger.append([record("l_1", key="x" * 100_000)])
    assert len((await state.ledger.records_of("l_1", None, 9)).records) == 1


async def test_a_failing_disk_refuses_and_recovers(path: Path, state: Engine) -> None:
    """When the system refuses to write, the error is told, and what was acknowledged before is still there."""
    (entry,) = await state.feed.revoke(LINK, NOW, "", "admin:ops")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size + 100, hard))
    try:
        with pytest.raises(DependencyDown, match=r"the disk (reports an error|is full)"):
            await state.ledger.append([record("l_1", key="x" * 100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (later,) = await state.feed.revoke(LINK, NOW, "", "admin:ops")
    assert list(await state.feed.revocations(0, 9)) == [entry, later]


async def test_one_failure_takes_its_group_along_and_nobody_else(state: Engine) -> None:
    """Writers that share a failed commit are all told; a writer that breaks a uniqueness fails alone."""
    taken = await state.grants.create(link())
    outcomes = await asyncio.gather(
        *(state.grants.create(link()) for _ in range(5)),
        state.grants.create(link(taken.id)),
        *(state.grants.create(link()) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, ValueError) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, BaseException) for outcome in outcomes) == 1


async def test_a_file_that_is_only_readable_refuses_writes(state: Engine) -> None:
    """A database that turned read-only refuses writes with its reason, and reads go on."""
    grant = await state.grants.create(link())
    await state.grants._database.write("grants", lambda tx: None)
    assert state.grants._database._writer._connection is not None
    real = state.grants._database._file
    assert real is not None
    state.grants._database._writer._connect = lambda: real.connect(reader=True)
    with pytest.raises(ValueError):
        await state.grants.create(grant)
    await state.grants._database.write("grants", lambda tx: tx.execute("PRAGMA query_only = ON").fetchall())
    with pytest.raises(DependencyDown, match="read-only"):
        await state.feed.revoke(LINK, NOW, "", "admin:ops")
    assert await state.grants.get(grant.id) == grant
    state.grants._database._writer._connect = real.connect
    state.grants._database._writer._drop()
    await state.feed.revoke(LINK, NOW, "", "admin:ops")


async def test_another_holder_of_the_lock_is_named(path: Path, state: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that waits too long for another process fails, and a later one succeeds."""
    monkeypatch.setattr(sqlite_schema, "_WRITER_WAIT", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DependencyDown, match="another process holds"):
            await state.feed.revoke(LINK, NOW, "", "admin:ops")
        assert list(await state.feed.since(0, 9)) == []
    assert len(await state.feed.revoke(LINK, NOW, "", "admin:ops")) == 1


async def test_a_removed_file_is_never_written_to(path: Path, state: Engine) -> None:
    """When the file is gone, nothing is acknowledged, the feed stops proving anything, and no new file appears."""
    grant = await state.grants.create(link())
    path.rename(path.with_suffix(".moved"))
    with pytest.raises(DependencyDown, match="removed"):
        await state.feed.revoke(LINK, NOW, "", "admin:ops")
    with pytest.raises(DependencyDown, match="removed"):
        await state.feed.since(0, 9)
    assert not path.exists()
    path.with_suffix(".moved").rename(path)
    assert len(await state.feed.revoke(LINK, NOW, "", "admin:ops")) == 1
    assert await state.grants.get(grant.id) == grant


async def test_a_replaced_file_is_never_written_to(path: Path, state: Engine) -> None:
    """A file put in its place (a restored backup) is not taken up before a restart."""
    await state.grants.create(link())
    path.rename(path.with_suffix(".moved"))
    path.touch()
    with pytest.raises(DependencyDown, match="replaced"):
        await state.feed.revoke(LINK, NOW, "", "admin:ops")
    assert path.stat().st_size == 0


async def test_a_damaged_file_is_told(path: Path, state: Engine) -> None:
    """Bytes overwritten on the disk end in DependencyDown, never in a wrong answer."""
    grants = [await state.grants.create(link()) for _ in range(50)]
    await state.close()
    with closing(sqlite3.connect(path)) as connection:
        roots = [root for (root,) in connection.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0")]
    with path.open("r+b") as file:
        for root in roots:
            file.seek(4096 * (root - 1))
            file.write(b"\xff" * 4096)
    again = await open_sqlite(path)
    with pytest.raises(DependencyDown, match="damaged"):
        await again.grants.get(grants[0].id)
    with pytest.raises(DependencyDown, match="damaged"):
        await again.feed.revoke([RevocationTarget(FeedKind.OWNER, "app:billing")], NOW, "", "admin:ops")
    await again.close()


async def test_a_connection_is_kept_from_one_walk_to_the_next(state: Engine) -> None:
    """Few of them, however many walks went on at once; what failed is not kept, and nothing is after the end."""
    database = state.grants._database
    seen = [await database.walk("grants", lambda connection: connection) for _ in range(2)]
    assert seen[0] is seen[1]
    together = threading.Barrier(5, timeout=10)
    walks = [database.walk("grants", lambda connection: (together.wait(), connection)[1]) for _ in range(5)]
    assert 5 == len(set(await asyncio.gather(*walks)))
    assert 2 == len(database._walkers)
    for _ in range(2):
        with pytest.raises(DependencyDown):
            await database.walk("grants", lambda connection: connection.execute("SELECT nothing").fetchall())
    assert 0 == len(database._walkers)
    await database.walk("grants", lambda connection: connection.execute("SELECT 1").fetchall())
    await database.close()
    assert 0 == len(database._walkers)


async def test_a_kept_connection_is_not_asked_about_another_file(path: Path, state: Engine) -> None:
    """A file that was replaced is noticed by the next walk, as by any other read."""
    database = state.grants._database
    await database.walk("grants", lambda connection: connection.execute("SELECT 1").fetchall())
    path.rename(path.with_suffix(".moved"))
    with pytest.raises(DependencyDown, match="removed"):
        await database.walk("grants", lambda connection: connection.execute("SELECT 1").fetchall())
