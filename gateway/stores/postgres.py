"""Owns the engine that many replicas share durably: grants, leases, limits, feed and ledger in PostgreSQL.

Refuses to own tables (`postgres_schema`) and what runs inside the server (`postgres_functions`).

Law: whoever writes to the feed first takes the one row of serials and holds it until the commit, so serials become
visible in their order and no reader can pass one that is still to come. A commit that was acknowledged is on disk:
`synchronous_commit` is never off here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import structlog

from gateway.core.grant import Grant, GrantFilter, GrantPage
from gateway.core.lease import Lease, Reservation, Room, Usage
from gateway.core.limits import Demand, Verdict
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.record import AuditEvent, Record, RecordPage, TrailPage
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import SecretHash
from gateway.stores import postgres_ledger as ledger
from gateway.stores.codec import (
    GrantRow,
    check_filter,
    check_storable,
    check_targets,
    document_of,
    grant_of,
    read_cursor,
    record_text,
    storable_id,
    write_cursor,
)
from gateway.stores.limits import tightest
from gateway.stores.notifier import Notifier
from gateway.stores.postgres_probe import hears, require_rights, require_session, tick
from gateway.stores.postgres_schema import CHANNEL, FAILURES, Dependency, explain, mapped, migrate
from gateway.stores.select import IDEMPOTENCY_WINDOW, filter_sql, target_sql

__all__ = ["PostgresState"]

_log = structlog.get_logger("gateway")

POLL_SECONDS: Final = 0.5
"""How often a waiting process looks although nobody announced anything: an announcement is no promise."""

ANSWER_SECONDS: Final = 5.0
"""Longest wait for a connection or an answer; past it, a view is too old anyway (promise 2)."""

_PRIMARY: Final = "read-write"
"""A URL may name several hosts. A standby's feed may lag without end, and its silence would pass for a proof."""

_ALONE: Final = (
    "PostgreSQL, or a pooler before it, gave one connection and then no answer: each gateway process takes up to 11, "
    "and 2 at its start (PgBouncer: default_pool_size, by session)"
)

# The statements are put together from fixed names; every value is a placeholder.
_COLUMNS: Final = ", ".join(f"g.{name}" for name in GrantRow._fields)
_GRANTS: Final = f"SELECT {_COLUMNS} FROM gateway_grants AS g"  # noqa: S608
_INSERT: Final = """
INSERT INTO gateway_grants (hash, owner, not_before, expires_at, uses, budget, bucket, root, label, rule, session,
                            document, id, serial, kind, version, issued_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 1, $16)
"""
_UPDATE: Final = f"""
UPDATE gateway_grants AS g SET hash = $1, owner = $2, not_before = $3, expires_at = $4, uses = $5, budget = $6,
                               bucket = $7, root = $8, label = $9, rule = $10, session = $11, document = $12,
                               version = version + 1
WHERE id = $13 AND version = $14 RETURNING {_COLUMNS}
"""  # noqa: S608
_ENTER: Final = "INSERT INTO gateway_feed VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
_FEED: Final = "SELECT serial, kind, name, prefix, at, reason, by FROM gateway_feed"
_RETURN: Final = "SELECT gateway_return($1, $2, $3, $4)"
_LAPSED: Final = "SELECT grant_id, key, request FROM gateway_reservations WHERE until <= gateway_clock() LIMIT 200"
_PRUNED_AT_ONCE: Final = 1000
_PRUNE: Final = (
    """
    DELETE FROM gateway_records WHERE number IN
    (SELECT number FROM gateway_records WHERE at < $1 LIMIT $2) RETURNING 1
    """,
    """
    DELETE FROM gateway_feed WHERE serial IN
    (SELECT serial FROM gateway_feed WHERE NOT revokes AND at < $1 LIMIT $2) RETURNING 1
    """,
    """
    DELETE FROM gateway_leases WHERE (grant_id, key) IN
    (SELECT grant_id, key FROM gateway_leases WHERE expires_at < $1 LIMIT $2) RETURNING 1
    """,
    """
    WITH ended AS (DELETE FROM gateway_grants WHERE serial IN
                   (SELECT serial FROM gateway_grants WHERE session AND expires_at < $1 LIMIT $2) RETURNING id),
         unused AS (DELETE FROM gateway_usage WHERE grant_id IN (SELECT id FROM ended))
    SELECT id FROM ended
    """,
)
_DURABILITY: Final = """
SELECT current_setting('synchronous_commit') = 'off', current_setting('default_transaction_isolation')
"""


