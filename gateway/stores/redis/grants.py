"""Owns the grants in Redis: a hash each, and sets that find them by owner, rule and bucket.

Refuses to own connections (`server`), indexes (`scripts`) and revoking (`feed`). A field that is not set is an empty
text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from gateway.core.grant import Grant, GrantFilter, GrantPage
from gateway.core.grant_codec import GrantRow, document_of
from gateway.core.reasons import DependencyDown
from gateway.core.revocation_target import RevocationTarget
from gateway.core.token import SecretHash
from gateway.stores.codec import check_storable, storable_id
from gateway.stores.redis.pages import read_page
from gateway.stores.redis.rows import grant_from
from gateway.stores.redis.scripts import HITS, INDEX
from gateway.stores.redis.server import PREFIX, RedisServer
from gateway.stores.redis.shelves import put_on_shelves, read_before
from gateway.stores.select import IDEMPOTENCY_WINDOW, ended_before

_BATCH: Final = 200

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
        return (await self.save_all([grant]))[0]

    async def save_all(self, grants: Sequence[Grant]) -> Sequence[Grant | None]:
        now = repr(self._server.clock())
        edits = []
        for grant in grants:
            check_storable(grant)
            edits.append((grant.id, grant.version, grant.hash.hex(), now, *edited_fields(grant)))
        done = await self._server.write_all("grants", _SAVE, edits)
        if any(answer < 0 for answer in done):
            raise ValueError("a grant with this secret exists")
        saved = await self._read_all([grant.id for grant, answer in zip(grants, done, strict=True) if answer])
        return [saved.get(grant.id) for grant in grants]

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        return await read_page(self._server, wanted, cursor, limit)

    async def count(self, target: RevocationTarget) -> int:
        return int(await self._server.run("grants", _COUNT, str(target.kind), target.name, target.prefix))

    async def count_waiting(self, now: float) -> int:
        with self._server.reach("grants") as client:
            return int(await client.zcount(f"{PREFIX}waiting", f"({now!r}", "+inf"))

    async def prune_ended(self, before: float) -> int:
        await put_on_shelves(self._server)
        return sum([await self._prune(shelf, before) for shelf in ("ends", "lapses")])

    async def _prune(self, shelf: str, before: float) -> int:
        """How many of an ordered shelf were forgotten: each that is still as it was read, and had ended then."""
        forgotten = passed = 0
        while names := await read_before(self._server, shelf, before, passed, _BATCH):
            grants = (await self._read_all(names)).values()
            ended = [(grant.id, grant.version) for grant in grants if ended_before(grant, before)]
            gone = int(await self._server.run("grants", _PRUNE, *(word for pair in ended for word in pair)))
            forgotten += gone
            passed += len(names) - gone  # they stay on it: what was revived now, and what an older gateway left there
        return forgotten

    async def _read(self, grant_id: str) -> Grant | None:
        with self._server.reach("grants") as client:
            return _read_row(await client.hmget(f"{PREFIX}grant:{grant_id}", GrantRow._fields))

    async def _read_all(self, names: Sequence[str]) -> dict[str, Grant]:
        """Those of them that are there."""
        with self._server.reach("grants") as client:
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.hmget(f"{PREFIX}grant:{name}", GrantRow._fields)
            rows = await pipe.execute()
        return {grant.id: grant for grant in map(_read_row, rows) if grant is not None}

    async def _require(self, grant_id: str) -> Grant:
        grant = await self._read(grant_id)
        if grant is None:
            raise DependencyDown("grants", "a grant vanished while it was written")
        return grant


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


def _read_row(row: Sequence[bytes | None]) -> Grant | None:
    return grant_from([None if value is None else value.decode() for value in row])
