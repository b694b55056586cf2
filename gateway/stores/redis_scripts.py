"""Owns the parts of the Redis engine that run inside the server, each one atomic.

Refuses to own connections and durability (`gateway.stores.redis`).

Law: a script reads and writes in one go, so its conditions hold. Every key begins with ARGV[1], which carries a hash
tag: all of a gateway's keys live on one node. Byte counts are compared as texts, because Lua's numbers lose bytes
above 2**53.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "CHAIN",
    "COUNT",
    "CREATE",
    "FORGET",
    "GIVE_BACK",
    "OPEN_LEASE",
    "RELEASE",
    "RESERVE",
    "REVOKE",
    "SAVE",
    "SETTLE",
    "TAKE",
    "TICK",
    "TRIM",
]

TICK: Final = """
redis.call('SET', ARGV[1] .. 'probe', '1')
redis.call('DEL', ARGV[1] .. 'probe')
local time = redis.call('TIME')
return {time[1], time[2]}
"""
"""Writes something of no meaning and takes it back; answers the server's clock."""

_INDEX: Final = """
local p = ARGV[1]
local function each_index(id, act)
    local grant = redis.call('HMGET', p .. 'grant:' .. id, 'owner', 'rule', 'bucket')
    for place, name in ipairs({'owner:', 'rule:', 'bucket:'}) do
        if grant[place] and grant[place] ~= '' then redis.call(act, p .. name .. grant[place], id) end
    end
end
local function index_session(id)
    local expires = redis.call('HGET', p .. 'grant:' .. id, 'session')
    if expires and expires ~= '' then redis.call('ZADD', p .. 'sessions', expires, id)
    else redis.call('ZREM', p .. 'sessions', id) end
end
local function tell(kind, name, prefix, at, reason, by)
    local serial = redis.call('INCR', p .. 'serial')
    local streams = {'feed'}
    if kind ~= 'issued' and kind ~= 'changed' then streams = {'feed', 'revocations'} end
    for _, stream in ipairs(streams) do
        redis.call('XADD', p .. stream, serial .. '-0', 'kind', kind, 'name', name, 'prefix', prefix,
            'at', at, 'reason', reason, 'by', by)
    end
    return serial
end
"""

CREATE: Final = (
    _INDEX
    + """
local id, hash, idempotency, seconds = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local at, by = ARGV[6], ARGV[7]
if idempotency ~= '' then
    local known = redis.call('GET', p .. 'idempotency:' .. idempotency)
    if known and redis.call('EXISTS', p .. 'grant:' .. known) == 1 then return known end
end
if redis.call('EXISTS', p .. 'grant:' .. id, p .. 'hash:' .. hash) > 0 then return false end
local serial = tell('issued', id, '', at, '', by)
redis.call('HSET', p .. 'grant:' .. id, 'id', id, 'serial', serial, 'version', 1, 'issued_at', at,
    'revoked_at', '', 'revoked_reason', '', unpack(ARGV, 8))
redis.call('SET', p .. 'hash:' .. hash, id)
redis.call('ZADD', p .. 'grants', serial, id)
each_index(id, 'SADD')
index_session(id)
if idempotency ~= '' then redis.call('SET', p .. 'idempotency:' .. idempotency, id, 'EX', seconds) end
return id
"""
)
"""Answers the grant's id, the earlier one's for a known idempotency text, nil if the id or the secret is taken."""

SAVE: Final = (
    _INDEX
    + """
local id, version, hash, now = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key = p .. 'grant:' .. id
if redis.call('HGET', key, 'version') ~= version then return 0 end
local holder = redis.call('GET', p .. 'hash:' .. hash)
if holder and holder ~= id then return -1 end
redis.call('DEL', p .. 'hash:' .. redis.call('HGET', key, 'hash'))
each_index(id, 'SREM')
redis.call('HSET', key, unpack(ARGV, 6))
redis.call('HINCRBY', key, 'version', 1)
redis.call('SET', p .. 'hash:' .. hash, id)
each_index(id, 'SADD')
index_session(id)
tell('changed', id, '', now, '', '')
return 1
"""
)
"""Answers 1, 0 for another version or no grant, -1 for a secret that another grant has."""

