"""Owns how the Redis engine reads the shelves of `gateway.stores.lists`, sorted sets, and how they are made complete.

Refuses to own what puts a grant on them (`scripts`).

Law: a list shows what an older gateway on the same server has written. Such a gateway knows no shelves: what it wrote
is read from the feed and put on them before the next list is read, and everything is where the feed has a gap.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.stores.lists import Count, Range, Read
from gateway.stores.redis.scripts import INDEX
from gateway.stores.redis.server import PREFIX, RedisServer

_AT_ONCE: Final = 100

_PUT_ON_SHELVES: Final = (
    INDEX
    + """
local shelved, last = redis.call('GET', p .. 'shelved'), redis.call('GET', p .. 'serial') or '0'
if shelved == last then return 1 end
if shelved then
    for _, entry in ipairs(redis.call('XRANGE', p .. 'feed', '(' .. shelved .. '-0', '+', 'COUNT', ARGV[2])) do
        local serial, said = string.match(entry[1], '%d+'), {}
        for place = 1, #entry[2], 2 do said[entry[2][place]] = entry[2][place + 1] end
        if tonumber(serial) ~= tonumber(shelved) + 1 then break end
        local ids = {said.name}
        for kind, name in pairs({owner = 'owner:', policy = 'rule:', prefix = 'bucket:'}) do
            if said.kind == kind then ids = redis.call('SMEMBERS', p .. name .. said.name) end
        end
        for _, id in ipairs(ids) do put_on_shelves(id) end
        shelved = serial
    end
    if redis.call('GET', p .. 'shelved') == shelved then redis.call('DEL', p .. 'shelved')
    else redis.call('SET', p .. 'shelved', shelved) end
    return 0
end
redis.call('HSETNX', p .. 'shelving', 'since', last)
local after = redis.call('HGET', p .. 'shelving', 'after') or '0'
local found = redis.call('ZRANGE', p .. 'grants', '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(found) do put_on_shelves(id) end
if #found > 0 then
    redis.call('HSET', p .. 'shelving', 'after', redis.call('ZSCORE', p .. 'grants', found[#found]))
else
    redis.call('SET', p .. 'shelved', redis.call('HGET', p .. 'shelving', 'since'))
    redis.call('DEL', p .. 'shelving')
end
return 0
"""
)
"""Puts some grants on the shelves: those that the feed names, or all where it cannot say. Answers 1 once all are."""


async def put_on_shelves(server: RedisServer) -> None:
    """Make the shelves complete; most often they are."""
    while not await server.run("grants", _PUT_ON_SHELVES, _AT_ONCE):
        pass


def shelf_key(part: Range) -> str:
    """The sorted set that a range is part of."""
    return PREFIX + ":".join(("list", part.shelf, *part.values))


async def count_shelves(server: RedisServer, asked: Count) -> list[int]:
    """How many entries each range has; the server tells all of it as fast as a little."""
    with server.reach("grants") as client:
        pipe = client.pipeline(transaction=False)
        for one in asked.reads:
            key = shelf_key(one.range)
            if one.range.by_serial:
                pipe.zcount(key, "-inf", "+inf" if one.below is None else f"({one.below}")
            elif isinstance(one.range.low, str):
                pipe.zlexcount(key, *_ends(one.range))
            else:
                pipe.zcount(key, *_ends(one.range))
        sizes: list[int] = await pipe.execute()
    return sizes


async def read_shelf(server: RedisServer, asked: Read) -> dict[int, str]:
    """The grants of a range, by their serials."""
    part, key = asked.range, shelf_key(asked.range)
    with server.reach("grants") as client:
        if part.by_serial:
            below = "+inf" if asked.below is None else f"({asked.below}"
            found = await client.zrange(
                key, below, "-inf", desc=True, byscore=True, offset=0, num=asked.most, withscores=True
            )
            return {int(serial): name.decode() for name, serial in found}
        members = await _read_ordered(client, key, part, asked.most)
    pairs = (member.rpartition(b"\0")[2].partition(b":") for member in members)
    return {int(serial): name.decode() for serial, _, name in pairs}


async def read_before(server: RedisServer, shelf: str, instant: float, passed: int, most: int) -> list[str]:
    """The grants that an ordered shelf has before this instant, but for the first `passed`; at most `most`."""
    with server.reach("grants") as client:
        members = await client.zrange(
            shelf_key(Range(shelf)), "-inf", f"({instant!r}", byscore=True, offset=passed, num=most
        )
    return [member.partition(b":")[2].decode() for member in members]


async def _read_ordered(client: Any, key: str, part: Range, most: int) -> list[bytes]:
    kind = "bylex" if isinstance(part.low, str) else "byscore"
    found: list[bytes] = await client.zrange(key, *_ends(part), offset=0, num=most, **{kind: True})
    return found


def _ends(part: Range) -> tuple[str, str]:
    """Where a range of an ordered column begins and ends."""
    if isinstance(part.low, str):
        return f"[{part.low}", "+" if part.high is None else f"({part.high}"
    low = "-inf" if part.low is None else f"({part.low!r}"
    return low, "+inf" if part.high is None else repr(part.high)
