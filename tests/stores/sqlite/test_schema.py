"""The file's form: made once, moved forward only, refused when it is not ours."""

from __future__ import annotations

import errno
import fcntl
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.grant import GrantFilter, GrantState
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.token import hash_secret
from gateway.stores.codec import edited_columns
from gateway.stores.sqlite.engine import open_sqlite
from gateway.stores.sqlite.schema import MIGRATIONS, SqliteFile, explain, head_of, locks_work, map_errors
from tests.contract.sample import NOW, key, link


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_a_new_file_has_the_newest_form(tmp_path: Path) -> None:
    """Preparing makes the tables, and preparing again changes nothing."""
    path = tmp_path / "gateway.db"
    SqliteFile.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    assert version_of(path) == len(MIGRATIONS)
    assert {"grants", "feed", "usage", "leases", "records", "trail", "idempotency"} <= {name for name, _ in tables}
    assert all("STRICT" in sql for name, sql in tables if not name.startswith("sqlite_"))
    SqliteFile.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        again = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    assert again == tables


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file that a newer gateway wrote is named as such and left as it is."""
    path = tmp_path / "gateway.db"
    SqliteFile.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="a newer gateway wrote this file"):
        SqliteFile.prepare(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"no database at all " * 300, "is no database"), (b"SQLite format 3\x00" + b"\xff" * 4080, "gateway.db")],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    """A file that is no database of ours is a fault of the settings, and is not overwritten."""
    path = tmp_path / "gateway.db"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=fault):
        SqliteFile.prepare(path)
    assert path.read_bytes() == content


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The message names the path that cannot be made."""
    with pytest.raises(SettingsError, match="nowhere"):
        SqliteFile.prepare(tmp_path / "nowhere" / "gateway.db")
    with pytest.raises(SettingsError):
        SqliteFile.prepare(tmp_path)


def test_every_commit_is_synced(tmp_path: Path) -> None:
    """A writer's connection syncs the log at every commit, keeps foreign keys and uses the write-ahead log."""
    file = SqliteFile.prepare(tmp_path / "gateway.db")
    with closing(file.connect()) as connection:
        found = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "foreign_keys", "journal_mode")
        ]
    assert found == [2, 1, "wal"]


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """A reader's connection refuses to write, whatever it is asked."""
    file = SqliteFile.prepare(tmp_path / "gateway.db")
    with closing(file.connect(reader=True)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM feed")


def test_errors_are_told_by_code() -> None:
    """The text of an error comes from its code; a broken uniqueness is the caller's fault."""
    error = sqlite3.OperationalError("near 'a secret value': some text")
    error.sqlite_errorname = "SQLITE_IOERR_WRITE"
    assert explain(error) == "the disk reports an error (SQLITE_IOERR_WRITE)"
    with pytest.raises(DependencyDown) as caught, map_errors("audit"):
        raise error
    assert (caught.value.dependency, "secret" in str(caught.value)) == ("audit", False)
    with pytest.raises(ValueError, match="exists"), map_errors("grants"):
        raise sqlite3.IntegrityError


@pytest.mark.parametrize("hashed", ["x", "y"])
def test_a_grant_that_nobody_would_find_is_not_taken(tmp_path: Path, hashed: str) -> None:
    """A grant is stored only where its hash leads to."""
    insert = (
        "INSERT INTO grants (head, serial, id, hash, kind, owner, version, issued_at, session, document) "
        "VALUES (?, 1, 'l_1', ?, 'link', 'app:a', 1, 0.0, 0, '{}')"
    )
    secret = hash_secret(hashed)
    with closing(SqliteFile.prepare(tmp_path / "gateway.db").connect()) as connection:
        for wrong in (None, 1, head_of(secret) + 1):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(insert, (wrong, secret))
        connection.execute(insert, (head_of(secret), secret))


class _WithoutMemory(sqlite3.Connection):
    """As on a file system without shared memory: SQLite keeps its old journal, and says so only when asked."""

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return super().execute("PRAGMA journal_mode = DELETE" if "journal_mode" in statement else statement, *values)


def test_a_file_system_without_shared_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers and the writer would shut each other out; a disk of this host is taken."""
    real = sqlite3.connect
    SqliteFile.prepare(tmp_path / "well.db")
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: real(*given, factory=_WithoutMemory, **named))
    with pytest.raises(SettingsError, match="put the file on a disk of this host, not on a network file system"):
        SqliteFile.prepare(tmp_path / "network.db")
    with pytest.raises(SettingsError, match="network file system"):
        SqliteFile.prepare(tmp_path / "well.db")


def without_locks(monkeypatch: pytest.MonkeyPatch, error: int | None) -> None:
    """As on a file system that grants every lock, or answers each with this error."""

    def lock(*_: object) -> int:
        if error is not None:
            raise OSError(error, "no")
        return 0

    monkeypatch.setattr(fcntl, "fcntl", lock)


@pytest.mark.parametrize("error", [None, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int | None
) -> None:
    """Be it that two get the same lock, or that nobody gets one: the sentence says where to put the file."""
    without_locks(monkeypatch, error)
    with pytest.raises(SettingsError, match=r"does not keep locks.* put the file on a disk of this host"):
        SqliteFile.prepare(tmp_path / "gateway.db")
    assert not locks_work(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_a_file_system_with_locks_is_taken(tmp_path: Path) -> None:
    """Nothing is left of the trial, and it may be made while the database is in use."""
    file = SqliteFile.prepare(tmp_path / "gateway.db")
    with closing(file.connect()) as held:
        held.execute("BEGIN IMMEDIATE")
        assert locks_work(tmp_path)
        with closing(sqlite3.connect(file.path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
        held.execute("COMMIT")
    assert [] == [path.name for path in tmp_path.iterdir() if not path.name.startswith("gateway.db")]


def test_a_kernel_that_cannot_try_it_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of descriptors are younger than locks: who does not know them may have all that SQLite asks for."""
    without_locks(monkeypatch, errno.EINVAL)
    SqliteFile.prepare(tmp_path / "gateway.db")


async def test_a_file_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    """What it holds is still there and used, and what this version adds is stored and found."""
    path = tmp_path / "gateway.db"
    kept, held = link(label="kept"), key()
    with closing(sqlite3.connect(path)) as connection:
        for statement in MIGRATIONS[0].split(";"):
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        for serial, grant in enumerate((kept, held), 1):
            columns = edited_columns(grant)
            del columns["suspended_at"], columns["waiting_until"]  # there were none
            fixed = {"head": head_of(grant.hash), "serial": serial, "id": grant.id, "kind": str(grant.kind)}
            row = {**fixed, "version": 1, "issued_at": grant.issued_at, **columns}
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO grants ({', '.join(row)}) VALUES ({places})", tuple(row.values()))
        connection.commit()
    engine = await open_sqlite(path)
    found = await engine.grants.get(kept.id)
    assert found == replace(kept, serial=1)
    paused = await engine.grants.save(replace(found, suspended_at=NOW))
    wanted = GrantFilter(now=NOW, state=GrantState.SUSPENDED)
    assert [paused] == list((await engine.grants.page(wanted, None, 10)).grants)
    assert replace(held, serial=2) == await engine.grants.find(held.hash)
    await engine.close()
    assert len(MIGRATIONS) == version_of(path)
