"""Owns the PostgreSQL tables and their migrations.

Refuses to own queries and the functions inside the server (the stores beside it).

Law: a database that a newer gateway has migrated is never used. Gateways that start together migrate one at a time.
Whoever waits for a table keeps all others waiting who come later: gateways that run wait no longer than a second
at once for one that waits for a dump to end.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
import structlog

from gateway.core.reasons import SettingsError
from gateway.stores.postgres.leases import KEEP_UNKEPT, LEASE_FUNCTIONS
from gateway.stores.postgres.limits import TAKE_FUNCTION

_MIGRATION_LOCK: Final = 0x67_61_74_65
"""An advisory lock's number: nothing more than the letters "gate"."""

_LOCK_SECONDS: Final = 1
_PAUSE_SECONDS: Final = 4.0
"""How long a table is waited for at once, and how long others have it before it is waited for again."""

_log = structlog.get_logger("gateway")

_TABLES: Final = """
    CREATE TABLE gateway_serial (last BIGINT NOT NULL);
    INSERT INTO gateway_serial VALUES (0);
    CREATE TABLE gateway_grants (
        serial BIGINT PRIMARY KEY,
        id TEXT COLLATE "C" NOT NULL UNIQUE,
        hash BYTEA NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        owner TEXT COLLATE "C" NOT NULL,
        version BIGINT NOT NULL,
        issued_at DOUBLE PRECISION NOT NULL,
        not_before DOUBLE PRECISION,
        expires_at DOUBLE PRECISION,
        uses BIGINT,
        budget BIGINT,
        bucket TEXT COLLATE "C",
        root TEXT COLLATE "C",
        label TEXT COLLATE "C",
        rule TEXT COLLATE "C",
        session BOOLEAN NOT NULL,
        revoked_at DOUBLE PRECISION,
        revoked_reason TEXT,
        document TEXT NOT NULL
    );
    CREATE INDEX gateway_grants_owner ON gateway_grants (owner);
    CREATE INDEX gateway_grants_bucket ON gateway_grants (bucket);
    CREATE INDEX gateway_grants_rule ON gateway_grants (rule) WHERE rule IS NOT NULL;
    CREATE INDEX gateway_grants_session ON gateway_grants (expires_at) WHERE session;
    CREATE TABLE gateway_seals (number INTEGER PRIMARY KEY, mark TEXT NOT NULL);
    CREATE TABLE gateway_feed (
        serial BIGINT PRIMARY KEY,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        prefix TEXT NOT NULL,
        at DOUBLE PRECISION NOT NULL,
        reason TEXT NOT NULL,
        by TEXT NOT NULL,
        revokes BOOLEAN NOT NULL
    );
    CREATE INDEX gateway_feed_revoking ON gateway_feed (serial) WHERE revokes;
    CREATE INDEX gateway_feed_notices ON gateway_feed (at) WHERE NOT revokes;
    CREATE TABLE gateway_idempotency (
        text TEXT COLLATE "C" PRIMARY KEY,
        grant_id TEXT COLLATE "C" NOT NULL REFERENCES gateway_grants (id) ON DELETE CASCADE,
        at DOUBLE PRECISION NOT NULL
    );
    CREATE INDEX gateway_idempotency_at ON gateway_idempotency (at);
    CREATE INDEX gateway_idempotency_grant ON gateway_idempotency (grant_id);
    CREATE TABLE gateway_usage (
        grant_id TEXT COLLATE "C" PRIMARY KEY,
        uses BIGINT NOT NULL,
        moved BIGINT NOT NULL,
        last_used_at DOUBLE PRECISION
    );
    CREATE TABLE gateway_leases (
        grant_id TEXT COLLATE "C" NOT NULL,
        key TEXT COLLATE "C" NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL,
        moved BIGINT NOT NULL,
        kept BOOLEAN NOT NULL,
        PRIMARY KEY (grant_id, key)
    );
    CREATE INDEX gateway_leases_end ON gateway_leases (expires_at);
    CREATE TABLE gateway_reservations (
        grant_id TEXT COLLATE "C" NOT NULL,
        request TEXT COLLATE "C" NOT NULL,
        key TEXT COLLATE "C",
        held BIGINT NOT NULL,
        until DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (grant_id, request)
    );
    CREATE INDEX gateway_reservations_end ON gateway_reservations (until);
    CREATE TABLE gateway_records (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        grant_id TEXT COLLATE "C",
        at DOUBLE PRECISION NOT NULL,
        document TEXT NOT NULL
    );
    CREATE INDEX gateway_records_of ON gateway_records (grant_id, at, number) WHERE grant_id IS NOT NULL;
    CREATE INDEX gateway_records_at ON gateway_records (at);
    CREATE TABLE gateway_trail (number BIGINT PRIMARY KEY, text TEXT NOT NULL, digest TEXT NOT NULL);
    CREATE TABLE gateway_trail_head (number BIGINT NOT NULL, digest TEXT NOT NULL);
    INSERT INTO gateway_trail_head VALUES (0, repeat('0', 64));
    CREATE UNLOGGED TABLE gateway_limits (
        key TEXT COLLATE "C" PRIMARY KEY,
        backlog DOUBLE PRECISION NOT NULL,
        at BIGINT NOT NULL,
        ends BIGINT NOT NULL
    );
    CREATE INDEX gateway_limits_ends ON gateway_limits (ends);
    CREATE FUNCTION gateway_announce() RETURNS TRIGGER LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('gateway_feed', '');
        RETURN NULL;
    END $$;
    CREATE TRIGGER gateway_announce AFTER INSERT ON gateway_feed
    FOR EACH STATEMENT EXECUTE FUNCTION gateway_announce();
"""
"""A lease is `kept` once its use can no longer be given back."""

