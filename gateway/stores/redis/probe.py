"""Owns finding out whether a Redis or Valkey server does everything that the engine needs.

Refuses to own connections and the wall for errors (`server`), which these functions are called behind.

Law: what is tried is behaviour: a script that writes. Only what would be lost later is asked for: eviction, saving.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog
from redis.exceptions import NoPermissionError, ResponseError

from gateway.core.reasons import SettingsError
from gateway.stores.redis.server import PREFIX

_log = structlog.get_logger("gateway")

TRIAL: Final = """
redis.call('SET', ARGV[1] .. 'probe', '1')
redis.call('DEL', ARGV[1] .. 'probe')
local time = redis.call('TIME')
return {time[1], time[2]}
"""
"""Writes something of no meaning and takes it back; answers the server's clock."""


async def require_working(client: Any, *, counts_only: bool) -> bool:
    """See that the server can do its work here; returns whether it can be asked to sync writes.

    Raises:
        SettingsError: it drops keys that must not be lost.
        redis.exceptions.RedisError: it cannot; `explain` says what to do.
    """
    facts = await client.info("persistence")
    saves = bool(int(facts.get("aof_enabled", 0)))
    await client.get(f"{PREFIX}probe")  # a node of a cluster says of a plain command where the key is
    await client.register_script(TRIAL)(args=[PREFIX])
    if counts_only:
        return False
    if (fault := await eviction_fault(client)) is not None:
        raise SettingsError(f"state: {fault}.")
    await client.zrange(f"{PREFIX}probe", "-inf", "+inf", byscore=True)  # lists are read so; Redis 6.0 cannot
    if not saves and await _setting(client, "save") == "":
        _log.warning("Redis saves nothing: grants and revocations end with its process; turn appendonly on")
    if not saves or not await _can_sync(client):
        return False
    syncing = await _setting(client, "appendfsync")
    if syncing == "everysec":
        # Its answer comes with its clock's next tick, and not when the file is synced.
        _log.warning("Redis syncs with its clock: each change of a grant waits up to 0.1 s; set appendfsync always")
    elif syncing == "no":
        _log.warning("Redis leaves syncing to its system: a power cut takes what is new along; set appendfsync always")
    return syncing != "no"


async def eviction_fault(client: Any) -> str | None:
    """Why grants that are kept there may vanish."""
    facts: Mapping[str, Any] = await client.info("memory")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return None
    return f"Redis drops grants and revocations once its memory is full ({policy}): set maxmemory-policy noeviction"


async def _can_sync(client: Any) -> bool:
    """Whether the server knows WAITAOF (Redis and Valkey from 7.2 on)."""
    try:
        await client.execute_command("WAITAOF", 0, 0, 1)
    except NoPermissionError:
        raise
    except ResponseError:
        return False
    return True


async def _setting(client: Any, name: str) -> str | None:
    """None where the server does not say: managed ones keep their settings to themselves."""
    try:
        found: str | None = (await client.config_get(name)).get(name)
    except ResponseError:
        return None
    return found
