"""Owns the counted uses and bytes in Redis.

Refuses to own connections (`server`).

Law: a script reads and writes in one go, so its conditions hold. Byte counts are compared as texts, because Lua's
numbers lose bytes above 2**53. A reservation's time is the server's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway.core.lease import UNKEPT_SECONDS, Lease, Reservation, Room, Settlement, Usage, Use
from gateway.stores.redis.server import PREFIX, RedisServer

_COUNTERS: Final = """
local linger = 60 -- seconds for which a lease is there after its window, once it is kept
local p, id, key, request = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local usage, lease = p .. 'usage:' .. id, p .. 'lease:' .. id .. ':' .. key
local function clock()
    local time = redis.call('TIME')
    return time[1] + time[2] / 1000000
end
local function above(one, other)
    if #one ~= #other then return #one > #other end
    return one > other
end
local function add(name, field, bytes) redis.call('HINCRBY', name, field, bytes) end
local function less(name, field, bytes)
    if bytes ~= '0' then redis.call('HINCRBY', name, field, '-' .. bytes) end
    if string.sub(redis.call('HGET', name, field) or '0', 1, 1) == '-' then redis.call('HSET', name, field, 0) end
end
local function held() return redis.call('HGET', p .. 'reserved:' .. id .. ':' .. request, 'held') or '0' end
local function hold(seconds)
    if request == '' then return end
    redis.call('HSETNX', p .. 'reserved:' .. id .. ':' .. request, 'key', key)
    redis.call('HINCRBY', p .. 'reserved:' .. id .. ':' .. request, 'held', 0)
    if key ~= '' then redis.call('SADD', p .. 'holders:' .. id .. ':' .. key, request) end
    redis.call('ZADD', p .. 'reservations', string.format('%.6f', clock() + seconds), id .. ' ' .. request)
end
local function finish()
    redis.call('DEL', p .. 'reserved:' .. id .. ':' .. request)
    redis.call('SREM', p .. 'holders:' .. id .. ':' .. key, request)
    redis.call('ZREM', p .. 'reservations', id .. ' ' .. request)
end
local function give_back()
    local bytes = held()
    finish()
    less(usage, 'moved', bytes)
    less(usage, 'held', bytes)
    if redis.call('EXISTS', lease) == 1 then
        less(lease, 'moved', bytes)
        less(lease, 'held', bytes)
        local known = redis.call('HMGET', lease, 'kept', 'moved')
        if known[1] == '0' and known[2] == '0'
                and redis.call('EXISTS', p .. 'holders:' .. id .. ':' .. key) == 0 then
            redis.call('DEL', lease)
            redis.call('HINCRBY', usage, 'uses', -1)
        end
    end
    local left = redis.call('HMGET', usage, 'uses', 'moved')
    if (left[1] or '0') == '0' and (left[2] or '0') == '0' then redis.call('DEL', usage) end
end
local function open_lease(uses, now, ends, stays, seconds)
    local known = redis.call('HMGET', lease, 'ends', 'kept')
    if known[1] and tonumber(known[1]) > tonumber(now) then
        if known[2] ~= '1' then hold(seconds) end
        return 0
    end
    if uses ~= '' and tonumber(redis.call('HGET', usage, 'uses') or 0) >= tonumber(uses) then return false end
    add(usage, 'uses', 1)
    add(usage, 'moved', 0)
    redis.call('HSET', usage, 'last', now)
    redis.call('DEL', lease)
    redis.call('HSET', lease, 'ends', ends, 'moved', 0, 'kept', 0)
    redis.call('PEXPIRE', lease, stays)
    hold(seconds)
    return 1
end
local function settle(moved, now, ends, keeps, bounded, seconds)
    local reserved = held()
    if bounded == '1' and above(moved, reserved) then moved = reserved end
    local freed = reserved
    if ends ~= '1' and above(reserved, moved) then freed = moved end
    local counted = {usage}
    if redis.call('EXISTS', lease) == 1 then
        counted = {usage, lease}
        if keeps == '1' then
            local left = tonumber(redis.call('HGET', lease, 'ends')) - tonumber(now)
            redis.call('HSET', lease, 'kept', 1)
            redis.call('PEXPIRE', lease, string.format('%.0f', (math.max(left, 0) + linger) * 1000))
        end
    end
    for _, name in ipairs(counted) do
        add(name, 'moved', moved)
        less(name, 'moved', freed)
        less(name, 'held', freed)
    end
    add(usage, 'uses', 0)
    redis.call('HSET', usage, 'last', now)
    if ends == '1' then
        finish()
    elseif redis.call('EXISTS', p .. 'reserved:' .. id .. ':' .. request) == 1 then
        less(p .. 'reserved:' .. id .. ':' .. request, 'held', freed)
        hold(seconds)
    end
end
"""
"""A lease is `kept` once its use can no longer be given back. Reservations are sorted by when they lapse.
`open_lease` answers 1 for a fresh lease, 0 for a joined one, nil when no use is left."""

_OPEN_LEASE: Final = _COUNTERS + "return open_lease(ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9])"

_GIVE_BACK: Final = _COUNTERS + "give_back()"

_RELEASE: Final = (
    _COUNTERS
    + """
