"""Owns the engine on Redis or Valkey: limits that replicas share and, where the operator accepts it, all the rest.

Refuses to own the scripts (`gateway.stores.redis_scripts`) and the operator's word for its durability
(`gateway.stores.state`).

Law: a failover may lose what was acknowledged; nothing here can change that. Where the server keeps an append-only
file, changes of grants and revocations wait until it is synced on the node that answered. The server's clock counts
for limits; commands are never repeated by the client, because most of them count something.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.core.grant import Grant, GrantFilter, GrantPage
from gateway.core.lease import Lease, Reservation, Room, Usage
from gateway.core.limits import Demand, Verdict
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.record import AuditEvent, Record, RecordPage, TrailPage
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import RevocationTarget
from gateway.core.token import SecretHash
from gateway.core.trail import chain_event
from gateway.stores import redis_ledger as ledger
from gateway.stores import redis_scripts as scripts
from gateway.stores import redis_seals as book
from gateway.stores.codec import (
    GrantRow,
    check_filter,
    check_storable,
    check_targets,
    read_cursor,
    storable_id,
    write_cursor,
)
from gateway.stores.limits import tightest
from gateway.stores.notifier import Notifier
from gateway.stores.redis_probe import drops_keys, require_whole
from gateway.stores.redis_rows import edited_fields, entry_from, explain, grant_from
from gateway.stores.select import IDEMPOTENCY_WINDOW, wants

__all__ = ["RedisState"]

Dependency = Literal["grants", "revocations", "limits", "audit"]

ANSWER_SECONDS: Final = 5.0
"""Longest wait for a connection or an answer; past it, a view is too old anyway (promise 2)."""

_PREFIX: Final = "{gateway}:"
_SYNC_MILLISECONDS: Final = 3000
_BLOCK_SECONDS: Final = 1.0
_LEASE_LINGERS: Final = 60.0
_BATCH: Final = 200


class RedisState:
    """Grants, leases, limits, feed and ledger under one prefix. `clock` gives seconds since the epoch.

    `counts_only` says that nothing but limits is kept here: what is lost then comes back by itself.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time, counts_only: bool = False) -> None:
        self._url = url
        self._counts_only = counts_only
        self._clock = clock
        self._client: Any = None
        self._syncs = False
        self._bell = Notifier()
        self._ear = asyncio.Lock()
        self._trail_lock = asyncio.Lock()

    async def open(self) -> None:
        """Connect.

        Raises:
            SettingsError: the URL is wrong, or the server cannot be reached or refuses us.
        """
        client: Any = None
        try:
            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=64,
                timeout=ANSWER_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
            client = Redis.from_pool(pool)
            self._syncs = await require_whole(client, _PREFIX, counts_only=self._counts_only)
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            raise SettingsError(f"state: {explain(error)}.") from error
        else:
            self._client = client
        finally:
            if client is not None and client is not self._client:
                await client.aclose()

    async def probe(self) -> float | None:
        """See `gateway.stores.pulse.Probed`."""
        with self._mapped("grants"):
            seconds, micros = await self._write(scripts.TICK)
            if not self._counts_only and (fault := await drops_keys(self._client)) is not None:
                raise DependencyDown("grants", fault)
        return int(seconds) + int(micros) / 1e6

    async def close(self) -> None:
        """Close the connections. Later calls raise DependencyDown."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        self._bell.ring()

    # grants

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        with self._mapped("grants"):
            grant_id = await self._client.get(f"{_PREFIX}hash:{secret_hash.hex()}")
            return None if grant_id is None else await self._grant(grant_id.decode())

    async def get(self, grant_id: str) -> Grant | None:
        if not storable_id(grant_id):
            return None
        with self._mapped("grants"):
            return await self._grant(grant_id)

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        check_storable(grant, idempotency)
        text = "" if idempotency is None else hashlib.sha256(idempotency.encode()).hexdigest()
        fixed = (grant.id, grant.hash.hex(), text, int(IDEMPOTENCY_WINDOW), repr(grant.issued_at), grant.issued_by)
        with self._mapped("grants"):
            known = await self._write(scripts.CREATE, *fixed, "kind", str(grant.kind), *edited_fields(grant))
            if known is None:
                raise ValueError("a grant with this id or secret exists")
            return await self._certain(known.decode())

    async def save(self, grant: Grant) -> Grant | None:
        check_storable(grant)
        fixed = (grant.id, grant.version, grant.hash.hex(), repr(self._clock()))
        with self._mapped("grants"):
            done = await self._write(scripts.SAVE, *fixed, *edited_fields(grant))
            if done < 0:
                raise ValueError("a grant with this secret exists")
            return await self._certain(grant.id) if done else None

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        check_filter(wanted)
        below = "+inf" if cursor is None else f"({int(read_cursor('g', cursor, 1)[0])}"
        found: list[Grant] = []
        with self._mapped("grants"):
            async for grant, usage in self._newest(below):
                if wants(wanted, grant, usage):
                    found.append(grant)
                    if len(found) > limit:
                        return GrantPage(found[:limit], write_cursor("g", found[limit - 1].serial))
        return GrantPage(found, None)

    async def count(self, target: RevocationTarget) -> int:
        with self._mapped("grants"):
            return int(await self._run(scripts.COUNT, str(target.kind), target.name, target.prefix))

    async def seals(self) -> Mapping[int, str]:
        with self._mapped("grants"):
            return await book.seals(self._client, _PREFIX)

    async def note_seal(self, number: int, mark: str) -> str:
        with self._mapped("grants"):
            return await book.note_seal(self._client, _PREFIX, number, mark, self._synced)

    async def forget_seal(self, number: int) -> None:
        with self._mapped("grants"):
            await book.forget_seal(self._client, _PREFIX, number, self._synced)

    async def _grant(self, grant_id: str) -> Grant | None:
        return grant_from(await self._client.hmget(f"{_PREFIX}grant:{grant_id}", GrantRow._fields))

    async def _certain(self, grant_id: str) -> Grant:
        grant = await self._grant(grant_id)
        if grant is None:
            raise DependencyDown("grants", "a grant vanished while it was written")
        return grant

    async def _newest(self, below: str) -> AsyncIterator[tuple[Grant, Usage]]:
        """All grants with their counters, newest first, in batches."""
        while True:
            names = await self._client.zrange(
                f"{_PREFIX}grants", below, "-inf", desc=True, byscore=True, offset=0, num=_BATCH, withscores=True
            )
            if not names:
                return
            pipe = self._client.pipeline(transaction=False)
            for name, _ in names:
                pipe.hmget(f"{_PREFIX}grant:{name.decode()}", GrantRow._fields)
            rows = await pipe.execute()
            usages = await self._usages([name.decode() for name, _ in names])
            for (name, _), row in zip(names, rows, strict=True):
                grant = grant_from(row)
                if grant is not None:
                    yield grant, usages.get(name.decode(), Usage())
            below = f"({int(names[-1][1])}"

    # feed

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        check_targets(targets, reason, by)
        if not targets:
            return []
        words = [word for target in targets for word in (str(target.kind), target.name, target.prefix)]
        with self._mapped("revocations"):
            serials = await self._write(scripts.REVOKE, repr(at), reason, by, *words)
        return [
            FeedEntry(int(serial), target.kind, target.name, target.prefix, at, reason, by)
            for serial, target in zip(serials, targets, strict=True)
        ]

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return await self._entries("feed", serial, limit)

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        return await self._entries("revocations", serial, limit)

    async def changed(self, serial: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            rung = self._bell.listen()
            left = deadline - loop.time()
            if await self._last_serial() > serial or left <= 0:
                return
            if self._ear.locked():
                await self._bell.wait(rung, min(left, _BLOCK_SECONDS))
            else:
                await self._hear(serial, min(left, _BLOCK_SECONDS))

    async def _hear(self, serial: int, seconds: float) -> None:
        """Wait at the server, for all who wait in this process: many waiters take one connection."""
        block = max(1, int(seconds * 1000))
        async with self._ear:
            with self._mapped("revocations"):
                if await self._client.xread({f"{_PREFIX}feed": f"{serial}-0"}, count=1, block=block):
                    self._bell.ring()

    async def _last_serial(self) -> int:
        with self._mapped("revocations"):
            newest = await self._client.xrevrange(f"{_PREFIX}feed", count=1)
        return entry_from(*newest[0]).serial if newest else 0

    async def _entries(self, stream: str, serial: int, limit: int) -> list[FeedEntry]:
        with self._mapped("revocations"):
            found = await self._client.xrange(f"{_PREFIX}{stream}", min=f"({serial}-0", count=limit)
        return [entry_from(name, fields) for name, fields in found]

    # leases

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        allowed = "" if uses is None else uses
        linger = int((window + _LEASE_LINGERS) * 1000)
        with self._mapped("grants"):
            fresh = await self._count(scripts.OPEN_LEASE, mine, allowed, repr(now), repr(now + window), linger)
        return None if fresh is None else Lease(mine.grant_id, mine.key or "", fresh=bool(fresh))

    async def give_back(self, mine: Reservation) -> None:
        with self._mapped("grants"):
            await self._count(scripts.GIVE_BACK, mine)

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        most = ("" if limit is None else limit for limit in (budget, cap))
        with self._mapped("grants"):
            room = await self._count(scripts.RESERVE, mine, wanted, *most)
        return Room(room.decode())

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
        with self._mapped("grants"):
            await self._count(scripts.SETTLE, mine, moved, repr(now), int(ends), int(keeps), int(bounded))

    async def release_lapsed(self) -> int:
        with self._mapped("grants"):
            return int(await self._run(scripts.RELEASE, "", "", ""))

    async def _count(self, script: str, mine: Reservation, *values: object) -> Any:
        return await self._run(script, mine.grant_id, mine.key or "", mine.request, *values, repr(mine.seconds))

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        with self._mapped("grants"):
            return await self._usages(grant_ids)

    async def _usages(self, grant_ids: Sequence[str]) -> dict[str, Usage]:
        pipe = self._client.pipeline(transaction=False)
        for grant_id in grant_ids:
            pipe.hmget(f"{_PREFIX}usage:{grant_id}", "uses", "moved", "last")
        rows = await pipe.execute() if grant_ids else []
        return {
            grant_id: Usage(int(uses), int(moved), None if last is None else float(last))
            for grant_id, (uses, moved, last) in zip(grant_ids, rows, strict=True)
            if uses is not None
        }

    # limits and ledger

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        if not demands:
            return tightest([])
        keys = [f"{_PREFIX}limit:{demand.key}" for demand in demands]
        values = [value for one in demands for value in (repr(one.rate.interval * 1e6), one.rate.burst, one.cost)]
        with self._mapped("limits"):
            told = await self._client.register_script(scripts.TAKE)(keys=keys, args=values)
        return tightest(
            [
                Verdict(bool(allowed), float(wait) / 1e6, remaining, demand.rate.count, float(reset) / 1e6)
                for allowed, wait, remaining, reset, demand in zip(
                    told[::4], told[1::4], told[2::4], told[3::4], demands, strict=True
                )
            ]
        )

    async def append(self, records: Sequence[Record]) -> None:
        with self._mapped("audit"):
            await ledger.append(self._client, _PREFIX, records)

    async def records_of(self, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
        if not storable_id(grant_id):
            return RecordPage([], None)
        with self._mapped("audit"):
            return await ledger.records_of(self._client, _PREFIX, grant_id, cursor, limit)

    async def export(self, cursor: str | None, limit: int) -> RecordPage:
        with self._mapped("audit"):
            return await ledger.export(self._client, _PREFIX, cursor, limit)

    async def audit(self, event: AuditEvent) -> None:
        async with self._trail_lock:  # the writers of one process need not race each other
            with self._mapped("audit"):
                added = False
                while not added:
                    head = await ledger.trail_head(self._client, _PREFIX)
                    entry = chain_event(event, head)
                    added = await self._write(scripts.CHAIN, head.digest, entry.number, entry.text, entry.digest)

    async def trail(self, after: int, limit: int) -> TrailPage:
        with self._mapped("audit"):
            return await ledger.trail(self._client, _PREFIX, after, limit)

    async def prune(self, before: float) -> int:
        forgotten = 0
        with self._mapped("audit"):
            for name in await self._client.smembers(f"{_PREFIX}recorded"):
                forgotten += await self._run(scripts.TRIM, name, repr(before))
            while await self._run(scripts.FORGET, repr(before)):
                pass
            after = 0
            while entries := await self._entries("feed", after, _BATCH):
                after = entries[-1].serial
                old = [f"{entry.serial}-0" for entry in entries if not entry.revokes and entry.at < before]
                if old:
                    await self._client.xdel(f"{_PREFIX}feed", *old)
        return forgotten

    # the ways to the server

    @contextmanager
    def _mapped(self, dependency: Dependency) -> Iterator[None]:
        """The room's wall: the client's errors become `DependencyDown`."""
        if self._client is None:
            raise DependencyDown(dependency, "the store is not open")
        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            raise DependencyDown(dependency, explain(error)) from error

    async def _run(self, script: str, *values: object) -> Any:
        return await self._client.register_script(script)(args=[_PREFIX, *values])

    async def _write(self, script: str, *values: object) -> Any:
        """Run a script and wait until its effects are synced, on one connection."""
        pipe = self._client.pipeline(transaction=False)
        await self._client.register_script(script)(args=[_PREFIX, *values], client=pipe)
        return await self._synced(pipe)

    async def _synced(self, pipe: Any) -> Any:
        if self._syncs:
            pipe.execute_command("WAITAOF", 1, 0, _SYNC_MILLISECONDS)
        answer, *synced = await pipe.execute()
        if synced and not synced[0][0]:
            raise TimeoutError
        return answer
