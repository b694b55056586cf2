"""Owns the counted uses and bytes in PostgreSQL: each call is one function inside the server, in one round trip,
and many uses that nothing limits are counted in one transaction.

Refuses to own connections (`database`) and tables (`schema`).

Law: every call locks the grant's name (an advisory lock, until the commit) before it reads anything. A
reservation's time is the server's own, as replicas' clocks may be far apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.lease import UNKEPT_SECONDS, Lease, Reservation, Room, Settlement, Usage, Use
from gateway.stores.postgres.database import PostgresDatabase
from gateway.stores.uses import CountingSql, together


def _open_lease(create: str, lapsed: str) -> str:
    """`lapsed` says which leases `l` are forgotten on the way, some at a time."""
    return f"""
    {create} FUNCTION gateway_open_lease(
        a_grant TEXT, a_key TEXT, a_request TEXT, allowed BIGINT, instant DOUBLE PRECISION, span DOUBLE PRECISION,
        seconds DOUBLE PRECISION
    ) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
    DECLARE
        had BOOLEAN;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(a_grant, 1));
        SELECT l.kept INTO had FROM gateway_leases AS l
        WHERE l.grant_id = a_grant AND l.key = a_key AND l.expires_at > instant;
        IF FOUND THEN
            IF NOT had THEN
                PERFORM gateway_hold(a_grant, a_key, a_request, 0, seconds);
            END IF;
            RETURN FALSE;
        END IF;
        INSERT INTO gateway_usage AS u (grant_id, uses, moved, last_used_at)
        SELECT a_grant, 1, 0, instant WHERE allowed IS NULL OR allowed > 0
        ON CONFLICT (grant_id) DO UPDATE SET uses = u.uses + 1, last_used_at = instant
        WHERE allowed IS NULL OR u.uses < allowed;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        DELETE FROM gateway_leases WHERE (grant_id, key) IN (
            SELECT l.grant_id, l.key FROM gateway_leases AS l WHERE {lapsed}
            LIMIT 8 FOR UPDATE SKIP LOCKED
        );
        INSERT INTO gateway_leases VALUES (a_grant, a_key, instant + span, 0, FALSE)
        ON CONFLICT (grant_id, key) DO UPDATE SET expires_at = EXCLUDED.expires_at, moved = 0, kept = FALSE;
        PERFORM gateway_hold(a_grant, a_key, a_request, 0, seconds);
        RETURN TRUE;
    END $$;
"""  # noqa: S608 (texts of this module)


_HOLDING: Final = """
    CREATE FUNCTION gateway_clock() RETURNS DOUBLE PRECISION LANGUAGE sql AS $$
        SELECT extract(epoch FROM clock_timestamp())::DOUBLE PRECISION
    $$;

    CREATE FUNCTION gateway_hold(
        a_grant TEXT, a_key TEXT, a_request TEXT, bytes BIGINT, seconds DOUBLE PRECISION
    ) RETURNS VOID LANGUAGE plpgsql AS $$
    BEGIN
        IF a_request <> '' THEN
            INSERT INTO gateway_reservations AS r VALUES (a_grant, a_request, a_key, bytes, gateway_clock() + seconds)
            ON CONFLICT (grant_id, request) DO UPDATE SET held = r.held + bytes, until = EXCLUDED.until;
        END IF;
    END $$;
