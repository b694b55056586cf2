"""Owns the SQLite file: its tables, migrations, pragmas, permissions, and what its errors mean.

Refuses to own queries (the modules beside it) and threads (`database`, `writer`).

Law: a file that a newer gateway wrote is never opened; a file that vanished or was replaced under a running gateway
is never written to, as acknowledged revocations would be lost with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.core.reasons import Dependency, DependencyDown, SettingsError
from gateway.core.values import dataclass

MIGRATIONS: Final = (
    # A link is looked up by its secret's hash. Kept in the order of the hashes, it is found by one walk down one
    # tree whose upper levels stay in memory, which among a million costs a single page. The check keeps a grant out
    # that nobody would find. A lease is `kept` once its use can no longer be given back.
    """
    CREATE TABLE grants (
        head INTEGER PRIMARY KEY,
        serial INTEGER NOT NULL UNIQUE,
        id TEXT NOT NULL UNIQUE,
        hash BLOB NOT NULL,
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        version INTEGER NOT NULL,
        issued_at REAL NOT NULL,
        not_before REAL,
        expires_at REAL,
        uses INTEGER,
        budget INTEGER,
        bucket TEXT,
        root TEXT,
        label TEXT,
        rule TEXT,
        session INTEGER NOT NULL,
        revoked_at REAL,
        revoked_reason TEXT,
        document TEXT NOT NULL,
        CHECK (printf('%016X', head) = hex(substr(hash, 1, 8)))
    ) STRICT;
    CREATE INDEX grants_owner ON grants (owner, serial);
    CREATE INDEX grants_place ON grants (bucket, root);
    CREATE INDEX grants_rule ON grants (rule) WHERE rule IS NOT NULL;
    CREATE INDEX grants_session ON grants (expires_at) WHERE session = 1;
    CREATE TABLE idempotency (
        text TEXT PRIMARY KEY,
        grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
        at REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX idempotency_at ON idempotency (at);
    CREATE INDEX idempotency_grant ON idempotency (grant_id);
    CREATE TABLE seals (number INTEGER PRIMARY KEY, mark TEXT NOT NULL) STRICT;
    CREATE TABLE feed (
        serial INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        prefix TEXT NOT NULL,
        at REAL NOT NULL,
        reason TEXT NOT NULL,
        by TEXT NOT NULL,
        revokes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX feed_revoking ON feed (serial) WHERE revokes = 1;
    CREATE INDEX feed_notices ON feed (at) WHERE revokes = 0;
    CREATE TABLE usage (
        grant_id TEXT PRIMARY KEY,
        uses INTEGER NOT NULL,
        moved INTEGER NOT NULL,
        last_used_at REAL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE leases (
        grant_id TEXT NOT NULL,
        key TEXT NOT NULL,
        expires_at REAL NOT NULL,
        moved INTEGER NOT NULL,
        kept INTEGER NOT NULL,
        PRIMARY KEY (grant_id, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX leases_end ON leases (expires_at);
    CREATE TABLE reservations (
        grant_id TEXT NOT NULL,
        request TEXT NOT NULL,
        key TEXT,
        held INTEGER NOT NULL,
        until REAL NOT NULL,
        PRIMARY KEY (grant_id, request)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX reservations_end ON reservations (until);
    CREATE TABLE records (
        number INTEGER PRIMARY KEY,
        grant_id TEXT,
        at REAL NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    CREATE INDEX records_of ON records (grant_id, at, number) WHERE grant_id IS NOT NULL;
    CREATE INDEX records_at ON records (at);
    CREATE TABLE trail (
        number INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        digest TEXT NOT NULL
    ) STRICT;
    CREATE TABLE trail_head (
        number INTEGER NOT NULL,
        digest TEXT NOT NULL
    ) STRICT;
    """,
    "ALTER TABLE grants ADD COLUMN suspended_at REAL",
    """
    ALTER TABLE grants ADD COLUMN waiting_until REAL;
    CREATE INDEX grants_waiting ON grants (waiting_until) WHERE waiting_until IS NOT NULL;
    CREATE INDEX grants_end ON grants (expires_at) WHERE expires_at IS NOT NULL
    """,
    # The indexes of `gateway.stores.lists`. A form each for what takes long among a million grants: an older gateway
    # beside this one writes in between.
    """
    DROP INDEX grants_owner;
    CREATE INDEX grants_owner ON grants (owner, kind, serial);
    CREATE INDEX grants_revoked ON grants (kind, serial) WHERE revoked_at IS NOT NULL;
    CREATE INDEX grants_suspended ON grants (kind, serial) WHERE suspended_at IS NOT NULL;
    CREATE INDEX grants_marked ON grants (kind, serial) WHERE waiting_until IS NOT NULL;
    DROP INDEX grants_waiting;
    CREATE INDEX grants_lapses ON grants (waiting_until, serial) WHERE waiting_until IS NOT NULL
    """,
    """
    DROP INDEX grants_place;
    CREATE INDEX grants_place ON grants (bucket, root, serial) WHERE bucket IS NOT NULL
    """,
    """
    CREATE INDEX grants_kind ON grants (kind, serial);
    CREATE INDEX grants_bucket ON grants (bucket, serial) WHERE bucket IS NOT NULL
    """,
    "CREATE INDEX grants_label ON grants (label, kind, serial) WHERE label IS NOT NULL",
    """
    DROP INDEX grants_end;
    CREATE INDEX grants_ends ON grants (expires_at, serial) WHERE expires_at IS NOT NULL;
    CREATE INDEX grants_endless ON grants (kind, serial) WHERE expires_at IS NULL;
    CREATE INDEX grants_limited ON grants (kind, serial) WHERE uses IS NOT NULL OR budget IS NOT NULL
        OR document LIKE '%"max_files":%' OR document LIKE '%"total_bytes":%';
    CREATE INDEX grants_begins ON grants (not_before, serial) WHERE not_before IS NOT NULL
    """,
)
"""Forward only: number n takes a file from `user_version` n to n + 1. Never edit one that was released."""

_READER_WAIT: Final = 0.25
_WRITER_WAIT: Final = 5.0
_MIGRATION_WAIT: Final = 300
"""Seconds to wait for another process's lock: a reader in the event loop's thread shortly, a start for as long as
another process migrates the file."""

_NO_WAL: Final = (
    "this file system cannot share memory between processes, which SQLite's log (WAL) needs: put the file on a disk of "
    "this host, not on a network file system"
)

_NO_LOCKS: Final = (
    "this file system does not keep locks, by which SQLite keeps writers apart: put the file on a disk of this host"
)
_ANOTHERS: Final = (
    "it is another user's, and not only that one may read it: give it to the user that the gateway runs as (chown)"
)
_WHOLE_FILE: Final = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_UNLOCKABLE: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""What a file system without locks says. Another error tells nothing: not every kernel has this form of them."""

_TEXTS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_PROTOCOL": _NO_WAL,
    "SQLITE_READONLY": "the file is read-only",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is no database",
    "SQLITE_BUSY": "another process holds the file's lock",
    "SQLITE_LOCKED": "another process holds the file's lock",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_IOERR": "the disk reports an error",
    "SQLITE_PERM": "the file's permissions do not allow it",
}


def explain(error: sqlite3.Error) -> str:
    """What went wrong, from SQLite's result code and never from its text."""
    name: str = getattr(error, "sqlite_errorname", "")
    if not name:  # raised by Python's own module or by `SqliteFile.check`, with no value of a row in it
        return str(error)
    primary = "_".join(name.split("_")[:2])
    return f"{_TEXTS.get(primary, 'the database failed')} ({name})"


@contextmanager
def map_errors(dependency: Dependency) -> Iterator[None]:
    """SQLite's errors go no further: they become `DependencyDown`, a broken uniqueness a ValueError."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ValueError("a grant with this id or secret exists") from error
    except sqlite3.Error as error:
        raise DependencyDown(dependency, explain(error)) from error


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """The one file of a running gateway, known by its inode."""

    path: Path
    device: int
    inode: int

    @classmethod
    def prepare(cls, path: Path) -> SqliteFile:
        """Create the file if there is none, readable by its owner only, and bring its tables up to date.

        Raises:
            SettingsError: it cannot be created or opened, is no database, a newer gateway wrote it, or its file system
                does not keep locks.
        """
        with suppress(OSError):  # whoever cannot make a file there is told so next
            if not locks_work(path.parent):
                raise SettingsError(f"state: {path}: {_NO_LOCKS}.")
        try:
            _create(path)
            facts = path.stat()
            if facts.st_mode & 0o077:
                _make_private(path)
        except OSError as error:
            raise SettingsError(f"state: {path}: {error.strerror or error}.") from error
        file = cls(path, facts.st_dev, facts.st_ino)
        try:
            with closing(file.connect()) as connection:
                connection.execute(f"PRAGMA busy_timeout = {_MIGRATION_WAIT * 1000}")
                _migrate(connection, path)
        except sqlite3.Error as error:
            raise SettingsError(f"state: {path}: {explain(error)}.") from error
        return file

    def connect(self, *, reader: bool = False, shared: bool = False) -> sqlite3.Connection:
        """A connection for the calling thread or, `shared`, for one after the other; transactions are begun by hand.

        Raises:
            sqlite3.Error: SQLite cannot open it, or the path leads to another file than at the start.
        """
        self.check()
        wait = _READER_WAIT if reader else _WRITER_WAIT
        connection = sqlite3.connect(
            self.path, timeout=wait, isolation_level=None, cached_statements=256, check_same_thread=not shared
        )
        try:
            ((journal,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
            if journal != "wal":
                raise sqlite3.OperationalError(_NO_WAL)
            # FULL syncs the log at every commit: an acknowledged write survives a power cut (promise 3).
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = 1")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
            if reader:
                connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def check(self) -> None:
        """Raises sqlite3.OperationalError when the path no longer leads to the file that was opened at the start."""
        try:
            facts = self.path.stat()
        except OSError:
            raise sqlite3.OperationalError("the file was removed") from None
        if (facts.st_dev, facts.st_ino) != (self.device, self.inode):
            raise sqlite3.OperationalError("the file was replaced")


def read_form(path: Path) -> tuple[int, int]:
    """The form of a file's tables, 0 where it has none, and the one that a start brings them to. Nothing is changed.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            ((form,),) = connection.execute("PRAGMA user_version").fetchall()
    except sqlite3.Error as error:
        raise SettingsError(f"state: {path}: {explain(error)}.") from error
    return form, len(MIGRATIONS)


def locks_work(folder: Path) -> bool:
    """Whether a lock in this folder keeps another one out. Raises OSError where no file can be made in it.

    Tried on a file of its own, as closing a database's file would end the locks that SQLite has on it; and with locks
    of descriptors, since SQLite itself keeps connections of one process apart without asking the file system.
    """
    path = folder / f".gateway-{secrets.token_hex(8)}"
    first = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        second = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.fcntl(first, fcntl.F_OFD_SETLK, _WHOLE_FILE)
            fcntl.fcntl(second, fcntl.F_OFD_SETLK, _WHOLE_FILE)
        except OSError as error:
            return error.errno not in _UNLOCKABLE
        finally:
            os.close(second)
    finally:
        os.close(first)
        path.unlink()
    return False


def _make_private(path: Path) -> None:
    try:
        path.chmod(0o600)
    except PermissionError:
        raise SettingsError(f"state: {path}: {_ANOTHERS}.") from None


def _create(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    # The new name itself has to survive a power cut, not only what is in the file.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def head_of(secret_hash: bytes) -> int:
    """Where the grant of this hash stands in its table: the first eight bytes, a signed number as SQLite has them.

    Two grants of one head are as unlikely as two keys of 64 random bits, and the second would be refused.
    """
    return int.from_bytes(secret_hash[:8], signed=True)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """A transaction for each form, so that gateways that run are kept from writing for no longer than one takes."""
    version = -1
    while version < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise SettingsError(
                    f"state: {path}: a newer gateway wrote this file (form {version}, this one knows "
                    f"{len(MIGRATIONS)})."
                )
            for number in range(version, min(version + 1, len(MIGRATIONS))):
                for statement in MIGRATIONS[number].split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