class PostgresState:
    """Grants, leases, limits, feed and ledger in one database. `clock` gives seconds since the epoch."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._clock = clock
        self._bell = Notifier()
        self._pool: Any = None
        self._ear: Any = None
        self._ear_lock = asyncio.Lock()

    async def open(self) -> None:
        """Connect and migrate.

        Raises:
            SettingsError: the server cannot be reached, refuses us, or belongs to a newer gateway.
        """
        alone = False
        try:
            async with self._alone() as first:
                alone = True
                async with asyncio.timeout(ANSWER_SECONDS), self._alone() as second:
                    await require_session(first, second)
                    if not await hears(first, second):
                        _log.warning("PostgreSQL brings no announcements: replicas ask instead", seconds=POLL_SECONDS)
                alone = False
                await migrate(first)
                await require_rights(first)
                lazy, isolation = await first.fetchrow(_DURABILITY)
            wanted = {"synchronous_commit": "on"} if lazy else {}
            wanted |= {} if isolation == "read committed" else {"default_transaction_isolation": "read committed"}
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=10,
                timeout=ANSWER_SECONDS,
                command_timeout=ANSWER_SECONDS,
                server_settings=wanted,
                target_session_attrs=_PRIMARY,
            )
        except (*FAILURES, ValueError) as error:
            lonely = alone and isinstance(error, TimeoutError)
            raise SettingsError(f"state: {_ALONE if lonely else explain(error)}.") from error

    async def probe(self) -> float | None:
        """See `gateway.stores.pulse.Probed`."""
        async with self._connection("grants") as first, self._connection("grants") as second:
            with mapped("grants"):
                return await tick(first, second)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Any]:
        """A connection outside the pool."""
        connection = await asyncpg.connect(self._url, timeout=ANSWER_SECONDS, target_session_attrs=_PRIMARY)
        try:
            yield connection
        finally:
            await connection.close(timeout=ANSWER_SECONDS)

    async def close(self) -> None:
        """Give the connections back, by force if a call does not end in time. Later calls raise DependencyDown."""
        pool, ear, self._pool, self._ear = self._pool, self._ear, None, None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if ear is not None:
                    await ear.close()
                if pool is not None:
                    await pool.close()
        except FAILURES:
            if ear is not None:
                ear.terminate()
            if pool is not None:
                pool.terminate()
        self._bell.ring()

    # grants

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        return await self._grant(f"{_GRANTS} WHERE g.hash = $1", secret_hash)

    async def get(self, grant_id: str) -> Grant | None:
        if not storable_id(grant_id):
            return None
        return await self._grant(f"{_GRANTS} WHERE g.id = $1", grant_id)

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        check_storable(grant, idempotency)
        now = self._clock()
        async with self._feeding("grants", 1) as (tx, serial):
            if idempotency is not None:
                await tx.execute("DELETE FROM gateway_idempotency WHERE at <= $1", now - IDEMPOTENCY_WINDOW)
                known = await tx.fetchval("SELECT grant_id FROM gateway_idempotency WHERE text = $1", idempotency)
                if known is not None:
                    return grant_of(GrantRow(*await tx.fetchrow(f"{_GRANTS} WHERE g.id = $1", known)))
            fixed = (grant.id, serial, str(grant.kind), grant.issued_at)
            await tx.execute(_INSERT, *_edited(grant), *fixed)
            await _enter(tx, [FeedEntry(serial, FeedKind.ISSUED, grant.id, at=grant.issued_at, by=grant.issued_by)])
            if idempotency is not None:
                await tx.execute("INSERT INTO gateway_idempotency VALUES ($1, $2, $3)", idempotency, grant.id, now)
            return grant_of(GrantRow(*await tx.fetchrow(f"{_GRANTS} WHERE g.id = $1", grant.id)))

    async def save(self, grant: Grant) -> Grant | None:
        check_storable(grant)
        async with self._feeding("grants", 1) as (tx, serial):
            row = await tx.fetchrow(_UPDATE, *_edited(grant), grant.id, grant.version)
            if row is None:
                return None
            await _enter(tx, [FeedEntry(serial, FeedKind.CHANGED, grant.id, at=self._clock())])
            return grant_of(GrantRow(*row))

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        check_filter(wanted)
        values: list[object] = []
        conditions = filter_sql(wanted, _placing(values))
        if cursor is not None:
            conditions.append(f"g.serial < {_placing(values)(read_cursor('g', cursor, 1)[0])}")
        where = " AND ".join(f"({condition})" for condition in conditions) or "TRUE"
        rows = await self._read(
            "grants",
            f"{_GRANTS} LEFT JOIN gateway_usage AS u ON u.grant_id = g.id "
            f"WHERE {where} ORDER BY g.serial DESC LIMIT {limit + 1:d}",
            *values,
        )
        grants = [grant_of(GrantRow(*row)) for row in rows[:limit]]
        return GrantPage(grants, write_cursor("g", grants[-1].serial) if len(rows) > limit else None)

    async def count(self, target: RevocationTarget) -> int:
        values: list[object] = []
        which = target_sql(target, _placing(values))
        rows = await self._read("grants", f"SELECT count(*) FROM gateway_grants AS g WHERE {which}", *values)  # noqa: S608
        return int(rows[0][0])

    async def seals(self) -> Mapping[int, str]:
        return dict(await self._read("grants", "SELECT number, mark FROM gateway_seals"))

    async def note_seal(self, number: int, mark: str) -> str:
        await self._read("grants", "INSERT INTO gateway_seals VALUES ($1, $2) ON CONFLICT DO NOTHING", number, mark)
        return str((await self._read("grants", "SELECT mark FROM gateway_seals WHERE number = $1", number))[0][0])

    async def forget_seal(self, number: int) -> None:
        await self._read("grants", "DELETE FROM gateway_seals WHERE number = $1", number)

    # feed

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        check_targets(targets, reason, by)
        if not targets:
            return []
        async with self._feeding("revocations", len(targets)) as (tx, last):
            first = last - len(targets) + 1
            entries = [
                FeedEntry(first + place, target.kind, target.name, target.prefix, at, reason, by)
                for place, target in enumerate(targets)
            ]
            await _enter(tx, entries)
            # Targets of one kind share a statement, so a list of links is one round trip.
            marks: dict[str, list[list[object]]] = {}
            for target in targets:
                values: list[object] = [at, reason]
                which = target_sql(target, _placing(values))
                statement = f"UPDATE gateway_grants AS g SET revoked_at = $1, revoked_reason = $2 WHERE {which}"  # noqa: S608
                marks.setdefault(statement, []).append(values)
            for statement, rows in marks.items():
                await tx.executemany(statement, rows)
        return entries

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return await self._entries(f"{_FEED} WHERE serial > $1 ORDER BY serial LIMIT $2", serial, limit)

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return await self._entries(f"{_FEED} WHERE revokes AND serial > $1 ORDER BY serial LIMIT $2", serial, limit)

    async def changed(self, serial: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        await self._listen()
        while True:
            rung = self._bell.listen()
            left = deadline - loop.time()
            (last,) = (await self._read("revocations", "SELECT coalesce(max(serial), 0) FROM gateway_feed"))[0]
            if last > serial or left <= 0:
                return
            await self._bell.wait(rung, min(left, POLL_SECONDS))
            if rung.is_set():  # who asks looks at the feed anyway: a look of our own would only cost time
                return

    async def _entries(self, statement: str, serial: int, limit: int) -> list[FeedEntry]:
        rows = await self._read("revocations", statement, serial, limit)
        return [FeedEntry(row[0], FeedKind(row[1]), *row[2:]) for row in rows]

    async def _listen(self) -> None:
        """Hold one connection that hears announcements; make a new one if it was lost."""
        async with self._ear_lock:
            if self._pool is None or (self._ear is not None and not self._ear.is_closed()):
                return
            with mapped("revocations"):
                self._ear = await asyncpg.connect(self._url, timeout=ANSWER_SECONDS, target_session_attrs=_PRIMARY)
                await self._ear.add_listener(CHANNEL, lambda *_: self._bell.ring())

    # leases

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        statement = "SELECT gateway_join($1, $2, $3, $4, $5, $6, $7)"
        values = (mine.grant_id, mine.key or "", mine.request, uses, now, window, mine.seconds)
        ((fresh,),) = await self._read("grants", statement, *values)
        return None if fresh is None else Lease(mine.grant_id, mine.key or "", fresh=fresh)

    async def give_back(self, mine: Reservation) -> None:
        await self._read("grants", _RETURN, mine.grant_id, mine.key, mine.request, False)

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        statement = "SELECT gateway_reserve($1, $2, $3, $4, $5, $6, $7)"
        values = (mine.grant_id, mine.key, mine.request, wanted, budget, cap, mine.seconds)
        ((room,),) = await self._read("grants", statement, *values)
        return Room(room)

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
        statement = "SELECT gateway_count($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        names = (mine.grant_id, mine.key, mine.request)
        await self._read("grants", statement, *names, moved, now, ends, keeps, bounded, mine.seconds)

    async def release_lapsed(self) -> int:
        # One at a time: who counts for a grant holds its lock, and nobody waits for one while holding another.
        lapsed = await self._read("grants", _LAPSED)
        done = [await self._read("grants", _RETURN, *names, True) for names in lapsed]
        return sum(bool(returned) for ((returned,),) in done)

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        statement = "SELECT grant_id, uses, moved, last_used_at FROM gateway_usage WHERE grant_id = ANY ($1)"
        return {row[0]: Usage(*row[1:]) for row in await self._read("grants", statement, grant_ids)}

    # limits and ledger

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        statement = "SELECT allowed, wait, remaining, reset FROM gateway_take($1, $2, $3, $4)"
        columns = (
            [demand.key for demand in demands],
            [demand.rate.interval * 1e6 for demand in demands],
            [demand.rate.burst for demand in demands],
            [demand.cost for demand in demands],
        )
        rows = await self._read("limits", statement, *columns) if demands else []
        return tightest(
            [
                Verdict(allowed, wait / 1e6, max(0, remaining), demand.rate.count, reset / 1e6)
                for (allowed, wait, remaining, reset), demand in zip(rows, demands, strict=True)
            ]
        )

    async def append(self, records: Sequence[Record]) -> None:
        rows = [(record.grant_id, record.at, record_text(record)) for record in records]
        async with self._connection("audit") as connection:
            await connection.executemany(
                "INSERT INTO gateway_records (grant_id, at, document) VALUES ($1, $2, $3)", rows
            )

    async def records_of(self, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
        return await ledger.records_of(self._read, grant_id, cursor, limit)

    async def export(self, cursor: str | None, limit: int) -> RecordPage:
        return await ledger.export(self._read, cursor, limit)

    async def audit(self, event: AuditEvent) -> None:
        async with self._connection("audit") as tx, tx.transaction():
            await ledger.add_to_trail(tx, event)

    async def trail(self, after: int, limit: int) -> TrailPage:
        return await ledger.trail(self._read, after, limit)

    async def prune(self, before: float) -> int:
        forgotten = 0
        while True:
            # Many short transactions, each far below the longest answer.
            gone = [len(await self._read("audit", statement, before, _PRUNED_AT_ONCE)) for statement in _PRUNE]
            forgotten += gone[0]
            if max(gone) < _PRUNED_AT_ONCE:
                return forgotten

    # the ways to the server

    @asynccontextmanager
    async def _connection(self, dependency: Dependency) -> AsyncIterator[Any]:
        if self._pool is None:
            raise DependencyDown(dependency, "the store is not open")
        with mapped(dependency):
            async with self._pool.acquire(timeout=ANSWER_SECONDS) as connection:
                yield connection

    @asynccontextmanager
    async def _feeding(self, dependency: Dependency, entries: int) -> AsyncIterator[tuple[Any, int]]:
        """A transaction that holds the feed, with the last of the serials that were taken for it."""
        async with self._connection(dependency) as connection, connection.transaction():
            yield (
                connection,
                await connection.fetchval("UPDATE gateway_serial SET last = last + $1 RETURNING last", entries),
            )

    async def _read(self, dependency: Dependency, statement: str, *values: object) -> list[Any]:
        async with self._connection(dependency) as connection:
            found: list[Any] = await connection.fetch(statement, *values)
        return found

    async def _grant(self, statement: str, value: object) -> Grant | None:
        rows = await self._read("grants", statement, value)
        return grant_of(GrantRow(*rows[0])) if rows else None


def _placing(values: list[object]) -> Callable[[object], str]:
    def place(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    return place


async def _enter(tx: Any, entries: Sequence[FeedEntry]) -> None:
    rows = [
        (entry.serial, str(entry.kind), entry.name, entry.prefix, entry.at, entry.reason, entry.by, entry.revokes)
        for entry in entries
    ]
    await tx.executemany(_ENTER, rows)


def _edited(grant: Grant) -> tuple[object, ...]:
    """The columns that an edit replaces, in the statements' order."""
    scope = grant.scope
    return (
        grant.hash,
        str(grant.owner),
        grant.not_before,
        grant.expires_at,
        grant.uses,
        grant.budget,
        None if scope is None else scope.bucket,
        None if scope is None else scope.root,
        grant.label,
        grant.rule,
        grant.session_hash is not None,
        document_of(grant),
    )
