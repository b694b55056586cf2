"""One SQLite file, opened, for the tests of each store in it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.stores.engine import Engine
from gateway.stores.sqlite.engine import open_sqlite
from gateway.stores.sqlite.schema import SqliteFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
async def state(path: Path) -> AsyncIterator[Engine]:
    state = await open_sqlite(path)
    yield state
    await state.close()


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(SqliteFile.prepare(tmp_path / "gateway.db").connect()) as connection:
        yield connection


def children(path: Path, *arguments: str) -> list[int]:
    """What four processes on one file print."""
    command = [sys.executable, "-m", "tests.faults.sqlite_child", arguments[0], str(path), *arguments[1:]]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    return [int(child.communicate(timeout=60)[0]) for child in started]


def rows_in(tx: sqlite3.Connection, table: str) -> int:
    return int(tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
