"""The writer's thread: one commit for many, an acknowledgement only after it, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import pytest

from gateway.core.reasons import DependencyDown
from gateway.stores.sqlite.writer import GroupWriter


class Traced:
    """Connections to one file, with every transaction's begin and end written down."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trace: list[str] = []
        self.opened = 0

    def connect(self) -> sqlite3.Connection:
        self.opened += 1
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("CREATE TABLE IF NOT EXISTS t (x UNIQUE)")
        connection.set_trace_callback(self.trace.append)
        return connection


@pytest.fixture
async def traced(tmp_path: Path) -> Traced:
    return Traced(tmp_path / "t.db")


@pytest.fixture
async def writer(traced: Traced) -> AsyncIterator[GroupWriter]:
    writer = GroupWriter(traced.connect, lambda: None)
    writer.start()
    yield writer
    await writer.close()


def insert(value: object) -> object:
    return lambda tx: tx.execute("INSERT INTO t VALUES (?)", (value,)).lastrowid


def rows(path: Path) -> list[object]:
    with sqlite3.connect(path) as connection:
        found = [row[0] for row in connection.execute("SELECT x FROM t")]
    connection.close()
    return found


async def test_waiting_writers_share_a_commit(traced: Traced, writer: GroupWriter) -> None:
    """What comes while a commit runs is committed together, and everybody gets his own answer."""
    gate = Event()
    first = asyncio.gather(writer.run("grants", lambda tx: gate.wait(10)))
    await asyncio.sleep(0)
    others = asyncio.gather(*(writer.run("grants", insert(number)) for number in range(100)))
    await asyncio.sleep(0)
    gate.set()
    await first
    assert await others == list(range(1, 101))
    assert traced.trace.count("COMMIT") <= 3


async def test_a_bad_piece_of_work_fails_alone(traced: Traced, writer: GroupWriter) -> None:
    """Who raises takes back his own changes; the others are committed."""

    def half(tx: sqlite3.Connection) -> None:
        tx.execute("INSERT INTO t VALUES ('half')")
        raise KeyError("mine")

    outcomes = await asyncio.gather(
        writer.run("grants", insert(1)),
        writer.run("grants", half),
        writer.run("grants", insert(1)),
        writer.run("grants", insert(2)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [int, KeyError, ValueError, int]
    assert rows(traced.path) == [1, 2]


async def test_what_fails_alone_leaves_nothing_either(traced: Traced, writer: GroupWriter) -> None:
    """A piece of work that has its transaction for itself is taken back with it; the next one finds a clean table."""

    def half(tx: sqlite3.Connection) -> None:
        tx.execute("INSERT INTO t VALUES ('half')")
        raise KeyError("mine")

    for work, kind in (
        (half, KeyError),
        (insert(1), None),
        (insert(1), ValueError),
        (half, KeyError),
        (insert(2), None),
    ):
        if kind is None:
            await writer.run("grants", work)
        else:
            with pytest.raises(kind):
                await writer.run("grants", work)
    assert rows(traced.path) == [1, 2]
    assert (1, 5) == (traced.opened, sum(line.startswith("BEGIN") for line in traced.trace))


async def test_a_failed_commit_fails_all_and_heals(traced: Traced, writer: GroupWriter) -> None:
    """When the commit fails nobody is acknowledged, nothing is kept, and the next call opens a new connection."""

    def breaks(tx: sqlite3.Connection) -> None:
        (pages,) = tx.execute("PRAGMA page_count").fetchone()
        tx.execute(f"PRAGMA max_page_count = {pages}")
        tx.execute("INSERT INTO t VALUES (zeroblob(1000000))")

    outcomes = await asyncio.gather(
        writer.run("grants", insert(1)), writer.run("audit", breaks), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] in ([DependencyDown] * 2, [int, DependencyDown])
    kept = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(rows(traced.path)) == len(kept)
    await writer.run("grants", insert(3))
    assert traced.opened == 2


async def test_a_check_stops_the_group(traced: Traced) -> None:
    """What the check finds wrong fails the write before anything is written."""

    def check() -> None:
        raise sqlite3.OperationalError("the file was removed")

    writer = GroupWriter(traced.connect, check)
    writer.start()
    with pytest.raises(DependencyDown, match="removed"):
        await writer.run("grants", insert(1))
    assert traced.opened == 0
    await writer.close()


async def test_closing_commits_what_waits(traced: Traced) -> None:
    """Work that was handed in before the closing is done; work after it is refused."""
    writer = GroupWriter(traced.connect, lambda: None)
    writer.start()
    waiting = asyncio.gather(*(writer.run("grants", insert(number)) for number in range(50)))
    await asyncio.sleep(0)
    await writer.close()
    await waiting
    assert rows(traced.path) == list(range(50))
    with pytest.raises(DependencyDown):
        await writer.run("grants", insert(99))
    await writer.close()


async def test_a_cancelled_caller_harms_nobody(traced: Traced, writer: GroupWriter) -> None:
    """A caller who gave up is passed over, and the others are answered."""
    gate = Event()
    first = asyncio.gather(writer.run("grants", lambda tx: gate.wait(10)))
    await asyncio.sleep(0)
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(writer.run("grants", insert("gone")))
        kept = group.create_task(writer.run("grants", insert("kept")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        gate.set()
    await first
    assert kept.result() == 1
    assert rows(traced.path) == ["kept"]
