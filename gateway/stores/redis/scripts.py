"""Owns what several scripts of the Redis engine have in common: the indexes and shelves of grants, the feed's entries.

Refuses to own whole scripts, each of which stands beside its caller.

Law: a script reads and writes in one go, so its conditions hold. Every key begins with ARGV[1], which carries a hash
tag: all of a gateway's keys live on one node. What the feed names up to the serial in `shelved` is on the shelves of
`gateway.stores.lists`; an older gateway, which knows of none, leaves that number behind. Byte counts are compared as
texts, because Lua's numbers lose bytes above 2**53.
"""

from __future__ import annotations

from typing import Final

INDEX: Final = """
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
local function index_waiting(id)
    local grant = redis.call('HMGET', p .. 'grant:' .. id, 'waiting_until', 'revoked_at')
    if grant[1] and grant[1] ~= '' and grant[2] == '' then redis.call('ZADD', p .. 'waiting', grant[1], id)
    else redis.call('ZREM', p .. 'waiting', id) end
end
local function has(value) return value ~= nil and value ~= cjson.null end
local function begins_of(document)
    local known = document.not_before
    for _, name in ipairs({'suspended', 'waiting', 'terms', 'groups'}) do
        if has(document[name]) then known = document[name][#document[name]] end
    end
    if has(document.intake) then known = document.intake.begins end
    return known
end
local function each_shelf(id, act)
    local grant = redis.call('HMGET', p .. 'grant:' .. id, 'kind', 'serial', 'owner', 'bucket', 'root', 'revoked_at',
        'document')
    local kind, serial, bucket = grant[1], grant[2], grant[4]
    if not kind then return end
    local document = cjson.decode(grant[7])
    local function shelve(name) act(p .. 'list:' .. name, serial, id) end
    local function order(name, instant) act(p .. 'list:' .. name, instant, serial .. ':' .. id) end
    shelve('kind:' .. kind)
    shelve('owner:' .. grant[3] .. ':' .. kind)
    if bucket and bucket ~= '' then
        shelve('bucket:' .. bucket)
        act(p .. 'list:place:' .. bucket, 0, grant[5] .. '\0' .. serial .. ':' .. id)
    end
    if has(document.label) then shelve('label:' .. document.label .. ':' .. kind) end
    if grant[6] and grant[6] ~= '' then shelve('revoked:' .. kind) end
    if has(document.suspended) then shelve('suspended:' .. kind) end
    if has(document.waiting) then
        shelve('marked:' .. kind)
        order('lapses', document.waiting[2])
    end
    local intake = document.intake or {}
    if has(document.uses) or has(document.budget) or has(intake.max_files) or has(intake.total_bytes) then
        shelve('limited:' .. kind)
    end
    if has(document.expires_at) then order('ends', document.expires_at) else shelve('endless:' .. kind) end
    local begins = begins_of(document)
    if has(begins) then order('begins', begins) end
end
local function put_on_shelves(id)
    each_shelf(id, function(name, score, member) redis.call('ZADD', name, score, member) end)
end
local function take_off_shelves(id)
    each_shelf(id, function(name, _, member) redis.call('ZREM', name, member) end)
end
local function forget(id)
    each_index(id, 'SREM')
    take_off_shelves(id)
    for _, name in ipairs({'sessions', 'waiting', 'grants'}) do redis.call('ZREM', p .. name, id) end
    local hash = redis.call('HGET', p .. 'grant:' .. id, 'hash')
    if hash then redis.call('DEL', p .. 'hash:' .. hash) end
    redis.call('DEL', p .. 'grant:' .. id, p .. 'usage:' .. id)
end
local function add_entry(kind, name, prefix, at, reason, by)
    local serial = redis.call('INCR', p .. 'serial')
    if redis.call('GET', p .. 'shelved') == string.format('%.0f', serial - 1) then
        redis.call('SET', p .. 'shelved', serial)
    end
    local streams = {'feed'}
    if kind ~= 'issued' and kind ~= 'changed' then streams = {'feed', 'revocations'} end
    for _, stream in ipairs(streams) do
        redis.call('XADD', p .. stream, serial .. '-0', 'kind', kind, 'name', name, 'prefix', prefix,
            'at', at, 'reason', reason, 'by', by)
    end
    return serial
end
"""

HITS: Final = """
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
