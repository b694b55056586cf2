"""Owns the revocation feed in Redis: a stream of all entries, and one of the revoking ones.

Refuses to own connections (`server`) and adding an entry (`scripts`).

Law: an empty answer is a proof, so it never comes from a server that takes no writes. One that a failover has made a
replica keeps its connections, and a primary that its replicas have left goes on answering what is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.codec import check_targets
from gateway.stores.redis.scripts import HITS, INDEX
from gateway.stores.redis.server import PREFIX, RedisServer

_BLOCK_SECONDS: Final = 1.0

_SINCE: Final = """
redis.call('DEL', ARGV[1] .. 'probe')
return redis.call('XRANGE', ARGV[1] .. 'feed', ARGV[2], '+', 'COUNT', ARGV[3])
"""
"""Deletes what is not there: that changes nothing, and is refused like any write."""

_REVOKE: Final = (
    INDEX
    + HITS
    + """
local at, reason, by = ARGV[2], ARGV[3], ARGV[4]
local serials = {}
for place = 5, #ARGV, 3 do
    table.insert(serials, add_entry(ARGV[place], ARGV[place + 1], ARGV[place + 2], at, reason, by))
    hits(ARGV[place], ARGV[place + 1], ARGV[place + 2], function(id)
        redis.call('HSET', p .. 'grant:' .. id, 'revoked_at', at, 'revoked_reason', reason)
        redis.call('ZREM', p .. 'waiting', id)
        put_on_shelves(id)
    end)
end
return serials
"""
)


class RedisFeed:
    """A `RevocationFeed`."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._blocking = asyncio.Lock()

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        check_targets(targets, reason, by)
        if not targets:
            return []
        words = [word for target in targets for word in (str(target.kind), target.name, target.prefix)]
        serials = await self._server.write("revocations", _REVOKE, repr(at), reason, by, *words)
        return [
            FeedEntry(int(serial), target.kind, target.name, target.prefix, at, reason, by)
            for serial, target in zip(serials, targets, strict=True)
        ]

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        rows = await self._server.run("revocations", _SINCE, f"({serial}-0", limit)
        return [_entry_from(name, dict(zip(words[::2], words[1::2], strict=True))) for name, words in rows]

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        with self._server.reach("revocations") as client:
            return await read_feed(client, "revocations", serial, limit)

    async def last(self) -> int:
        with self._server.reach("revocations") as client:
            return int(await client.get(f"{PREFIX}serial") or 0)

    async def changed(self, serial: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            event = self._server.notifier.listen()
            left = deadline - loop.time()
            if await self._newest() > serial or left <= 0:
                return
            if self._blocking.locked():
                await self._server.notifier.wait(event, min(left, _BLOCK_SECONDS))
            else:
                await self._block(serial, min(left, _BLOCK_SECONDS))

    async def _block(self, serial: int, seconds: float) -> None:
        """Wait at the server, for all who wait in this process: many waiters take one connection."""
        block = max(1, int(seconds * 1000))
        async with self._blocking:
            with self._server.reach("revocations") as client:
                if await client.xread({f"{PREFIX}feed": f"{serial}-0"}, count=1, block=block):
                    self._server.notifier.notify()

    async def _newest(self) -> int:
        with self._server.reach("revocations") as client:
            return await newest_serial(client)


async def newest_serial(client: Any) -> int:
    """That of the last entry, 0 if there is none."""
    newest = await client.xrevrange(f"{PREFIX}feed", count=1)
    return _entry_from(*newest[0]).serial if newest else 0


async def read_feed(client: Any, stream: str, serial: int, limit: int) -> list[FeedEntry]:
    """The entries of one of the streams after `serial`."""
    found = await client.xrange(f"{PREFIX}{stream}", min=f"({serial}-0", count=limit)
    return [_entry_from(name, fields) for name, fields in found]


def _entry_from(name: bytes, fields: dict[bytes, bytes]) -> FeedEntry:
    texts = {key.decode(): value.decode() for key, value in fields.items()}
    return FeedEntry(
        int(name.partition(b"-")[0]),
        FeedKind(texts["kind"]),
        texts["name"],
        texts["prefix"],
        float(texts["at"]),
        texts["reason"],
        texts["by"],
    )