_HITS: Final = """
local function hits(kind, name, prefix, act)
    local ids = {}
    if kind == 'link' or kind == 'key' then
        if redis.call('HGET', p .. 'grant:' .. name, 'kind') == kind then ids = {name} end
    elseif kind == 'owner' then ids = redis.call('SMEMBERS', p .. 'owner:' .. name)
    elseif kind == 'policy' then ids = redis.call('SMEMBERS', p .. 'rule:' .. name)
    elseif kind == 'prefix' then ids = redis.call('SMEMBERS', p .. 'bucket:' .. name) end
    local found = 0
    for _, id in ipairs(ids) do
        local grant = redis.call('HMGET', p .. 'grant:' .. id, 'revoked_at', 'root')
        if grant[1] == '' and (kind ~= 'prefix' or string.sub(grant[2], 1, #prefix) == prefix) then
            found = found + 1
            act(id)
        end
    end
    return found
end
"""

REVOKE: Final = (
    _INDEX
    + _HITS
    + """
local at, reason, by = ARGV[2], ARGV[3], ARGV[4]
local serials = {}
for place = 5, #ARGV, 3 do
    table.insert(serials, tell(ARGV[place], ARGV[place + 1], ARGV[place + 2], at, reason, by))
    hits(ARGV[place], ARGV[place + 1], ARGV[place + 2], function(id)
        redis.call('HSET', p .. 'grant:' .. id, 'revoked_at', at, 'revoked_reason', reason)
    end)
end
return serials
"""
)

COUNT: Final = (
    _INDEX
    + _HITS
    + """
return hits(ARGV[2], ARGV[3], ARGV[4], function() end)
"""
)

CHAIN: Final = """
local p, before, number, text, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local head = redis.call('HGET', p .. 'trail-head', 'digest') or string.rep('0', 64)
if head ~= before then return 0 end
redis.call('XADD', p .. 'trail', number .. '-0', 'text', text, 'digest', digest)
redis.call('HSET', p .. 'trail-head', 'number', number, 'digest', digest)
return 1
"""
"""Adds an entry to the audit trail if its head is still the one that the entry follows; answers 0 if not."""

FORGET: Final = (
    _INDEX
    + """
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'sessions', '-inf', '(' .. ARGV[2], 'LIMIT', 0, 200)) do
    each_index(id, 'SREM')
    redis.call('ZREM', p .. 'sessions', id)
    redis.call('ZREM', p .. 'grants', id)
    local hash = redis.call('HGET', p .. 'grant:' .. id, 'hash')
    if hash then redis.call('DEL', p .. 'hash:' .. hash) end
    redis.call('DEL', p .. 'grant:' .. id, p .. 'usage:' .. id)
end
return redis.call('ZCOUNT', p .. 'sessions', '-inf', '(' .. ARGV[2])
"""
)
"""Forgets up to 200 short-lived keys that ended before ARGV[2]; answers how many are left to forget."""

_COUNTERS: Final = """
local p, id, key, request = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local usage, lease = p .. 'usage:' .. id, p .. 'lease:' .. id .. ':' .. key
local function clock()
    local told = redis.call('TIME')
    return told[1] + told[2] / 1000000
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
local function stand(seconds)
    if request == '' then return end
    redis.call('HSETNX', p .. 'reserved:' .. id .. ':' .. request, 'key', key)
    redis.call('HINCRBY', p .. 'reserved:' .. id .. ':' .. request, 'held', 0)
    if key ~= '' then redis.call('SADD', p .. 'standing:' .. id .. ':' .. key, request) end
    redis.call('ZADD', p .. 'reservations', string.format('%.6f', clock() + seconds), id .. ' ' .. request)
end
local function finish()
    redis.call('DEL', p .. 'reserved:' .. id .. ':' .. request)
    redis.call('SREM', p .. 'standing:' .. id .. ':' .. key, request)
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
        local known = redis.call('HMGET', lease, 'joined', 'moved')
        if known[1] == '0' and known[2] == '0'
                and redis.call('EXISTS', p .. 'standing:' .. id .. ':' .. key) == 0 then
            redis.call('DEL', lease)
            redis.call('HINCRBY', usage, 'uses', -1)
        end
    end
    local left = redis.call('HMGET', usage, 'uses', 'moved')
    if (left[1] or '0') == '0' and (left[2] or '0') == '0' then redis.call('DEL', usage) end
end
"""
"""A lease's `joined` says that its use was had and is kept. Reservations are known by the time at which they lapse."""

