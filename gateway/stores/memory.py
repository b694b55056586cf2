"""Owns the engine that keeps everything in one process: for tests, and for a sidecar that may forget at its end.

Refuses to own durability: nothing here outlives the process.

Law: every method changes state in one synchronous stretch, so tasks never see half a change. What traffic can grow
is bounded: leases leave with their window, limits when they are full again, records from the oldest on.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import Final

from gateway.core.grant import Grant, GrantFilter, GrantPage, GrantState
from gateway.core.lease import Lease, Reservation, Room, Settlement, Usage, Use
from gateway.core.record import AuditEntry, AuditEvent, Record, RecordPage, TrailHead, TrailPage
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import SecretHash
from gateway.core.trail import chain_events
from gateway.core.values import dataclass
from gateway.stores.codec import check_filter, check_storable, check_targets, read_cursor, write_cursor
from gateway.stores.engine import Engine
from gateway.stores.limits import MemoryLimits
from gateway.stores.lists import page_steps
from gateway.stores.memory_seals import MemorySeals
from gateway.stores.memory_shelves import MemoryShelves
from gateway.stores.notifier import Notifier
from gateway.stores.select import IDEMPOTENCY_WINDOW, ended_before, hit, lapsed_session, wants
from gateway.stores.uses import count_each

_RECORDS_KEPT: Final = 50_000
_AUDIT_KEPT: Final = 50_000
_UNUSED: Final = Usage()


def open_memory(*, clock: Callable[[], float] = time.time) -> Engine:
    """An empty engine. `clock` gives seconds since the epoch."""
    tables = MemoryTables(clock)
    return Engine(
        grants=MemoryGrants(tables),
        leases=MemoryLeases(tables),
        limits=MemoryLimits(),
        feed=MemoryFeed(tables),
        ledger=MemoryLedger(tables),
        seals=MemorySeals(),
        probe=tables.probe,
        close=tables.close,
    )


class MemoryTables:
    """What several of the stores in memory read or change."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.notifier = Notifier()
        self.grants: dict[str, Grant] = {}
        self.by_hash: dict[SecretHash, Grant] = {}  # the same grants: one look-up finds one of a million
        self.usage: dict[str, Usage] = {}
        self.shelves = MemoryShelves(self.grants)
        self.feed: list[FeedEntry] = []
        self.last_serial = 0

    async def probe(self) -> None:
        """There is nothing that could fail in part."""

    async def close(self) -> None:
        self.notifier.notify()

    def put(self, grant: Grant) -> None:
        known = self.grants.get(grant.id)
        self.grants[grant.id] = self.by_hash[grant.hash] = grant
        self.shelves.move(known, grant)

    def forget(self, grants: Sequence[Grant]) -> None:
        for grant in grants:
            del self.grants[grant.id], self.by_hash[grant.hash]
            self.usage.pop(grant.id, None)
        if grants:
            self.shelves = MemoryShelves(self.grants)

    def add_entry(
        self, kind: FeedKind, name: str, prefix: str = "", *, at: float, reason: str = "", by: str = ""
    ) -> FeedEntry:
        """Add an entry to the feed; its serial is given here."""
        self.last_serial += 1
        self.feed.append(FeedEntry(self.last_serial, kind, name, prefix, at, reason, by))
        return self.feed[-1]