"""
_MOVING: Final = """
    CREATE FUNCTION gateway_give_back(a_grant TEXT, a_key TEXT, a_request TEXT, lapsed BOOLEAN)
    RETURNS BOOLEAN LANGUAGE plpgsql AS $$
    DECLARE
        bytes BIGINT;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(a_grant, 1));
        DELETE FROM gateway_reservations AS r WHERE r.grant_id = a_grant AND r.request = a_request
        AND (NOT lapsed OR r.until <= gateway_clock()) RETURNING r.held INTO bytes;
        IF lapsed AND bytes IS NULL THEN
            RETURN FALSE;
        END IF;
        bytes := coalesce(bytes, 0);
        UPDATE gateway_usage SET moved = greatest(0, moved - bytes) WHERE grant_id = a_grant;
        UPDATE gateway_leases SET moved = greatest(0, moved - bytes) WHERE grant_id = a_grant AND key = a_key;
        DELETE FROM gateway_leases WHERE grant_id = a_grant AND key = a_key AND NOT kept AND moved = 0
        AND NOT EXISTS (SELECT FROM gateway_reservations AS r WHERE r.grant_id = a_grant AND r.key = a_key);
        IF FOUND THEN
            UPDATE gateway_usage SET uses = uses - 1 WHERE grant_id = a_grant;
        END IF;
        DELETE FROM gateway_usage WHERE grant_id = a_grant AND uses = 0 AND moved = 0;
        RETURN TRUE;
    END $$;

    CREATE FUNCTION gateway_reserve(
        a_grant TEXT, a_key TEXT, a_request TEXT, wanted BIGINT, budget NUMERIC, cap NUMERIC, seconds DOUBLE PRECISION
    ) RETURNS TEXT LANGUAGE plpgsql AS $$
    DECLARE
        used NUMERIC;
        lent NUMERIC;
        of_grant NUMERIC;
        of_lease NUMERIC;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(a_grant, 1));
        SELECT l.moved INTO lent FROM gateway_leases AS l WHERE l.grant_id = a_grant AND l.key = a_key;
        IF cap IS NOT NULL AND NOT FOUND THEN
            RETURN 'spent';
        END IF;
        used := coalesce((SELECT u.moved FROM gateway_usage AS u WHERE u.grant_id = a_grant), 0);
        IF used + wanted > budget OR lent + wanted > cap THEN
            SELECT coalesce(sum(r.held), 0), coalesce(sum(r.held) FILTER (WHERE r.key = a_key), 0)
            INTO of_grant, of_lease FROM gateway_reservations AS r WHERE r.grant_id = a_grant;
            IF used - of_grant + wanted > budget OR lent - of_lease + wanted > cap THEN
                RETURN 'spent';
            END IF;
            RETURN 'held';
        END IF;
        INSERT INTO gateway_usage AS u (grant_id, uses, moved) VALUES (a_grant, 0, wanted)
        ON CONFLICT (grant_id) DO UPDATE SET moved = u.moved + wanted;
        UPDATE gateway_leases SET moved = moved + wanted WHERE grant_id = a_grant AND key = a_key;
        PERFORM gateway_hold(a_grant, a_key, a_request, wanted, seconds);
        RETURN 'taken';
    END $$;

    CREATE FUNCTION gateway_settle(
        a_grant TEXT, a_key TEXT, a_request TEXT, bytes BIGINT, instant DOUBLE PRECISION,
        ends BOOLEAN, keeps BOOLEAN, bounded BOOLEAN, seconds DOUBLE PRECISION
    ) RETURNS VOID LANGUAGE plpgsql AS $$
    DECLARE
        reserved BIGINT;
        counted BIGINT := bytes;
        freed BIGINT;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(a_grant, 1));
        SELECT r.held INTO reserved FROM gateway_reservations AS r
        WHERE r.grant_id = a_grant AND r.request = a_request;
        IF bounded THEN
            counted := least(bytes, coalesce(reserved, 0));
        END IF;
        freed := CASE WHEN ends THEN coalesce(reserved, 0) ELSE least(coalesce(reserved, 0), counted) END;
        INSERT INTO gateway_usage AS u (grant_id, uses, moved, last_used_at)
        VALUES (a_grant, 0, greatest(0, counted - freed), instant)
        ON CONFLICT (grant_id) DO UPDATE SET moved = greatest(0, u.moved + counted - freed), last_used_at = instant;
        UPDATE gateway_leases SET moved = greatest(0, moved + counted - freed), kept = kept OR keeps
        WHERE grant_id = a_grant AND key = a_key;
        IF ends THEN
            DELETE FROM gateway_reservations WHERE grant_id = a_grant AND request = a_request;
        ELSIF reserved IS NOT NULL THEN
            PERFORM gateway_hold(a_grant, a_key, a_request, -freed, seconds);
        END IF;
    END $$;
