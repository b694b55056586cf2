"""Owns the records and the audit trail in Redis: a sorted set of records for each grant, a stream of the trail.

Refuses to own connections (`server`).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from gateway.core.record import AuditEntry, AuditEvent, Record, RecordPage, TrailHead, TrailPage
from gateway.core.revocation import FeedEntry
from gateway.core.trail import chain_events
from gateway.stores.codec import (
    read_cursor,
    read_place,
    record_from,
    record_page,
    record_texts,
    storable_id,
    write_cursor,
)
from gateway.stores.redis.feed import newest_serial, read_feed
from gateway.stores.redis.scripts import INDEX
from gateway.stores.redis.server import PREFIX, RedisServer

_BATCH: Final = 200

_APPEND: Final = """
local p, many = ARGV[1], (#ARGV - 1) / 3
local number = redis.call('INCRBY', p .. 'record', many) - many
for first = 2, #ARGV, 3 do
    local grant = ARGV[first]
    number = number + 1
    redis.call('ZADD', p .. 'records:' .. grant, ARGV[first + 1], string.format('%020d', number) .. ARGV[first + 2])
    redis.call('SADD', p .. 'recorded', grant)
end
return number
"""
"""Equal instants are ordered by the text, so it begins with a number of fixed width. One command each from here would
take ten times the CPU that the gateway has for it."""

_ADD_TO_TRAIL: Final = """
local p, before, number, text, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local head = redis.call('HGET', p .. 'trail-head', 'digest') or string.rep('0', 64)
if head ~= before then return 0 end
redis.call('XADD', p .. 'trail', number .. '-0', 'text', text, 'digest', digest)
redis.call('HSET', p .. 'trail-head', 'number', number, 'digest', digest)
return 1
"""
"""Adds an entry to the audit trail if its head is still the one that the entry follows; answers 0 if not."""

_PRUNE_RECORDS: Final = """
local p, id, before = ARGV[1], ARGV[2], ARGV[3]
local gone = redis.call('ZREMRANGEBYSCORE', p .. 'records:' .. id, '-inf', '(' .. before)
if redis.call('EXISTS', p .. 'records:' .. id) == 0 then redis.call('SREM', p .. 'recorded', id) end
return gone
"""

_PRUNE_SESSIONS: Final = (
    INDEX
    + """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'sessions', '-inf', '(' .. ARGV[2], 'LIMIT', 0, 200)) do
    forget(id)
end
return redis.call('ZCOUNT', p .. 'sessions', '-inf', '(' .. ARGV[2])
"""
)
"""Forgets up to 200 short-lived keys that ended before ARGV[2]; answers how many are left to forget."""


class RedisLedger:
    """A `Ledger`."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._adding = asyncio.Lock()

    async def append(self, records: Sequence[Record]) -> None:
        if not records:
            return
        texts = await record_texts(records)
        told = [
            value
            for record, text in zip(records, texts, strict=True)
            for value in (record.grant_id or "", repr(record.at), text)
        ]
        await self._server.run("audit", _APPEND, *told)

    async def records_of(self, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
        if not storable_id(grant_id):
            return RecordPage([], None)
        at, number = read_cursor("r", cursor, 2) if cursor is not None else ("+inf", 0)
        found: list[tuple[float, int, str]] = []
        offset = 0
        while len(found) <= limit:
            with self._server.reach("audit") as client:
                rows = await client.zrange(
                    f"{PREFIX}records:{grant_id}",
                    at if cursor is None else repr(float(at)),
                    "-inf",
                    desc=True,
                    byscore=True,
                    offset=offset,
                    num=limit + 1,
                    withscores=True,
                )
            offset += len(rows)
            places = [(score, int(member[:20]), member[20:].decode()) for member, score in rows]
            found += [place for place in places if cursor is None or place[:2] < (at, number)]
            if len(rows) <= limit:  # the end; a record that comes now would move the offset
                break
        return record_page("r", found, limit)

    async def export(self, cursor: str | None, limit: int) -> RecordPage:
        # Grant by grant: there is no list of all records.
        after = ("", "") if cursor is None else read_place("e", cursor)
        found: list[tuple[str, str, str]] = []
        with self._server.reach("audit") as client:
            names = sorted(name.decode() for name in await client.smembers(f"{PREFIX}recorded"))
            for name in names[bisect_left(names, after[0]) :]:
                members = sorted(await client.zrange(f"{PREFIX}records:{name}", 0, -1))
                places = ((name, member[:20].decode(), member[20:].decode()) for member in members)
                found += [place for place in places if place[:2] > after]
                if len(found) > limit:
                    break
        more = write_cursor("e", *found[limit - 1][:2]) if len(found) > limit else None
        return RecordPage([record_from(text) for _, _, text in found[:limit]], more)

    async def audit(self, *events: AuditEvent) -> None:
        async with self._adding:  # the writers of one process need not race each other
            while events:
                head = await self._head()
                entries = chain_events(events, head)
                befores = [head.digest, *(entry.digest for entry in entries)]
                calls = [
                    (before, entry.number, entry.text, entry.digest)
                    for before, entry in zip(befores, entries, strict=False)
                ]
                # Where another process comes in between, all that follow it are refused.
                events = events[sum(await self._server.write_all("audit", _ADD_TO_TRAIL, calls)) :]

    async def trail(self, after: int, limit: int) -> TrailPage:
        head = await self._head()
        with self._server.reach("audit") as client:
            found = await client.xrange(f"{PREFIX}trail", min=f"({after}-0", count=limit)
        return TrailPage([_audit_entry(name, fields) for name, fields in found], head)

    async def prune(self, before: float) -> int:
        forgotten = 0
        with self._server.reach("audit") as client:
            for name in await client.smembers(f"{PREFIX}recorded"):
                forgotten += await self._server.run("audit", _PRUNE_RECORDS, name, repr(before))
            while await self._server.run("audit", _PRUNE_SESSIONS, repr(before)):
                pass
            after, newest = 0, await newest_serial(client)
            while entries := await read_feed(client, "feed", after, _BATCH):
                after = entries[-1].serial
                old = [f"{entry.serial}-0" for entry in entries if _is_old(entry, before, newest)]
                if old:
                    await client.xdel(f"{PREFIX}feed", *old)
        return forgotten

    async def _head(self) -> TrailHead:
        with self._server.reach("audit") as client:
            number, digest = await client.hmget(f"{PREFIX}trail-head", "number", "digest")
        return TrailHead() if number is None else TrailHead(int(number), digest.decode())


def _is_old(entry: FeedEntry, before: float, newest: int) -> bool:
    return not entry.revokes and entry.at < before and entry.serial < newest


def _audit_entry(name: bytes, fields: dict[bytes, bytes]) -> AuditEntry:
    return AuditEntry(int(name.partition(b"-")[0]), fields[b"text"].decode(), fields[b"digest"].decode())