class MemoryGrants:
    """A `GrantAdmin`."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables
        self._idempotency: dict[str, tuple[str, float]] = {}

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        return self._tables.by_hash.get(secret_hash)

    async def get(self, grant_id: str) -> Grant | None:
        return self._tables.grants.get(grant_id)

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        check_storable(grant, idempotency)
        now = self._tables.clock()
        self._idempotency = {
            text: (grant_id, at) for text, (grant_id, at) in self._idempotency.items() if at > now - IDEMPOTENCY_WINDOW
        }
        known = self._tables.grants.get(self._idempotency.get(idempotency or "", ("", 0.0))[0])
        if known is not None:
            return known
        if grant.id in self._tables.grants or grant.hash in self._tables.by_hash:
            raise ValueError("a grant with this id or secret exists")
        entry = self._tables.add_entry(FeedKind.ISSUED, grant.id, at=grant.issued_at, by=grant.issued_by)
        stored = replace(grant, serial=entry.serial, version=1)
        self._tables.put(stored)
        if idempotency is not None:
            self._idempotency[idempotency] = (stored.id, now)
        self._tables.notifier.notify()
        return stored

    async def save(self, grant: Grant) -> Grant | None:
        check_storable(grant)
        known = self._tables.grants.get(grant.id)
        if known is None or known.version != grant.version:
            return None
        if self._tables.by_hash.get(grant.hash, known).id != grant.id:
            raise ValueError("a grant with this secret exists")
        stored = replace(
            grant,
            version=known.version + 1,
            kind=known.kind,
            serial=known.serial,
            issued_at=known.issued_at,
            revoked_at=known.revoked_at,
            revoked_reason=known.revoked_reason,
        )
        del self._tables.by_hash[known.hash]
        self._tables.put(stored)
        self._tables.add_entry(FeedKind.CHANGED, stored.id, at=self._tables.clock())
        self._tables.notifier.notify()
        return stored

    async def save_all(self, grants: Sequence[Grant]) -> Sequence[Grant | None]:
        return [await self.save(grant) for grant in grants]

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        check_filter(wanted)
        used = self._tables.usage

        def fits(grant: Grant) -> bool:
            return wants(wanted, grant, used.get(grant.id, _UNUSED), used.get(grant.intake_id, _UNUSED))

        return self._tables.shelves.page(page_steps(wanted, cursor, limit), fits)

    async def count(self, target: RevocationTarget) -> int:
        return sum(grant.revoked_at is None and hit(grant, target) for grant in self._tables.grants.values())

    async def count_waiting(self, now: float) -> int:
        return sum(grant.state(now) is GrantState.AWAITING_APPROVAL for grant in self._tables.grants.values())

    async def prune_ended(self, before: float) -> int:
        ended = [grant for grant in self._tables.grants.values() if ended_before(grant, before)]
        self._tables.forget(ended)
        return len(ended)


class MemoryFeed:
    """A `RevocationFeed`."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        check_targets(targets, reason, by)
        entries = []
        for target in targets:
            entries.append(self._tables.add_entry(target.kind, target.name, target.prefix, at=at, reason=reason, by=by))
            for grant in [one for one in self._tables.grants.values() if one.revoked_at is None and hit(one, target)]:
                self._tables.put(replace(grant, revoked_at=at, revoked_reason=reason))
        self._tables.notifier.notify()
        return entries

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        start = bisect_right(self._tables.feed, serial, key=lambda entry: entry.serial)
        return self._tables.feed[start : start + limit]

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        start = bisect_right(self._tables.feed, serial, key=lambda entry: entry.serial)
        return [entry for entry in self._tables.feed[start:] if entry.revokes][:limit]

    async def last(self) -> int:
        return self._tables.last_serial

    async def changed(self, serial: int, seconds: float) -> None:
        if not self._tables.feed or self._tables.feed[-1].serial <= serial:
            await self._tables.notifier.wait(self._tables.notifier.listen(), seconds)


@dataclass(slots=True)
class _OpenLease:
    """`kept` says that its use can no longer be given back."""

    expires_at: float
    moved: int = 0
    kept: bool = False
    requests: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Reserved:
    key: str | None
    held: int = 0
    until: float = 0.0