local lapsed = redis.call('ZRANGEBYSCORE', p .. 'reservations', '-inf', clock(), 'LIMIT', 0, 200)
for _, member in ipairs(lapsed) do
    id, request = string.match(member, '^(%S*) (.*)$')
    key = redis.call('HGET', p .. 'reserved:' .. id .. ':' .. request, 'key') or ''
    usage, lease = p .. 'usage:' .. id, p .. 'lease:' .. id .. ':' .. key
    give_back()
end
return #lapsed
"""
)

_RESERVE: Final = (
    _COUNTERS
    + """
local wanted, budget, cap, seconds = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local leased = redis.call('EXISTS', lease) == 1
if cap ~= '' and not leased then return 'spent' end
local counted = {{usage, budget}}
if leased then counted = {{usage, budget}, {lease, cap}} end
local unused = redis.call('EXISTS', usage) == 0
local function over(name, most) return most ~= '' and above(redis.call('HGET', name, 'moved'), most) end
local room = 'taken'
for _, one in ipairs(counted) do
    add(one[1], 'moved', wanted)
    if over(one[1], one[2]) then
        local others = redis.call('HGET', one[1], 'held') or '0'
        if others ~= '0' then add(one[1], 'moved', '-' .. others) end
        if over(one[1], one[2]) then room = 'spent' elseif room == 'taken' then room = 'held' end
        add(one[1], 'moved', others)
    end
end
for _, one in ipairs(counted) do
    if room == 'taken' then add(one[1], 'held', wanted) else add(one[1], 'moved', '-' .. wanted) end
end
if room == 'taken' then
    add(usage, 'uses', 0)
    hold(seconds)
    add(p .. 'reserved:' .. id .. ':' .. request, 'held', wanted)
elseif unused then
    redis.call('DEL', usage)
end
return room
"""
)

_SETTLE: Final = (
    _COUNTERS
    + """
settle(ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10])
return 1
"""
)

_COUNT_USES: Final = (
    _COUNTERS
    + """
for first = 6, #ARGV, 5 do
    id, key = ARGV[first], ARGV[first + 1]
    usage, lease = p .. 'usage:' .. id, p .. 'lease:' .. id .. ':' .. key
    open_lease('', ARGV[first + 3], ARGV[first + 4], ARGV[5], 0)
    settle(ARGV[first + 2], ARGV[first + 3], '0', '1', '0', 0)
end
return 1
"""
)
"""In nobody's name, so that nothing is held or ends."""

_COUNTED_AT_ONCE: Final = 200
"""Uses: the server does nothing else meanwhile."""


class RedisLeases:
    """A `LeaseStore`."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        allowed = "" if uses is None else uses
        fresh = await self._count(_OPEN_LEASE, mine, allowed, repr(now), repr(now + window), _stays(window))
        return None if fresh is None else Lease(mine.grant_id, mine.key or "", fresh=bool(fresh))

    async def give_back(self, mine: Reservation) -> None:
        await self._count(_GIVE_BACK, mine)

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        most = ("" if limit is None else limit for limit in (budget, cap))
        room = await self._count(_RESERVE, mine, wanted, *most)
        return Room(room.decode())

    async def settle_bytes(self, mine: Reservation, done: Settlement, now: float) -> None:
        how = (int(done.ends), int(done.keeps), int(done.bounded))
        await self._count(_SETTLE, mine, done.moved, repr(now), *how)

    async def count_uses(self, uses: Sequence[Use], window: float) -> None:
        for start in range(0, len(uses), _COUNTED_AT_ONCE):
            some = [
                value
                for use in uses[start : start + _COUNTED_AT_ONCE]
                for value in (use.grant_id, use.key, use.moved, repr(use.at), repr(use.at + window))
            ]
            await self._server.run("grants", _COUNT_USES, "", "", "", _stays(window), *some)

    async def release_lapsed(self) -> int:
        return int(await self._server.run("grants", _RELEASE, "", "", ""))

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        with self._server.reach("grants") as client:
            return await read_usage(client, grant_ids)

    async def _count(self, script: str, mine: Reservation, *values: object) -> Any:
        names = (mine.grant_id, mine.key or "", mine.request)
        return await self._server.run("grants", script, *names, *values, repr(mine.seconds))


def _stays(window: float) -> int:
    """Milliseconds for which a lease is there that nobody keeps."""
    return int((window + UNKEPT_SECONDS) * 1000)


async def read_usage(client: Any, grant_ids: Sequence[str]) -> dict[str, Usage]:
    """The counters of these grants; those never used are missing."""
    pipe = client.pipeline(transaction=False)
    for grant_id in grant_ids:
        pipe.hmget(f"{PREFIX}usage:{grant_id}", "uses", "moved", "last")
    rows = await pipe.execute() if grant_ids else []
    return {
        grant_id: Usage(int(uses), int(moved), None if last is None else float(last))
        for grant_id, (uses, moved, last) in zip(grant_ids, rows, strict=True)
        if uses is not None
    }
