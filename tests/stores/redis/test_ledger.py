"""The Redis trail against somebody who can write to the server; pages; what pruning leaves."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.core.lease import Reservation
from gateway.core.record import AuditEvent
from gateway.core.trail import Inspection
from gateway.stores.engine import Engine
from gateway.stores.redis.engine import open_redis
from tests.contract.conftest import empty_valkey
from tests.contract.sample import NOW, key, link, record

KEY = "{gateway}:trail"


@pytest.mark.parametrize("gone", [None, 1, 2, 3])
async def test_a_deletion_on_the_server_is_found(valkey_url: str, gone: int | None) -> None:
    """Wherever the entry was, also at the end; an untouched trail has no fault."""
    await empty_valkey(valkey_url)
    state = await open_redis(valkey_url)
    for number in range(1, 4):
        await state.ledger.audit(AuditEvent(at=1.0, actor="admin:ops", act="revoke", target=f"l_{number}"))
    if gone is not None:
        async with Redis.from_url(valkey_url) as client:
            assert await client.xdel(KEY, f"{gone}-0") == 1
    page = await state.ledger.trail(0, 10)
    inspection = Inspection()
    found = [*inspection.faults(page.entries), *inspection.end(page.head)]
    assert bool(found) is (gone is not None)
    await state.close()


async def test_a_record_that_comes_while_a_page_is_read_doubles_none(url: str) -> None:
    """What is newer than the page moves every place in the set behind it."""
    state = await open_redis(url)
    await state.ledger.append([record("l_1", NOW + number) for number in range(3)])
    read = state.feed._server._client.zrange

    async def interrupted(*arguments: Any, **options: Any) -> Any:
        state.feed._server._client.zrange = read
        rows = await read(*arguments, **options)
        await state.ledger.append([record("l_1", NOW + 10)])
        return rows

    state.feed._server._client.zrange = interrupted
    page = await state.ledger.records_of("l_1", None, 10)
    assert [NOW + 2, NOW + 1, NOW] == [found.at for found in page.records]
    await state.close()


async def test_a_forgotten_key_leaves_nothing(state: Engine) -> None:
    """After pruning, no name of the lapsed key is left but the counter of serials."""
    lapsed = await state.grants.create(key(session_hash=link().hash, expires_at=NOW))
    await state.leases.open_lease(Reservation(lapsed.id, "k"), None, NOW, 0)
    await state.ledger.prune(NOW + 10)
    left = {
        name.decode().removeprefix("{gateway}:").partition(":")[0]
        for name in await state.feed._server._client.keys("*")
    }
    assert left <= {"serial", "feed", "lease"}
