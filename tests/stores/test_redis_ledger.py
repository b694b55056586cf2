"""The Redis trail against somebody who can write to the server."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from gateway.core.record import AuditEvent
from gateway.core.trail import Inspection
from gateway.stores.redis import RedisState
from tests.contract.conftest import empty_valkey

KEY = "{gateway}:trail"


@pytest.mark.parametrize("gone", [None, 1, 2, 3])
async def test_a_deletion_on_the_server_is_found(valkey_url: str, gone: int | None) -> None:
    """Wherever the entry was, also at the end; an untouched trail has no fault."""
    await empty_valkey(valkey_url)
    state = RedisState(valkey_url)
    await state.open()
    for number in range(1, 4):
        await state.audit(AuditEvent(at=1.0, actor="admin:ops", act="revoke", target=f"l_{number}"))
    if gone is not None:
        async with Redis.from_url(valkey_url) as client:
            assert await client.xdel(KEY, f"{gone}-0") == 1
    page = await state.trail(0, 10)
    inspection = Inspection()
    found = [*inspection.faults(page.entries), *inspection.end(page.head)]
    assert bool(found) is (gone is not None)
    await state.close()
