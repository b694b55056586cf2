"""Owns finding out whether a PostgreSQL server, and what stands before it, does everything that the engine needs.

Refuses to own the tables (`schema`) and when it is asked (`engine`, and `gateway.stores.monitor` while it runs).

Law: what is tried is behaviour, never a version or a name: a pooler that shares connections between transactions
answers most of what it is asked, and breaks the rest.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

from gateway.core.reasons import SettingsError
from gateway.stores.postgres.database import require_primary
from gateway.stores.postgres.errors import SESSION_LOST

_OLDEST: Final = 11
"""The first version that knows EXECUTE FUNCTION, which the tables' trigger is made with."""

_NOTIFY_SECONDS: Final = 1.0
_RIGHTS: Final = """
    SELECT needed.right || ' on ' || needed.place
    FROM (SELECT split_part(word, ':', 1), unnest(string_to_array(split_part(word, ':', 2), ','))
          FROM unnest($1::TEXT[]) AS word) AS needed (place, "right")
    WHERE NOT has_table_privilege(needed.place, needed.right)
"""
_NEEDED: Final = (
    "gateway_form:SELECT",
    "gateway_serial:SELECT,UPDATE",
    "gateway_grants:SELECT,INSERT,UPDATE,DELETE",
    "gateway_idempotency:SELECT,INSERT,DELETE",
    "gateway_seals:SELECT,INSERT,DELETE",
    "gateway_feed:SELECT,INSERT,DELETE",
    "gateway_usage:SELECT,INSERT,UPDATE,DELETE",
    "gateway_leases:SELECT,INSERT,UPDATE,DELETE",
    "gateway_reservations:SELECT,INSERT,UPDATE,DELETE",
    "gateway_records:SELECT,INSERT,DELETE",
    "gateway_trail:SELECT,INSERT",
    "gateway_trail_head:SELECT,UPDATE",
    "gateway_limits:SELECT,INSERT,UPDATE,DELETE",
)
_TRIAL: Final = (
    "INSERT INTO gateway_leases VALUES ('probe', $1, 0, 0, FALSE)",
    "DELETE FROM gateway_leases WHERE grant_id = 'probe' AND key = $1",
)


async def require_session(first: Any, second: Any) -> None:
    """See that each of two connections keeps what was set on it.

    Simple statements only, which every pooler passes. The two take turns unevenly, so that neither one shared
    connection nor any number of them in rotation can look like two of their own.

    Raises:
        asyncpg.PostgresError: it does not; `explain` says what to do.
    """
    own = {first: secrets.token_hex(8), second: secrets.token_hex(8)}
    for connection, mark in own.items():
        await connection.execute(f"SELECT set_config('gateway.session', '{mark}', FALSE)")
    for connection in (first, first, first, second, second, first):
        await connection.execute(
            f"DO $$ BEGIN IF current_setting('gateway.session', TRUE) IS DISTINCT FROM '{own[connection]}' "
            f"THEN RAISE EXCEPTION USING ERRCODE = '{SESSION_LOST}'; END IF; END $$"
        )


async def can_announce(first: Any, second: Any) -> bool:
    """Whether what one connection announces reaches another."""
    channel, received = f"gateway_probe_{secrets.token_hex(8)}", asyncio.Event()
    await second.add_listener(channel, lambda *_: received.set())
    await first.execute(f"NOTIFY {channel}")
    try:
        async with asyncio.timeout(_NOTIFY_SECONDS):
            await received.wait()
    except TimeoutError:
        return False
    return True


async def require_rights(connection: Any) -> None:
    """See that the user may do what the engine does to its tables, which may be another one's.

    Raises:
        SettingsError: it may not, or the server is too old.
    """
    version = connection.get_server_version()
    if version.major < _OLDEST:
        raise SettingsError(f"state: the server is PostgreSQL {version.major}: {_OLDEST} or newer is needed.")
    lacking = [row[0] for row in await connection.fetch(_RIGHTS, _NEEDED)]
    if lacking:
        raise SettingsError(
            f"state: the user of the URL lacks {', '.join(lacking)}: GRANT it, or name the tables' owner."
        )


async def try_session(first: Any, second: Any) -> float:
    """Keep a session, write, and take it back; returns the server's clock in seconds since the epoch.

    Raises what the driver raises.
    """
    await require_session(first, second)
    for connection in (first, second):
        await require_primary(connection)
    name = secrets.token_hex(8)
    async with first.transaction():
        for statement in _TRIAL:
            await first.execute(statement, name)
    clock: float = await second.fetchval("SELECT extract(epoch FROM clock_timestamp())::FLOAT8")
    return clock
