"""Owns the engine of one host: grants, leases, feed, ledger and shared limits in a SQLite file.

Refuses to own the file's form (`sqlite_schema`), transactions (`sqlite_work`) and the writing thread (`sqlite_writer`).

Law: reads run in the event loop's thread, because a point read costs some ten microseconds and a change of threads
ten times that. Writes run in the writer's thread and return when they are on the disk.
Several processes may share the file; each learns of the others' changes within a tenth of a second
by itself, and at once where they sit at one board (`gateway.stores.shared_serial`).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.core.grant import Grant, GrantFilter, GrantPage
from gateway.core.lease import Lease, Reservation, Room, Usage
from gateway.core.limits import Demand, Verdict
from gateway.core.reasons import DependencyDown
from gateway.core.record import AuditEntry, AuditEvent, Record, RecordPage, TrailHead, TrailPage
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import SecretHash
from gateway.stores import sqlite_work as work
from gateway.stores.codec import (
    GrantRow,
    check_filter,
    check_storable,
    check_targets,
    grant_of,
    read_cursor,
    record_from,
    storable_id,
    write_cursor,
)
from gateway.stores.notifier import Notifier
from gateway.stores.select import filter_sql, target_sql
from gateway.stores.sqlite_limits import SqliteLimits
from gateway.stores.sqlite_schema import Dependency, SqliteFile, head_of, mapped
from gateway.stores.sqlite_work import GRANT_COLUMNS
from gateway.stores.sqlite_writer import GroupWriter

__all__ = ["SqliteState"]

_Answer = TypeVar("_Answer")

POLL_SECONDS: Final = 0.1
"""How often a waiting process looks for other processes' entries; promise 2 allows a second."""

# The statements are put together from fixed names; every value is a placeholder.
_BY_HASH: Final = f"SELECT {GRANT_COLUMNS} FROM grants AS g WHERE g.head = ? AND g.hash = ?"  # noqa: S608
_BY_ID: Final = f"SELECT {GRANT_COLUMNS} FROM grants AS g WHERE g.id = ?"  # noqa: S608
_FEED: Final = "SELECT serial, kind, name, prefix, at, reason, by FROM feed"
_RECORDS: Final = "SELECT at, number, document FROM records WHERE grant_id = ?"
_NEWEST: Final = "ORDER BY at DESC, number DESC LIMIT ?"