MIGRATIONS: Final = (
    "".join((_TABLES, LEASE_FUNCTIONS, TAKE_FUNCTION)),
    "ALTER TABLE gateway_grants ADD COLUMN suspended_at DOUBLE PRECISION",
    """
    ALTER TABLE gateway_grants ADD COLUMN waiting_until DOUBLE PRECISION;
    CREATE INDEX gateway_grants_waiting ON gateway_grants (waiting_until) WHERE waiting_until IS NOT NULL;
    CREATE INDEX gateway_grants_end ON gateway_grants (expires_at) WHERE expires_at IS NOT NULL;
    """,
    # The indexes of `gateway.stores.lists`. A form each for what takes long among a million grants: an older gateway
    # beside this one writes in between.
    """
    CREATE INDEX gateway_grants_kind ON gateway_grants (kind, serial);
    CREATE INDEX gateway_grants_revoked ON gateway_grants (kind, serial) WHERE revoked_at IS NOT NULL;
    CREATE INDEX gateway_grants_suspended ON gateway_grants (kind, serial) WHERE suspended_at IS NOT NULL;
    CREATE INDEX gateway_grants_marked ON gateway_grants (kind, serial) WHERE waiting_until IS NOT NULL;
    DROP INDEX gateway_grants_waiting;
    CREATE INDEX gateway_grants_lapses ON gateway_grants (waiting_until, serial) WHERE waiting_until IS NOT NULL;
    """,
    """
    DROP INDEX gateway_grants_owner;
    CREATE INDEX gateway_grants_owner ON gateway_grants (owner, kind, serial);
    """,
    """
    DROP INDEX gateway_grants_bucket;
    CREATE INDEX gateway_grants_bucket ON gateway_grants (bucket, serial) WHERE bucket IS NOT NULL;
    """,
    "CREATE INDEX gateway_grants_place ON gateway_grants (bucket, root, serial) WHERE bucket IS NOT NULL",
    "CREATE INDEX gateway_grants_label ON gateway_grants (label, kind, serial) WHERE label IS NOT NULL",
    """
    DROP INDEX gateway_grants_end;
    CREATE INDEX gateway_grants_ends ON gateway_grants (expires_at, serial) WHERE expires_at IS NOT NULL;
    CREATE INDEX gateway_grants_endless ON gateway_grants (kind, serial) WHERE expires_at IS NULL;
    CREATE INDEX gateway_grants_limited ON gateway_grants (kind, serial) WHERE uses IS NOT NULL OR budget IS NOT NULL
        OR document LIKE '%"max_files":%' OR document LIKE '%"total_bytes":%';
    CREATE INDEX gateway_grants_begins ON gateway_grants (not_before, serial) WHERE not_before IS NOT NULL;
    """,
    KEEP_UNKEPT,
)
"""Forward only: number n takes a database from form n to n + 1. Never edit one that was released."""


async def migrate(connection: Any) -> None:
    """Bring the tables up to date, in a transaction for each form: gateways that run write in between.

    Raises:
        SettingsError: a newer gateway has migrated this database.
    """
    version, told = -1, False
    while version < len(MIGRATIONS):
        try:
            version = await _take_a_step(connection)
        except asyncpg.LockNotAvailableError:
            if not told:
                _log.warning("the state's tables are locked, by a dump of them perhaps: their update waits for its end")
            told = True
            await asyncio.sleep(_PAUSE_SECONDS)


async def find_form(connection: Any) -> int:
    """The form of the tables, 0 where there are none."""
    there = await connection.fetchval("SELECT to_regclass('gateway_form')")
    return 0 if there is None else await connection.fetchval("SELECT version FROM gateway_form") or 0


async def _take_a_step(connection: Any) -> int:
    """Go on by one form, if there is one; returns which one was found."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        # Asked for first: a user without the right to create tables may use those that another user made.
        if await connection.fetchval("SELECT to_regclass('gateway_form')") is None:
            await connection.execute("CREATE TABLE gateway_form (version INTEGER NOT NULL)")
        version: int = await connection.fetchval("SELECT version FROM gateway_form") or 0
        if version > len(MIGRATIONS):
            raise SettingsError(
                f"state: a newer gateway has migrated this database (form {version}, this one knows {len(MIGRATIONS)})."
            )
        for number in range(version, min(version + 1, len(MIGRATIONS))):
            await connection.execute(MIGRATIONS[number])
            await connection.execute("DELETE FROM gateway_form")
            await connection.execute("INSERT INTO gateway_form VALUES ($1)", number + 1)
    return version