OPEN_LEASE: Final = (
    _COUNTERS
    + """
local uses, now, ends, linger, seconds = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local known = redis.call('HMGET', lease, 'ends', 'joined')
if known[1] and tonumber(known[1]) > tonumber(now) then
    if known[2] ~= '1' then stand(seconds) end
    return 0
end
if uses ~= '' and tonumber(redis.call('HGET', usage, 'uses') or 0) >= tonumber(uses) then return false end
add(usage, 'uses', 1)
add(usage, 'moved', 0)
redis.call('HSET', usage, 'last', now)
redis.call('DEL', lease)
redis.call('HSET', lease, 'ends', ends, 'moved', 0, 'joined', 0)
redis.call('PEXPIRE', lease, linger)
stand(seconds)
return 1
"""
)
"""Answers 1 for a fresh lease, 0 for a joined one, nil when no use is left."""

GIVE_BACK: Final = _COUNTERS + "give_back()"

RELEASE: Final = (
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

RESERVE: Final = (
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
    stand(seconds)
    add(p .. 'reserved:' .. id .. ':' .. request, 'held', wanted)
elseif unused then
    redis.call('DEL', usage)
end
return room
"""
)

SETTLE: Final = (
    _COUNTERS
    + """
local moved, now, ends, keeps, bounded, seconds = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local reserved = held()
if bounded == '1' and above(moved, reserved) then moved = reserved end
local freed = reserved
if ends ~= '1' and above(reserved, moved) then freed = moved end
local counted = {usage}
if redis.call('EXISTS', lease) == 1 then
    counted = {usage, lease}
    if keeps == '1' then redis.call('HSET', lease, 'joined', 1) end
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
    stand(seconds)
end
return 1
"""
)

TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local backlogs, answers, granted = {}, {}, true
for number, key in ipairs(KEYS) do
    local interval = tonumber(ARGV[3 * number - 2])
    local tolerance = interval * tonumber(ARGV[3 * number - 1])
    local cost = interval * tonumber(ARGV[3 * number])
    if not backlogs[key] then
        local known = redis.call('HMGET', key, 'backlog', 'at')
        local elapsed = known[2] and math.max(0, now - tonumber(known[2])) or 0
        backlogs[key] = known[1] and math.max(0, tonumber(known[1]) - elapsed) or 0
        if known[2] and tonumber(known[2]) > now then redis.call('HSET', key, 'at', string.format('%.0f', now)) end
    end
    local room = tolerance * 1.000000001 - backlogs[key] - cost
    if room >= 0 then backlogs[key] = backlogs[key] + cost else granted = false end
    table.insert(answers, room >= 0 and 1 or 0)
    table.insert(answers, string.format('%.17g', math.max(0, -room)))
    table.insert(answers, math.max(0, math.floor((tolerance - backlogs[key]) / interval + 0.000001)))
    table.insert(answers, string.format('%.17g', backlogs[key]))
end
if granted then
    for key, backlog in pairs(backlogs) do
        redis.call('HSET', key, 'backlog', string.format('%.17g', backlog), 'at', string.format('%.0f', now))
        redis.call('PEXPIRE', key, math.ceil(backlog / 1000) + 1)
    end
end
return answers
"""
"""GCRA by the backlog (arrival time minus now) in microseconds: small numbers keep their precision.

The server's clock is the only one. A clock that jumped back stops the backlog from draining, once, and is healed.
"""

TRIM: Final = """
local p, id, before = ARGV[1], ARGV[2], ARGV[3]
local gone = redis.call('ZREMRANGEBYSCORE', p .. 'records:' .. id, '-inf', '(' .. before)
if redis.call('EXISTS', p .. 'records:' .. id) == 0 then redis.call('SREM', p .. 'recorded', id) end
return gone
"""
