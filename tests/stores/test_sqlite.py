"""What is special to the SQLite engine: one file, several processes, faults of the disk, speed of reads."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.lease import Reservation
from gateway.core.reasons import DependencyDown
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores import sqlite_schema
from gateway.stores.sqlite import SqliteState
from tests.contract.sample import NOW, link, record

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
async def state(path: Path) -> AsyncIterator[SqliteState]:
    state = SqliteState(path)
    await state.open()
    yield state
    await state.close()


def children(path: Path, *arguments: str) -> list[int]:
    """What four processes on one file print."""
    command = [sys.executable, "-m", "tests.faults.sqlite_child", arguments[0], str(path), *arguments[1:]]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    return [int(child.communicate(timeout=60)[0]) for child in started]


def test_processes_share_uses_exactly(path: Path) -> None:
    """Four processes that make the file together and open leases at once get exactly as many as the link has uses."""
    assert sum(children(path, "lease", "l_1", "50", "40")) == 50


def test_processes_share_limits_exactly(path: Path) -> None:
    """Four processes that take from one limit at once get exactly its burst."""
    assert sum(children(path, "take", "40", "50")) == 50


async def test_another_process_is_noticed_soon(path: Path, state: SqliteState) -> None:
    """A second store on the same file wakes the first within the second that promise 2 allows."""
    other = SqliteState(path)
    await other.open()
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        group.create_task(state.changed(0, 60))
        await asyncio.sleep(0)
        (entry,) = await other.revoke(LINK, NOW, "", "admin:ops")
    assert list(await state.since(0, 9)) == [entry]
    await other.close()


async def test_everything_survives_reopening(path: Path, state: SqliteState) -> None:
    """After a restart, grants, revocations, counters and records are as they were, and serials go on."""
    grant = await state.create(link(), "once")
    (entry,) = await state.revoke([RevocationTarget(FeedKind.LINK, grant.id)], NOW, "", "admin:ops")
    await state.open_lease(Reservation("l_2", "k"), 1, NOW, 60)
    await state.append([record("l_2")])
    await state.close()
    again = SqliteState(path)
    await again.open()
    found = await again.get(grant.id)
    assert found is not None
    assert found.revoked_at == NOW
    assert list(await again.revocations(0, 9)) == [entry]
    assert await again.open_lease(Reservation("l_2", "other"), 1, NOW, 60) is None
    assert len((await again.records_of("l_2", None, 9)).records) == 1
    assert (await again.create(link())).serial > entry.serial
    await again.close()


async def test_only_the_owner_can_read_the_files(path: Path, state: SqliteState) -> None:
    """The database and its companions are readable by their owner alone, also if the file was wider before."""
    await state.create(link())
    files = sorted(path.parent.glob("gateway.db*"))
    assert path in files
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await state.close()
    path.chmod(0o644)
    again = SqliteState(path)
    await again.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await again.close()


async def test_no_secret_is_in_the_files(path: Path, state: SqliteState) -> None:
    """A minted token and an access key's secret are nowhere in the bytes of the files."""
    await state.create(link("l_canary"))
    everything = b"".join(file.read_bytes() for file in path.parent.glob("gateway.db*"))
    assert b"l_canary" in everything
    assert b"the secret of l_canary" not in everything


async def test_a_closed_store_says_so(state: SqliteState) -> None:
    """After closing, every call is a DependencyDown of its own dependency."""
    await state.close()
    for dependency, call in (
        ("grants", state.find(link().hash)),
        ("grants", state.create(link())),
        ("revocations", state.revoke(LINK, NOW, "", "")),
        ("revocations", state.since(0, 1)),
        ("audit", state.append([record("l_1")])),
    ):
        with pytest.raises(DependencyDown) as caught:
            await call
        assert caught.value.dependency == dependency


async def test_a_full_disk_refuses_and_recovers(state: SqliteState) -> None:
    """When the disk is full nothing is acknowledged, reads go on, and a later write succeeds."""
    grant = await state.create(link())

    def fill(tx: sqlite3.Connection) -> None:
        (pages,) = tx.execute("PRAGMA page_count").fetchone()
        tx.execute(f"PRAGMA max_page_count = {pages}")

    await state._write("grants", fill)
    with pytest.raises(DependencyDown, match="the disk is full") as caught:
        await state.append([record("l_1", key="x" * 100_000)])
    assert caught.value.dependency == "audit"
    assert await state.get(grant.id) == grant
    assert (await state.records_of("l_1", None, 9)).records == []
    await state.append([record("l_1", key="x" * 100_000)])
    assert len((await state.records_of("l_1", None, 9)).records) == 1


