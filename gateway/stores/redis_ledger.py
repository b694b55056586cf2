"""Owns reading the audit trail and exporting records in Redis.

Refuses to own connections and the wall for errors (`gateway.stores.redis`), which these functions are called behind.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from gateway.core.record import AuditEntry, Record, RecordPage, TrailHead, TrailPage
from gateway.stores.codec import read_place, record_from, write_place

__all__ = ["export", "trail", "trail_head"]


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