"""
LEASE_FUNCTIONS: Final = _HOLDING + _open_lease("CREATE", "l.expires_at <= instant") + _MOVING
"""`gateway_open_lease` answers NULL when no use is left."""

KEEP_UNKEPT: Final = _open_lease(
    "CREATE OR REPLACE", f"l.expires_at <= instant AND (l.kept OR l.expires_at <= instant - {UNKEPT_SECONDS})"
)
"""The form since which what still runs by a lease that nobody kept can give its use back."""

_COUNTING: Final = CountingSql.of("gateway_", "$5")
_USED: Final = """
WITH used (grant_id, key, moved, at) AS (
    SELECT grant_id COLLATE "C", key COLLATE "C", moved, at
    FROM unnest($1::TEXT[], $2::TEXT[], $3::BIGINT[], $4::DOUBLE PRECISION[]) AS u (grant_id, key, moved, at)
)
"""
_LOCK: Final = """
SELECT pg_advisory_xact_lock(name) FROM
(SELECT DISTINCT hashtextextended(grant_id, 1) AS name FROM unnest($1::TEXT[]) AS u (grant_id) ORDER BY name) AS grants
"""
"""In one order, and before any row: of those who count many, none waits for what another holds in a circle."""
_SWEEP: Final = f"""
DELETE FROM gateway_leases WHERE (grant_id, key) IN (
    SELECT l.grant_id, l.key FROM gateway_leases AS l
    WHERE l.expires_at <= $1 AND (l.kept OR l.expires_at <= $1 - {UNKEPT_SECONDS}) LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 (a number of ours)
_COUNTED_AT_ONCE: Final = 200
_SWEPT_FOR_EACH: Final = 8

_GIVE_BACK: Final = "SELECT gateway_give_back($1, $2, $3, $4)"
_LAPSED: Final = "SELECT grant_id, key, request FROM gateway_reservations WHERE until <= gateway_clock() LIMIT 200"


class PostgresLeases:
    """A `LeaseStore`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        statement = "SELECT gateway_open_lease($1, $2, $3, $4, $5, $6, $7)"
        values = (mine.grant_id, mine.key or "", mine.request, uses, now, window, mine.seconds)
        ((fresh,),) = await self._database.read("grants", statement, *values)
        return None if fresh is None else Lease(mine.grant_id, mine.key or "", fresh=fresh)

    async def give_back(self, mine: Reservation) -> None:
        await self._database.read("grants", _GIVE_BACK, mine.grant_id, mine.key, mine.request, False)

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        statement = "SELECT gateway_reserve($1, $2, $3, $4, $5, $6, $7)"
        values = (mine.grant_id, mine.key, mine.request, wanted, budget, cap, mine.seconds)
        ((room,),) = await self._database.read("grants", statement, *values)
        return Room(room)

    async def settle_bytes(self, mine: Reservation, done: Settlement, now: float) -> None:
        statement = "SELECT gateway_settle($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        names = (mine.grant_id, mine.key, mine.request)
        how = (done.ends, done.keeps, done.bounded)
        await self._database.read("grants", statement, *names, done.moved, now, *how, mine.seconds)

    async def count_uses(self, uses: Sequence[Use], window: float) -> None:
        for start in range(0, len(uses), _COUNTED_AT_ONCE):
            some = together(uses[start : start + _COUNTED_AT_ONCE])
            rows = [list(column) for column in zip(*[(u.grant_id, u.key, u.moved, u.at) for u in some], strict=True)]
            async with self._database.connection("grants") as tx:
                async with tx.transaction():
                    await tx.execute(_LOCK, rows[0])
                    await tx.execute(_USED + _COUNTING.used, *rows)
                    opened = await tx.execute(_USED + _COUNTING.opened, *rows, window)
                    await tx.execute(_USED + _COUNTING.kept, *rows)
                if opened != "INSERT 0 0":
                    await tx.execute(_SWEEP, min(rows[3]), _SWEPT_FOR_EACH * len(some))

    async def release_lapsed(self) -> int:
        # One at a time: each holds its grant's lock, and none may wait for a lock while it holds another.
        lapsed = await self._database.read("grants", _LAPSED)
        given_back = [await self._database.read("grants", _GIVE_BACK, *names, True) for names in lapsed]
        return sum(bool(done) for ((done,),) in given_back)

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        statement = "SELECT grant_id, uses, moved, last_used_at FROM gateway_usage WHERE grant_id = ANY ($1)"
        return {row[0]: Usage(*row[1:]) for row in await self._database.read("grants", statement, grant_ids)}
