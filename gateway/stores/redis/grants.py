"""Owns the grants in Redis: a hash each, and sets that find them by owner, rule and bucket.

Refuses to own connections (`server`), indexes (`scripts`) and revoking (`feed`). A field that is not set is an empty
text.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from gateway.core.grant import Grant, GrantFilter, GrantPage
from gateway.core.grant_codec import GrantRow, document_of
from gateway.core.intake import FILES
from gateway.core.lease import UNUSED, Usage
from gateway.core.reasons import DependencyDown
from gateway.core.revocation_target import RevocationTarget
from gateway.core.token import SecretHash
from gateway.stores.codec import check_filter, check_storable, grant_of, storable_id
from gateway.stores.lists import Read, page_steps
from gateway.stores.redis.leases import read_usage
from gateway.stores.redis.scripts import HITS, INDEX
from gateway.stores.redis.server import PREFIX, RedisServer
from gateway.stores.redis.shelves import put_on_shelves, read_shelf
from gateway.stores.select import IDEMPOTENCY_WINDOW, ended_before, wants

_BATCH: Final = 200
LOOKS: Final = 200
"""How many grants are looked at for a page: each is fetched whole."""

CREATE: Final = (
    INDEX
    + """
local id, hash, idempotency, seconds = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local at, by = ARGV[6], ARGV[7]
if idempotency ~= '' then
    local known = redis.call('GET', p .. 'idempotency:' .. idempotency)
    if known and redis.call('EXISTS', p .. 'grant:' .. known) == 1 then return known end
end
if redis.call('EXISTS', p .. 'grant:' .. id, p .. 'hash:' .. hash) > 0 then return false end
local serial = add_entry('issued', id, '', at, '', by)
redis.call('HSET', p .. 'grant:' .. id, 'id', id, 'serial', serial, 'version', 1, 'issued_at', at,
    'revoked_at', '', 'revoked_reason', '', unpack(ARGV, 8))
redis.call('SET', p .. 'hash:' .. hash, id)
redis.call('ZADD', p .. 'grants', serial, id)
each_index(id, 'SADD')
put_on_shelves(id)
index_session(id)
index_waiting(id)
if idempotency ~= '' then redis.call('SET', p .. 'idempotency:' .. idempotency, id, 'EX', seconds) end
return id
"""
)
"""Answers the grant's id, the earlier one's for a known idempotency text, nil if the id or the secret is taken."""

_SAVE: Final = (
    INDEX
    + """
local id, version, hash, now = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key = p .. 'grant:' .. id
if redis.call('HGET', key, 'version') ~= version then return 0 end
local holder = redis.call('GET', p .. 'hash:' .. hash)
if holder and holder ~= id then return -1 end
redis.call('DEL', p .. 'hash:' .. redis.call('HGET', key, 'hash'))
each_index(id, 'SREM')
take_off_shelves(id)
redis.call('HSET', key, unpack(ARGV, 6))
redis.call('HINCRBY', key, 'version', 1)
redis.call('SET', p .. 'hash:' .. hash, id)
each_index(id, 'SADD')
put_on_shelves(id)
index_session(id)
index_waiting(id)
add_entry('changed', id, '', now, '', '')
return 1
"""
)
"""Answers 1, 0 for another version or no grant, -1 for a secret that another grant has."""

_PRUNE: Final = (
    INDEX
    + """
local forgotten = 0
for place = 2, #ARGV, 2 do
    if redis.call('HGET', p .. 'grant:' .. ARGV[place], 'version') == ARGV[place + 1] then
        forget(ARGV[place])
        forgotten = forgotten + 1
    end
end
return forgotten
"""
)
"""Forgets grants that are still of these versions; answers how many."""

_COUNT: Final = (
    INDEX
    + HITS
    + """