async def test_a_failing_disk_refuses_and_recovers(path: Path, state: SqliteState) -> None:
    """When the system refuses to write, the error is told, and what was acknowledged before is still there."""
    (entry,) = await state.revoke(LINK, NOW, "", "admin:ops")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size + 100, hard))
    try:
        with pytest.raises(DependencyDown, match=r"the disk (reports an error|is full)"):
            await state.append([record("l_1", key="x" * 100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (later,) = await state.revoke(LINK, NOW, "", "admin:ops")
    assert list(await state.revocations(0, 9)) == [entry, later]


async def test_one_failure_takes_its_group_along_and_nobody_else(state: SqliteState) -> None:
    """Writers that share a failed commit are all told; a writer that breaks a uniqueness fails alone."""
    taken = await state.create(link())
    outcomes = await asyncio.gather(
        *(state.create(link()) for _ in range(5)),
        state.create(link(taken.id)),
        *(state.create(link()) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, ValueError) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, BaseException) for outcome in outcomes) == 1


async def test_a_file_that_is_only_readable_refuses_writes(state: SqliteState) -> None:
    """A database that turned read-only refuses writes with its reason, and reads go on."""
    grant = await state.create(link())
    await state._write("grants", lambda tx: None)
    assert state._writer is not None
    assert state._writer._connection is not None
    real = state._file
    assert real is not None
    state._writer._connect = lambda: real.connect(reader=True)
    with pytest.raises(ValueError):
        await state.create(grant)
    await state._write("grants", lambda tx: tx.execute("PRAGMA query_only = ON").fetchall())
    with pytest.raises(DependencyDown, match="read-only"):
        await state.revoke(LINK, NOW, "", "admin:ops")
    assert await state.get(grant.id) == grant
    state._writer._connect = real.connect
    state._writer._drop()
    await state.revoke(LINK, NOW, "", "admin:ops")


async def test_another_holder_of_the_lock_is_named(
    path: Path, state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that waits too long for another process fails, and a later one succeeds."""
    monkeypatch.setattr(sqlite_schema, "_WRITER_WAIT", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DependencyDown, match="another process holds"):
            await state.revoke(LINK, NOW, "", "admin:ops")
        assert list(await state.since(0, 9)) == []
    assert len(await state.revoke(LINK, NOW, "", "admin:ops")) == 1


async def test_a_removed_file_is_never_written_to(path: Path, state: SqliteState) -> None:
    """When the file is gone, nothing is acknowledged, the feed stops proving anything, and no new file appears."""
    grant = await state.create(link())
    path.rename(path.with_suffix(".moved"))
    with pytest.raises(DependencyDown, match="removed"):
        await state.revoke(LINK, NOW, "", "admin:ops")
    with pytest.raises(DependencyDown, match="removed"):
        await state.since(0, 9)
    assert not path.exists()
    path.with_suffix(".moved").rename(path)
    assert len(await state.revoke(LINK, NOW, "", "admin:ops")) == 1
    assert await state.get(grant.id) == grant


async def test_a_replaced_file_is_never_written_to(path: Path, state: SqliteState) -> None:
    """A file put in its place (a restored backup) is not taken up before a restart."""
    await state.create(link())
    path.rename(path.with_suffix(".moved"))
    path.touch()
    with pytest.raises(DependencyDown, match="replaced"):
        await state.revoke(LINK, NOW, "", "admin:ops")
    assert path.stat().st_size == 0


async def test_a_damaged_file_is_told(path: Path, state: SqliteState) -> None:
    """Bytes overwritten on the disk end in DependencyDown, never in a wrong answer."""
    grants = [await state.create(link()) for _ in range(50)]
    await state.close()
    with closing(sqlite3.connect(path)) as connection:
        roots = [root for (root,) in connection.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0")]
    with path.open("r+b") as file:
        for root in roots:
            file.seek(4096 * (root - 1))
            file.write(b"\xff" * 4096)
    again = SqliteState(path)
    await again.open()
    with pytest.raises(DependencyDown, match="damaged"):
        await again.get(grants[0].id)
    with pytest.raises(DependencyDown, match="damaged"):
        await again.revoke([RevocationTarget(FeedKind.OWNER, "app:billing")], NOW, "", "admin:ops")
    await again.close()


async def test_joining_a_download_writes_nothing(path: Path, state: SqliteState) -> None:
    """Once a use is kept, only a read is needed."""
    await state.open_lease(Reservation("l_1", "k", "one"), 1, NOW, 60)
    await state.settle_bytes(Reservation("l_1", "k", "one"), 7, NOW)
    before = Path(f"{path}-wal").read_bytes()
    lease = await state.open_lease(Reservation("l_1", "k", "two"), 1, NOW, 60)
    assert lease is not None
    assert not lease.fresh
    assert Path(f"{path}-wal").read_bytes() == before


async def test_lapsed_leases_leave(state: SqliteState) -> None:
    """However many callers come, only open leases stay in the file."""
    for number in range(100):
        await state.open_lease(Reservation("l_1", str(number)), None, NOW + number, 10)
    assert len(state._read("grants", "SELECT * FROM leases")) <= 11
