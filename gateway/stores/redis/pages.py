"""Owns how the Redis engine finds a page of a list: each question of `gateway.stores.lists` in one round trip.

Refuses to own the sorted sets that it reads (`shelves`), and what a filter means (`gateway.stores.select`).

Law: the server leaves out what stands in none of the sets that lead to what is wanted, and what a plain field rules
out. It may let too much through, never too little: what it lets through is judged here, by `wants`, and by it alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantPage, GrantState
from gateway.core.grant_codec import GrantRow
from gateway.core.intake import FILES
from gateway.core.lease import UNUSED, Usage
from gateway.core.reasons import DependencyDown
from gateway.stores.codec import check_filter
from gateway.stores.lists import Count, Look, Range, Read, page_steps, ways_of
from gateway.stores.redis.rows import grant_from
from gateway.stores.redis.server import RedisServer
from gateway.stores.redis.shelves import count_shelves, put_on_shelves, read_shelf, shelf_key
from gateway.stores.select import wants

_COUNTED: Final = frozenset({GrantState.ACTIVE, GrantState.USED_UP})
"""The states that need counters."""

_UNSUSPENDED: Final = frozenset({GrantState.ACTIVE, GrantState.PENDING, GrantState.AWAITING_APPROVAL})

_LOOK: Final = """
local p, asked = ARGV[1], cjson.decode(ARGV[2])
local function begins(text, prefix) return string.sub(text or '', 1, #prefix) == prefix end
local function is_within(part, id, member, place)
    if part.prefix then return place[1] == part.bucket and begins(place[2], part.prefix) end
    local score = redis.call('ZSCORE', part.key, part.by_serial and id or member)
    if not score or part.by_serial then return score end
    return (not part.low or tonumber(score) > part.low) and (not part.high or tonumber(score) <= part.high)
end
local function may_be_spent(id)
    if redis.call('EXISTS', p .. 'usage:' .. id, p .. 'usage:' .. id .. asked.files) > 0 then return true end
    local document = redis.call('HGET', p .. 'grant:' .. id, 'document') or ''
    for _, name in ipairs({'uses', 'budget', 'max_files', 'total_bytes'}) do
        if string.find(document, '"' .. name .. '":0', 1, true) then return true end
    end
    return false
end
local function may_fit(id, member)
    local place = redis.call('HMGET', p .. 'grant:' .. id, 'bucket', 'root', 'revoked_at')
    if not place[3] or (asked.unrevoked and place[3] ~= '') then return false end
    if asked.prefix and not begins(place[2], asked.prefix) then return false end
    for _, key in ipairs(asked.without) do
        if redis.call('ZSCORE', key, id) then return false end
    end
    for _, way in ipairs(asked.ways) do
        local there = false
        for _, part in ipairs(way) do there = there or is_within(part, id, member, place) end
        if not there then return false end
    end
    return not asked.spent or may_be_spent(id)
end
local found, at = {}, 0
while at < #asked.members and #found < asked.most do
    at = at + 1
    local member = asked.members[at]
    local id = string.sub(member, string.find(member, ':', 1, true) + 1)
    if may_fit(id, member) then
        local row = redis.call('HMGET', p .. 'grant:' .. id, unpack(asked.fields))
        if asked.counters then
            for _, name in ipairs({id, id .. asked.files}) do
                local usage = redis.call('HMGET', p .. 'usage:' .. name, 'uses', 'moved')
                row[#row + 1], row[#row + 2] = usage[1], usage[2]
            end
        end
        found[#found + 1] = row
    end
end
return cjson.encode({at, found})
"""
"""Looks at grants, each a serial and an id; answers how many it looked at, and the rows of at most `most`."""


async def read_page(server: RedisServer, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
    """See `GrantAdmin.page`."""
    check_filter(wanted)
    steps = page_steps(wanted, cursor, limit)
    names: dict[int, str] = {}
    read: set[Range] = set()
    try:
        asked = next(steps)
        await put_on_shelves(server)
        while True:
            if isinstance(asked, Count):
                asked = steps.send(await count_shelves(server, asked))
            elif isinstance(asked, Read):
                there = await read_shelf(server, asked)
                names |= there
                read.add(asked.range)
                asked = steps.send(list(there))
            else:
                asked = steps.send(await _look(server, wanted, asked, names, read))
    except StopIteration as done:
        page: GrantPage = done.value
        return page


async def _look(
    server: RedisServer, wanted: GrantFilter, asked: Look, names: dict[int, str], read: set[Range]
) -> list[Grant]:
    """Those that fit. Where they were read from, they need not be looked for again."""
    members = [f"{serial}:{names[serial]}" for serial in asked.serials]
    tests = _tests(wanted, read)
    found: list[Grant] = []
    while members and len(found) < asked.most:
        question = tests | {"members": members, "most": asked.most - len(found)}
        text = await server.run("grants", _LOOK, orjson.dumps(question))
        try:
            looked_at, rows = orjson.loads(text)
        except ValueError as error:
            raise DependencyDown("grants", "a stored grant cannot be read: it is no text") from error
        found += _fitting(wanted, rows or ())
        members = members[looked_at:]
    return found


def _tests(wanted: GrantFilter, read: set[Range]) -> dict[str, Any]:
    kinds = tuple(GrantKind) if wanted.kind is None else (wanted.kind,)
    state = wanted.state
    is_link = wanted.kind is GrantKind.LINK
    suspended = (shelf_key(Range("suspended", (kind,))) for kind in kinds if state in _UNSUSPENDED)
    return {
        "fields": GrantRow._fields,
        "files": FILES,
        "counters": state in _COUNTED,
        "spent": state is GrantState.USED_UP,
        "unrevoked": state not in {None, GrantState.REVOKED} or wanted.ends_before is not None,
        "prefix": wanted.prefix or False if is_link else False,
        "without": list(suspended),
        "ways": [[_test(part) for part in way] for way in ways_of(wanted) if not read.issuperset(way)],
    }


def _test(part: Range) -> dict[str, Any]:
    if isinstance(part.low, str):
        return {"bucket": part.values[0], "prefix": part.low}
    ends = {name: end for name, end in (("low", part.low), ("high", part.high)) if end is not None}
    return {"key": shelf_key(part), "by_serial": part.by_serial, **ends}


def _fitting(wanted: GrantFilter, rows: Iterable[Sequence[Any]]) -> list[Grant]:
    found = []
    columns = len(GrantRow._fields)
    for row in rows:
        grant = grant_from(row[:columns])
        used, received = (_usage(row[columns : columns + 2]), _usage(row[columns + 2 :]))
        if grant is not None and wants(wanted, grant, used, received):
            found.append(grant)
    return found


def _usage(counters: Sequence[Any]) -> Usage:
    return Usage(int(counters[0]), int(counters[1])) if any(counters) else UNUSED