return hits(ARGV[2], ARGV[3], ARGV[4], function() end)
"""
)


class RedisGrants:
    """A `GrantAdmin`."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        with self._server.reach("grants") as client:
            grant_id = await client.get(f"{PREFIX}hash:{secret_hash.hex()}")
        return None if grant_id is None else await self._read(grant_id.decode())

    async def get(self, grant_id: str) -> Grant | None:
        return await self._read(grant_id) if storable_id(grant_id) else None

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        check_storable(grant, idempotency)
        text = "" if idempotency is None else hashlib.sha256(idempotency.encode()).hexdigest()
        fixed = (grant.id, grant.hash.hex(), text, int(IDEMPOTENCY_WINDOW), repr(grant.issued_at), grant.issued_by)
        values = (*fixed, "kind", str(grant.kind), *edited_fields(grant))
        known = await self._server.write("grants", CREATE, *values)
        if known is None:
            raise ValueError("a grant with this id or secret exists")
        return await self._require(known.decode())

    async def save(self, grant: Grant) -> Grant | None:
        check_storable(grant)
        fixed = (grant.id, grant.version, grant.hash.hex(), repr(self._server.clock()))
        done = await self._server.write("grants", _SAVE, *fixed, *edited_fields(grant))
        if done < 0:
            raise ValueError("a grant with this secret exists")
        return await self._require(grant.id) if done else None

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        check_filter(wanted)
        steps = page_steps(wanted, cursor, limit, LOOKS)
        names: dict[int, str] = {}
        await put_on_shelves(self._server)
        try:
            asked = next(steps)
            while True:
                if isinstance(asked, Read):
                    read = await read_shelf(self._server, asked)
                    names |= read
                    asked = steps.send(list(read))
                else:
                    there = [names[serial] for serial in asked.serials]
                    asked = steps.send(await self._look(wanted, there, asked.most))
        except StopIteration as done:
            page: GrantPage = done.value
            return page

    async def _look(self, wanted: GrantFilter, names: Sequence[str], most: int) -> list[Grant]:
        found: list[Grant] = []
        for start in range(0, len(names), _BATCH):
            async for grant, usage, received in self._all_of(names[start : start + _BATCH]):
                if wants(wanted, grant, usage, received):
                    found.append(grant)
            if len(found) >= most:
                break
        return found[:most]

    async def count(self, target: RevocationTarget) -> int:
        return int(await self._server.run("grants", _COUNT, str(target.kind), target.name, target.prefix))

    async def count_waiting(self, now: float) -> int:
        with self._server.reach("grants") as client:
            return int(await client.zcount(f"{PREFIX}waiting", f"({now!r}", "+inf"))

    async def prune_ended(self, before: float) -> int:
        # There is no index of ends: all are read, and the few that go are asked for once more where they are deleted.
        forgotten = 0
        ended: list[str | int] = []
        async for grant, _, _ in self._newest("+inf"):
            if ended_before(grant, before):
                ended += (grant.id, grant.version)
            if len(ended) >= _BATCH:
                forgotten += await self._server.run("grants", _PRUNE, *ended)
                ended.clear()
        return forgotten + int(await self._server.run("grants", _PRUNE, *ended))

    async def _read(self, grant_id: str) -> Grant | None:
        with self._server.reach("grants") as client:
            return _grant_from(await client.hmget(f"{PREFIX}grant:{grant_id}", GrantRow._fields))

    async def _require(self, grant_id: str) -> Grant:
        grant = await self._read(grant_id)
        if grant is None:
            raise DependencyDown("grants", "a grant vanished while it was written")
        return grant

    async def _newest(self, below: str) -> AsyncIterator[tuple[Grant, Usage, Usage]]:
        """All grants with their counters and those of the files that came in, newest first, in batches."""
        while True:
            with self._server.reach("grants") as client:
                found = await client.zrange(
                    f"{PREFIX}grants", below, "-inf", desc=True, byscore=True, offset=0, num=_BATCH, withscores=True
                )
                if not found:
                    return
            async for one in self._all_of([name.decode() for name, _ in found]):
                yield one
            below = f"({int(found[-1][1])}"

    async def _all_of(self, names: Sequence[str]) -> AsyncIterator[tuple[Grant, Usage, Usage]]:
        """Those of these grants that are there, with their counters."""
        with self._server.reach("grants") as client:
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.hmget(f"{PREFIX}grant:{name}", GrantRow._fields)
            rows = await pipe.execute()
            usages = await read_usage(client, [*names, *(name + FILES for name in names)])
        for name, row in zip(names, rows, strict=True):
            grant = _grant_from(row)
            if grant is not None:
                yield grant, usages.get(name, UNUSED), usages.get(grant.intake_id, UNUSED)


def edited_fields(grant: Grant) -> list[object]:
    """The fields that an edit replaces, as pairs of name and value."""
    scope = grant.scope
    lapses = grant.session_hash is not None and grant.expires_at is not None
    fields = {
        "hash": grant.hash.hex(),
        "owner": str(grant.owner),
        "rule": grant.rule or "",
        "bucket": "" if scope is None else scope.bucket,
        "root": "" if scope is None else scope.root,
        "session": repr(grant.expires_at) if lapses else "",
        "waiting_until": _waits_until(grant),
        "document": document_of(grant),
    }
    return [word for pair in fields.items() for word in pair]


def _waits_until(grant: Grant) -> str:
    """Till when somebody can approve of it; what is suspended waits for something else first."""
    if grant.waiting is None or grant.suspended_at is not None:
        return ""
    return repr(min(grant.waiting.until, grant.expires_at or grant.waiting.until))


def _grant_from(row: Sequence[bytes | None]) -> Grant | None:
    if row[0] is None:
        return None
    texts = [(value or b"").decode() for value in row]
    named = dict(zip(GrantRow._fields, texts, strict=True))
    revoked = named["revoked_at"] != ""
    return grant_of(
        GrantRow(
            id=named["id"],
            kind=named["kind"],
            hash=bytes.fromhex(named["hash"]),
            owner=named["owner"],
            issued_at=float(named["issued_at"]),
            serial=int(named["serial"]),
            version=int(named["version"]),
            revoked_at=float(named["revoked_at"]) if revoked else None,
            revoked_reason=named["revoked_reason"] if revoked else None,
            document=named["document"],
        )
    )
