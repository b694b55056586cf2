"""Owns the PostgreSQL tables, their migrations, and what the server's errors mean.

Refuses to own queries (`gateway.stores.postgres`).

Law: a database that a newer gateway has migrated is never used. Gateways that start together migrate one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import asyncpg

from gateway.core.reasons import DependencyDown, SettingsError
from gateway.stores.postgres_functions import LEASE_FUNCTIONS, RESERVATION_FUNCTIONS, TAKE_FUNCTION

__all__ = ["CHANNEL", "FAILURES", "MIGRATIONS", "SESSION_LOST", "Dependency", "explain", "mapped", "migrate"]

Dependency = Literal["grants", "revocations", "limits", "audit"]

CHANNEL: Final = "gateway_feed"
"""Where every commit that wrote to the feed is announced."""

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What the driver raises when the server refuses, or cannot be had."""

_MIGRATION_LOCK: Final = 0x67_61_74_65
"""An advisory lock's number: nothing more than the letters "gate"."""

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
        joined BOOLEAN NOT NULL,
        PRIMARY KEY (grant_id, key)
    );
    CREATE INDEX gateway_leases_end ON gateway_leases (expires_at);
    CREATE TABLE gateway_records (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        grant_id TEXT COLLATE "C",
        at DOUBLE PRECISION NOT NULL,
        document TEXT NOT NULL
    );
    CREATE INDEX gateway_records_of ON gateway_records (grant_id, at, number) WHERE grant_id IS NOT NULL;
    CREATE INDEX gateway_records_at ON gateway_records (at);
    CREATE TABLE gateway_audit (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at DOUBLE PRECISION NOT NULL,
        actor TEXT NOT NULL,
        act TEXT NOT NULL,
        target TEXT NOT NULL,
        detail TEXT NOT NULL
    );
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

_TRAIL: Final = """
    DROP TABLE gateway_audit;
    CREATE TABLE gateway_trail (number BIGINT PRIMARY KEY, text TEXT NOT NULL, digest TEXT NOT NULL);
    CREATE TABLE gateway_trail_head (number BIGINT NOT NULL, digest TEXT NOT NULL);
    INSERT INTO gateway_trail_head VALUES (0, repeat('0', 64));
"""

_SEALS: Final = """
    CREATE TABLE gateway_seals (number INTEGER PRIMARY KEY, mark TEXT NOT NULL);
    INSERT INTO gateway_seals SELECT 0, '' WHERE EXISTS (SELECT 1 FROM gateway_grants);
"""
"""The sealing keys that what is stored may be under; 0 stands for none. See `gateway.core.sealing`."""

_RESERVATIONS: Final = """
    CREATE TABLE gateway_reservations (
        grant_id TEXT COLLATE "C" NOT NULL,
        request TEXT COLLATE "C" NOT NULL,
        key TEXT COLLATE "C",
        held BIGINT NOT NULL,
        until DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (grant_id, request)
    );
    CREATE INDEX gateway_reservations_end ON gateway_reservations (until);
"""

MIGRATIONS: Final = (
    "".join((_TABLES, LEASE_FUNCTIONS, TAKE_FUNCTION)),
    _TRAIL,
    _SEALS,
    _RESERVATIONS + RESERVATION_FUNCTIONS,
)
"""Forward only: number n takes a database from form n to n + 1. Never edit one that was released."""


SESSION_LOST: Final = "GW001"
"""Raised by ourselves (`postgres_probe`), in a class that the standard leaves to us."""

_POOLED: Final = (
    "a pooler before it gives each transaction another connection, which prepared statements, SET and LISTEN do not "
    "outlive: use session pooling for this database (PgBouncer: pool_mode = session), or name the server itself"
)
_READ_ONLY: Final = (
    "it takes no writes, as a standby does: name the primary, or several hosts with the primary among them"
)
_MEANINGS: Final = {
    SESSION_LOST: _POOLED,
    "26000": _POOLED,
    "42P05": _POOLED,
    "25006": _READ_ONLY,
    "28000": "it does not let this user in",
    "28P01": "the password is wrong",
    "3D000": "there is no such database",
    "3F000": "the user of the URL may use no schema: GRANT USAGE and CREATE ON SCHEMA public",
    "42501": "the user of the URL lacks a right on the gateway's tables: GRANT it, or name the tables' owner",
    "42P01": "a table of the gateway's is gone",
    "53100": "its disk is full",
    "53300": "it has no connection left: each gateway process takes up to 11, and 2 at its start",
}
"""What codes of the standard, or of the server, mean here and what is to be done."""


def explain(error: Exception) -> str:
    """What went wrong, from the SQLSTATE and never from the server's text, which may quote values."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return f"PostgreSQL cannot be used: {_READ_ONLY}"
    state = getattr(error, "sqlstate", None)
    if state in _MEANINGS:
        return f"PostgreSQL failed ({state}): {_MEANINGS[state]}"
    return f"PostgreSQL failed ({state})" if state else f"PostgreSQL cannot be reached ({type(error).__name__})"


@contextmanager
def mapped(dependency: Dependency) -> Iterator[None]:
    """The room's wall: the driver's errors become `DependencyDown`, a broken uniqueness a ValueError."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise ValueError("a grant with this id or secret exists") from error
    except FAILURES as error:
        raise DependencyDown(dependency, explain(error)) from error


async def migrate(connection: Any) -> None:
    """Bring the tables up to date, in one transaction.

    Raises:
        SettingsError: a newer gateway has migrated this database.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        # Asked for first: whoever may not create anything may still use tables that somebody else has made.
        if await connection.fetchval("SELECT to_regclass('gateway_form')") is None:
            await connection.execute("CREATE TABLE gateway_form (version INTEGER NOT NULL)")
        version = await connection.fetchval("SELECT version FROM gateway_form") or 0
        if version > len(MIGRATIONS):
            raise SettingsError(
                f"state: a newer gateway has migrated this database (form {version}, this one knows {len(MIGRATIONS)})."
            )
        for migration in MIGRATIONS[version:]:
            await connection.execute(migration)
        if version < len(MIGRATIONS):
            await connection.execute("DELETE FROM gateway_form")
            await connection.execute("INSERT INTO gateway_form VALUES ($1)", len(MIGRATIONS))