class MemoryLeases:
    """A `LeaseStore`."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables
        self._leases: dict[tuple[str, str], _OpenLease] = {}
        self._reserved: dict[tuple[str, str], _Reserved] = {}

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        grant_id, key = mine.grant_id, mine.key or ""
        known = self._leases.get((grant_id, key))
        if known is not None and known.expires_at > now:
            self._hold(mine, known)
            return Lease(grant_id, key, fresh=False)
        usage = self._tables.usage.get(grant_id, _UNUSED)
        if uses is not None and usage.uses >= uses:
            return None
        self._forget_leases(now)
        self._tables.usage[grant_id] = replace(usage, uses=usage.uses + 1, last_used_at=now)
        self._leases[grant_id, key] = opened = _OpenLease(now + window)
        self._hold(mine, opened)
        return Lease(grant_id, key, fresh=True)

    async def give_back(self, mine: Reservation) -> None:
        self._release(mine.grant_id, mine.request, mine.key)

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        usage, lease = self._tables.usage.get(mine.grant_id, _UNUSED), self._lease(mine.grant_id, mine.key)
        if cap is not None and lease is None:
            return Room.SPENT
        used = [(usage.moved, budget)] + ([(lease.moved, cap)] if lease is not None else [])
        if any(most is not None and moved + wanted > most for moved, most in used):
            held = [self._held(mine.grant_id), self._held(mine.grant_id, mine.key)]
            left = zip(used, held, strict=False)
            spent = any(most is not None and moved - free + wanted > most for (moved, most), free in left)
            return Room.SPENT if spent else Room.HELD
        self._tables.usage[mine.grant_id] = replace(usage, moved=usage.moved + wanted)
        if lease is not None:
            lease.moved += wanted
        self._hold(mine, lease).held += wanted
        return Room.TAKEN

    async def settle_bytes(self, mine: Reservation, done: Settlement, now: float) -> None:
        known = self._reserved.get((mine.grant_id, mine.request))
        held = 0 if known is None else known.held
        counted = min(done.moved, held) if done.bounded else done.moved
        freed = held if done.ends else min(held, counted)
        usage, lease = self._tables.usage.get(mine.grant_id, _UNUSED), self._lease(mine.grant_id, mine.key)
        self._tables.usage[mine.grant_id] = replace(
            usage, moved=max(0, usage.moved + counted - freed), last_used_at=now
        )
        if lease is not None:
            lease.moved = max(0, lease.moved + counted - freed)
            lease.kept = lease.kept or done.keeps
        if known is not None:
            known.held -= freed
            known.until = self._tables.clock() + mine.seconds
        if done.ends:
            self._end(mine.grant_id, mine.request)

    async def count_uses(self, uses: Sequence[Use], window: float) -> None:
        await count_each(self, uses, window)

    async def release_lapsed(self) -> int:
        now = self._tables.clock()
        lapsed = [(name, known.key) for name, known in self._reserved.items() if known.until <= now]
        for (grant_id, request), key in lapsed:
            self._release(grant_id, request, key)
        return len(lapsed)

    def _lease(self, grant_id: str, key: str | None) -> _OpenLease | None:
        return None if key is None else self._leases.get((grant_id, key))

    def _held(self, grant_id: str, key: str | None = None) -> int:
        """What is reserved of a grant, or of one lease."""
        return sum(
            known.held
            for (of, _), known in self._reserved.items()
            if of == grant_id and (key is None or known.key == key)
        )

    def _hold(self, mine: Reservation, lease: _OpenLease | None) -> _Reserved:
        known = self._reserved.get((mine.grant_id, mine.request), _Reserved(mine.key))
        if mine.request:
            known.until = self._tables.clock() + mine.seconds
            self._reserved[mine.grant_id, mine.request] = known
            if lease is not None:
                lease.requests.add(mine.request)
        return known

    def _end(self, grant_id: str, request: str) -> int:
        """Remove the reservation; returns the bytes that it held."""
        known = self._reserved.pop((grant_id, request), None)
        lease = None if known is None else self._lease(grant_id, known.key)
        if lease is not None:
            lease.requests.discard(request)
        return 0 if known is None else known.held

    def _release(self, grant_id: str, request: str, key: str | None) -> None:
        held, lease = self._end(grant_id, request), self._lease(grant_id, key)
        usage = self._tables.usage.get(grant_id, _UNUSED)
        usage = replace(usage, moved=max(0, usage.moved - held))
        if lease is not None:
            lease.moved = max(0, lease.moved - held)
            if not lease.kept and not lease.moved and not lease.requests:
                del self._leases[grant_id, key or ""]
                usage = replace(usage, uses=usage.uses - 1)
        self._tables.usage[grant_id] = usage
        if not usage.uses and not usage.moved:
            del self._tables.usage[grant_id]

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        return {grant_id: self._tables.usage[grant_id] for grant_id in grant_ids if grant_id in self._tables.usage}

    def _forget_leases(self, now: float) -> None:
        # Two looks for one new lease: the oldest first, so nothing lapsed stays for long and no call gets slow.
        for key in [key for key, _ in zip(self._leases, range(2), strict=False)]:
            lease = self._leases.pop(key)
            if lease.expires_at > now or lease.requests:  # what runs by it may give its use back
                self._leases[key] = lease


class MemoryLedger:
    """A `Ledger`."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables
        self._records: deque[tuple[int, Record]] = deque(maxlen=_RECORDS_KEPT)
        self._written = 0
        self._trail: deque[AuditEntry] = deque(maxlen=_AUDIT_KEPT)
        self._head = TrailHead()

    async def append(self, records: Sequence[Record]) -> None:
        for record in records:
            self._written += 1
            self._records.append((self._written, record))

    async def records_of(self, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
        below = None if cursor is None else tuple(read_cursor("r", cursor, 2))
        mine = sorted(
            ((record.at, number, record) for number, record in self._records if record.grant_id == grant_id),
            key=lambda entry: entry[:2],
            reverse=True,
        )
        left = [entry for entry in mine if below is None or entry[:2] < below]
        shown = left[:limit]
        more = write_cursor("r", *shown[-1][:2]) if shown and len(left) > limit else None
        return RecordPage([record for _, _, record in shown], more)

    async def export(self, cursor: str | None, limit: int) -> RecordPage:
        after = 0 if cursor is None else read_cursor("e", cursor, 1)[0]
        left = [entry for entry in self._records if entry[0] > after]
        more = write_cursor("e", left[limit - 1][0]) if len(left) > limit else None
        return RecordPage([record for _, record in left[:limit]], more)

    async def audit(self, *events: AuditEvent) -> None:
        entries = chain_events(events, self._head)
        self._trail += entries
        self._head = TrailHead(entries[-1].number, entries[-1].digest)

    async def trail(self, after: int, limit: int) -> TrailPage:
        return TrailPage([entry for entry in self._trail if entry.number > after][:limit], self._head)

    async def prune(self, before: float) -> int:
        kept = [entry for entry in self._records if entry[1].at >= before]
        forgotten = len(self._records) - len(kept)
        self._records = deque(kept, maxlen=_RECORDS_KEPT)
        feed = self._tables.feed
        self._tables.feed = [entry for entry in feed if entry.revokes or entry.at >= before or entry is feed[-1]]
        self._tables.forget([grant for grant in self._tables.grants.values() if lapsed_session(grant, before)])
        return forgotten
