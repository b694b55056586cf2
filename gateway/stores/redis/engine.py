"""Owns the engine on Redis or Valkey: limits that replicas share and, where the operator accepts it, all the rest.

Refuses to own what each store does (the modules beside it) and the operator's consent to its durability
(`gateway.stores.state`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gateway.core.reasons import DependencyDown, SettingsError
from gateway.stores.engine import Engine
from gateway.stores.redis.errors import explain
from gateway.stores.redis.feed import RedisFeed
from gateway.stores.redis.grants import RedisGrants
from gateway.stores.redis.leases import RedisLeases
from gateway.stores.redis.ledger import RedisLedger
from gateway.stores.redis.limits import RedisLimits
from gateway.stores.redis.probe import TRIAL, eviction_fault, require_working
from gateway.stores.redis.seals import RedisSeals
from gateway.stores.redis.server import FAILURES, RedisServer, connect


async def open_redis(url: str, *, clock: Callable[[], float] = time.time, counts_only: bool = False) -> Engine:
    """Connect. `counts_only` says that nothing but limits is kept here: what is lost then comes back by itself.

    Raises:
        SettingsError: the URL is wrong, or the server cannot be reached or refuses us.
    """
    server = await _open(url, clock, counts_only=counts_only)

    async def probe() -> float:
        seconds, micros = await server.write("grants", TRIAL)
        with server.reach("grants") as client:
            if not counts_only and (fault := await eviction_fault(client)) is not None:
                raise DependencyDown("grants", fault)
        return int(seconds) + int(micros) / 1e6

    return Engine(
        grants=RedisGrants(server),
        leases=RedisLeases(server),
        limits=RedisLimits(server),
        feed=RedisFeed(server),
        ledger=RedisLedger(server),
        seals=RedisSeals(server),
        probe=probe,
        close=server.close,
    )


async def _open(url: str, clock: Callable[[], float], *, counts_only: bool) -> RedisServer:
    client: Any = None
    try:
        client = connect(url)
        return RedisServer(client, clock, syncs=await require_working(client, counts_only=counts_only))
    except BaseException as error:
        if client is not None:
            await client.aclose()
        if isinstance(error, (*FAILURES, ValueError)):
            raise SettingsError(f"state: {explain(error)}.") from error
        raise