class SqliteState:
    """Grants, leases, limits, feed and ledger in one file. `clock` gives seconds since the epoch."""

    def __init__(self, path: Path | str, *, clock: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._clock = clock
        self._bell = Notifier()
        self._limits = SqliteLimits(Path(f"{self._path}.limits"))
        self._file: SqliteFile | None = None
        self._writer: GroupWriter | None = None
        self._reader: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Create or migrate the file.

        Raises:
            SettingsError: it cannot be used; the message says why.
        """
        self._file = SqliteFile.prepare(self._path)
        self._writer = GroupWriter(self._file.connect, self._file.check)
        self._writer.start()

    async def probe(self) -> float | None:
        """See `gateway.stores.pulse.Probed`; the clock is this host's own."""
        await self._write("grants", work.tick)
        self._read("grants", "SELECT last_used_at FROM usage LIMIT 1")
        return None

    async def close(self) -> None:
        """Commit what waits and close the file. Later calls raise DependencyDown."""
        if self._writer is not None:
            await self._writer.close()
        await self._limits.close()
        self._file = None
        self._forget_reader()
        self._bell.ring()

    # grants

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        return self._grant(_BY_HASH, head_of(secret_hash), secret_hash)

    async def get(self, grant_id: str) -> Grant | None:
        if not storable_id(grant_id):
            return None
        return self._grant(_BY_ID, grant_id)

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        check_storable(grant, idempotency)
        stored = await self._write("grants", lambda tx: work.create(tx, grant, idempotency, self._clock()))
        self._bell.ring()
        return stored

    async def save(self, grant: Grant) -> Grant | None:
        check_storable(grant)
        stored = await self._write("grants", lambda tx: work.save(tx, grant, self._clock()))
        self._bell.ring()
        return stored

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        check_filter(wanted)
        values: list[object] = []

        def place(value: object) -> str:
            values.append(value)
            return "?"

        conditions = filter_sql(wanted, place)
        if cursor is not None:
            conditions.append(f"g.serial < {place(read_cursor('g', cursor, 1)[0])}")
        where = " AND ".join(f"({condition})" for condition in conditions) or "TRUE"
        rows = await self._scan(
            "grants",
            f"SELECT {GRANT_COLUMNS} FROM grants AS g LEFT JOIN usage AS u ON u.grant_id = g.id "  # noqa: S608
            f"WHERE {where} ORDER BY g.serial DESC LIMIT {place(limit + 1)}",
            values,
        )
        grants = [grant_of(GrantRow(*row)) for row in rows[:limit]]
        return GrantPage(grants, write_cursor("g", grants[-1].serial) if len(rows) > limit else None)

    async def count(self, target: RevocationTarget) -> int:
        values: list[object] = []

        def place(value: object) -> str:
            values.append(value)
            return "?"

        statement = f"SELECT count(*) FROM grants AS g WHERE {target_sql(target, place)}"  # noqa: S608
        return int((await self._scan("grants", statement, values))[0][0])

    async def seals(self) -> Mapping[int, str]:
        return dict(self._read("grants", "SELECT number, mark FROM seals"))

    async def note_seal(self, number: int, mark: str) -> str:
        return await self._write("grants", lambda tx: work.note_seal(tx, number, mark))

    async def forget_seal(self, number: int) -> None:
        await self._write("grants", lambda tx: work.forget_seal(tx, number))

    # feed

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        check_targets(targets, reason, by)
        entries = await self._write("revocations", lambda tx: work.revoke(tx, targets, at, reason, by))
        self._bell.ring()
        return entries

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return self._entries(f"{_FEED} WHERE serial > ? ORDER BY serial LIMIT ?", serial, limit)

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return self._entries(f"{_FEED} WHERE revokes = 1 AND serial > ? ORDER BY serial LIMIT ?", serial, limit)

    async def changed(self, serial: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            rung = self._bell.listen()
            left = deadline - loop.time()
            if self._last_serial() > serial or left <= 0:
                return
            await self._bell.wait(rung, min(left, POLL_SECONDS))

    def _entries(self, statement: str, serial: int, limit: int) -> list[FeedEntry]:
        with mapped("revocations"):
            # An empty answer is a proof, so it may not come from a file that nobody else writes to any more.
            self._opened("revocations").check()
        rows = self._read("revocations", statement, (serial, limit))
        return [FeedEntry(row[0], FeedKind(row[1]), *row[2:]) for row in rows]

    def _last_serial(self) -> int:
        rows = self._read("revocations", "SELECT coalesce(max(serial), 0) FROM feed")
        return int(rows[0][0])

    # leases

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        # Most requests of a download join a lease that is kept anyway: nothing is left to write then.
        kept = "SELECT 1 FROM leases WHERE grant_id = ? AND key = ? AND expires_at > ? AND joined = 1"
        if self._read("grants", kept, (mine.grant_id, mine.key, now)):
            return Lease(mine.grant_id, mine.key or "", fresh=False)
        return await self._write(
            "grants",
            lambda tx: work.open_lease(tx, mine, uses=uses, now=now, window=window, clock=self._clock()),
        )

    async def give_back(self, mine: Reservation) -> None:
        await self._write("grants", lambda tx: work.give_back(tx, mine))

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        return await self._write(
            "grants",
            lambda tx: work.reserve_bytes(tx, mine, wanted, budget=budget, cap=cap, clock=self._clock()),
        )

    async def settle_bytes(
        self,
        mine: Reservation,
        moved: int,
        now: float,
        *,
        ends: bool = True,
        keeps: bool = True,
        bounded: bool = False,
    ) -> None:
        def settle(tx: sqlite3.Connection) -> None:
            clock = self._clock()
            work.settle_bytes(tx, mine, moved, now=now, ends=ends, keeps=keeps, bounded=bounded, clock=clock)

        await self._write("grants", settle)

    async def release_lapsed(self) -> int:
        if not self._read("grants", "SELECT 1 FROM reservations WHERE until <= ? LIMIT 1", (self._clock(),)):
            return 0
        return await self._write("grants", lambda tx: work.release_lapsed(tx, self._clock()))

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        statement = "SELECT uses, moved, last_used_at FROM usage WHERE grant_id = ?"
        found = {grant_id: self._read("grants", statement, (grant_id,)) for grant_id in grant_ids}
        return {grant_id: Usage(*rows[0]) for grant_id, rows in found.items() if rows}

    # limits and ledger

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        return await self._limits.take(demands, now)

    async def append(self, records: Sequence[Record]) -> None:
        await self._write("audit", lambda tx: work.append(tx, records))

    async def records_of(self, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
        if not storable_id(grant_id):
            return RecordPage([], None)
        if cursor is None:
            rows = self._read("audit", f"{_RECORDS} {_NEWEST}", (grant_id, limit + 1))
        else:
            position = read_cursor("r", cursor, 2)
            statement = f"{_RECORDS} AND (at, number) < (?, ?) {_NEWEST}"
            rows = self._read("audit", statement, (grant_id, *position, limit + 1))
        more = write_cursor("r", *rows[limit - 1][:2]) if len(rows) > limit else None
        return RecordPage([record_from(document) for _, _, document in rows[:limit]], more)

    async def export(self, cursor: str | None, limit: int) -> RecordPage:
        after = 0 if cursor is None else read_cursor("e", cursor, 1)[0]
        statement = "SELECT number, document FROM records WHERE number > ? ORDER BY number LIMIT ?"
        rows = await self._scan("audit", statement, (after, limit + 1))
        more = write_cursor("e", rows[limit - 1][0]) if len(rows) > limit else None
        return RecordPage([record_from(document) for _, document in rows[:limit]], more)

    async def trail(self, after: int, limit: int) -> TrailPage:
        heads = self._read("audit", "SELECT number, digest FROM trail_head")
        statement = "SELECT number, text, digest FROM trail WHERE number > ? ORDER BY number LIMIT ?"
        rows = await self._scan("audit", statement, (after, limit))
        return TrailPage([AuditEntry(*row) for row in rows], TrailHead(*heads[0]) if heads else TrailHead())

    async def audit(self, event: AuditEvent) -> None:
        await self._write("audit", lambda tx: work.audit(tx, event))

    async def prune(self, before: float) -> int:
        forgotten = 0
        while True:
            # Many short transactions: a revocation never waits for the whole clean-up.
            records, more = await self._write("audit", lambda tx: work.prune(tx, before))
            forgotten += records
            if not more:
                return forgotten

    # the two ways to the file

    def _opened(self, dependency: Dependency) -> SqliteFile:
        if self._file is None:
            raise DependencyDown(dependency, "the store is closed")
        return self._file

    async def _write(self, dependency: Dependency, change: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        if self._writer is None:
            raise DependencyDown(dependency, "the store is not open")
        return await self._writer.run(dependency, change)

    def _read(self, dependency: Dependency, statement: str, values: Sequence[object] = ()) -> list[Any]:
        file = self._opened(dependency)
        try:
            if self._reader is None:
                self._reader = file.connect(reader=True)
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._forget_reader()
            with mapped(dependency):
                raise error  # noqa: TRY201 (the name is what `mapped` looks at)

    async def _scan(self, dependency: Dependency, statement: str, values: Sequence[object]) -> list[Any]:
        """A read that may walk through every grant: in a thread of its own, so that transfers go on meanwhile."""
        file = self._opened(dependency)

        def walk() -> list[Any]:
            with mapped(dependency), closing(file.connect(reader=True)) as connection:
                return connection.execute(statement, values).fetchall()

        return await asyncio.to_thread(walk)

    def _grant(self, statement: str, *values: object) -> Grant | None:
        rows = self._read("grants", statement, values)
        return grant_of(GrantRow(*rows[0])) if rows else None

    def _forget_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
