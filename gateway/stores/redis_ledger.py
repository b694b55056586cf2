"""Owns the records in Redis, and reading the audit trail there.

Refuses to own connections and the wall for errors (`gateway.stores.redis`), which these functions are called behind.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from gateway.core.record import AuditEntry, Record, RecordPage, TrailHead, TrailPage
from gateway.stores.codec import read_cursor, read_place, record_from, record_text, write_cursor, write_place

__all__ = ["append", "export", "records_of", "trail", "trail_head"]


async def trail_head(client: Any, prefix: str) -> TrailHead:
    number, digest = await client.hmget(f"{prefix}trail-head", "number", "digest")
    return TrailHead() if number is None else TrailHead(int(number), digest.decode())


async def trail(client: Any, prefix: str, after: int, limit: int) -> TrailPage:
    head = await trail_head(client, prefix)
    found = await client.xrange(f"{prefix}trail", min=f"({after}-0", count=limit)
    return TrailPage([_entry_from(name, fields) for name, fields in found], head)


def _entry_from(name: bytes, fields: dict[bytes, bytes]) -> AuditEntry:
    return AuditEntry(int(name.partition(b"-")[0]), fields[b"text"].decode(), fields[b"digest"].decode())


async def export(client: Any, prefix: str, cursor: str | None, limit: int) -> RecordPage:
    """Grant by grant: records lie in one sorted set a grant, and there is no list of all of them."""
    after = ("", "") if cursor is None else read_place("e", cursor)
    names = sorted(name.decode() for name in await client.smembers(f"{prefix}recorded"))
    found: list[tuple[str, str, Record]] = []
    for name in names[bisect_left(names, after[0]) :]:
        members = sorted(await client.zrange(f"{prefix}records:{name}", 0, -1))
        places = ((name, member[:20].decode(), member[20:].decode()) for member in members)
        found += [(grant, place, record_from(text)) for grant, place, text in places if (grant, place) > after]
        if len(found) > limit:
            break
    more = write_place("e", *found[limit - 1][:2]) if len(found) > limit else None
    return RecordPage([record for _, _, record in found[:limit]], more)


async def append(client: Any, prefix: str, records: Sequence[Record]) -> None:
    if not records:
        return
    last = await client.incrby(f"{prefix}record", len(records))
    pipe = client.pipeline(transaction=True)
    for number, record in enumerate(records, last - len(records) + 1):
        # Equal instants are ordered by the text, so it begins with a number of fixed width.
        member = f"{number:020d}{record_text(record)}"
        pipe.zadd(f"{prefix}records:{record.grant_id or ''}", {member: record.at})
        pipe.sadd(f"{prefix}recorded", record.grant_id or "")
    await pipe.execute()


async def records_of(client: Any, prefix: str, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
    """Newest first. Raises ValueError for a cursor that an earlier page did not give."""
    at, number = read_cursor("r", cursor, 2) if cursor is not None else ("+inf", 0)
    found: list[tuple[float, int, Record]] = []
    offset = 0
    while len(found) <= limit:
        rows = await client.zrange(
            f"{prefix}records:{grant_id}",
            at if cursor is None else repr(float(at)),
            "-inf",
            desc=True,
            byscore=True,
            offset=offset,
            num=limit + 1,
            withscores=True,
        )
        offset += len(rows)
        for member, score in rows:
            place = int(member[:20])
            if cursor is None or (score, place) < (at, number):
                found.append((score, place, record_from(member[20:].decode())))
        if len(rows) <= limit:  # the end; a record that comes now would move the offset
            break
    more = write_cursor("r", *found[limit - 1][:2]) if len(found) > limit else None
    return RecordPage([record for _, _, record in found[:limit]], more)
