"""Owns the parts of the PostgreSQL engine that run inside the server: leases and limits, each in one round trip.

Refuses to own tables (`gateway.stores.postgres_schema`).

Law: whoever counts for a grant or a limit holds an advisory lock on its name until the commit, taken before anything
is read. Several names are locked in the order of their hashes, so that two callers never wait for each other.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LEASE_FUNCTIONS", "RESERVATION_FUNCTIONS", "TAKE_FUNCTION"]

LEASE_FUNCTIONS: Final = """
    CREATE FUNCTION gateway_open_lease(
        a_grant TEXT, a_key TEXT, allowed BIGINT, instant DOUBLE PRECISION, span DOUBLE PRECISION,
        OUT fresh BOOLEAN, OUT moved BIGINT
    ) LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(a_grant, 1));
        UPDATE gateway_leases AS l SET joined = TRUE
        WHERE l.grant_id = a_grant AND l.key = a_key AND l.expires_at > instant RETURNING FALSE, l.moved
        INTO fresh, moved;
        IF FOUND THEN
            RETURN;
        END IF;
        INSERT INTO gateway_usage AS u (grant_id, uses, moved, last_used_at)
        SELECT a_grant, 1, 0, instant WHERE allowed IS NULL OR allowed > 0
        ON CONFLICT (grant_id) DO UPDATE SET uses = u.uses + 1, last_used_at = instant
        WHERE allowed IS NULL OR u.uses < allowed;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        DELETE FROM gateway_leases WHERE (grant_id, key) IN (
            SELECT l.grant_id, l.key FROM gateway_leases AS l WHERE l.expires_at <= instant
            LIMIT 8 FOR UPDATE SKIP LOCKED
        );
        INSERT INTO gateway_leases VALUES (a_grant, a_key, instant + span, 0, FALSE)
        ON CONFLICT (grant_id, key) DO UPDATE SET expires_at = EXCLUDED.expires_at, moved = 0, joined = FALSE;
        fresh := TRUE;
        moved := 0;
    END $$;

    CREATE FUNCTION gateway_give_back(a_grant TEXT, a_key TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(a_grant, 1));
        DELETE FROM gateway_leases WHERE grant_id = a_grant AND key = a_key AND NOT joined AND moved = 0;
        IF FOUND THEN
            UPDATE gateway_usage SET uses = uses - 1 WHERE grant_id = a_grant;
            DELETE FROM gateway_usage WHERE grant_id = a_grant AND uses = 0 AND moved = 0;
        END IF;
    END $$;

    CREATE FUNCTION gateway_settle(a_grant TEXT, a_key TEXT, change BIGINT, bytes BIGINT, instant DOUBLE PRECISION)
    RETURNS VOID LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(a_grant, 1));
        INSERT INTO gateway_usage AS u (grant_id, uses, moved, last_used_at)
        VALUES (a_grant, 0, greatest(0, change), instant)
        ON CONFLICT (grant_id) DO UPDATE SET moved = greatest(0, u.moved + change), last_used_at = instant;
        UPDATE gateway_leases SET moved = moved + bytes WHERE grant_id = a_grant AND key = a_key;
    END $$;
"""
"""`gateway_open_lease` answers (NULL, NULL) when no use is left."""

RESERVATION_FUNCTIONS: Final = """
    CREATE FUNCTION gateway_clock() RETURNS DOUBLE PRECISION LANGUAGE sql AS $$
        SELECT extract(epoch FROM clock_timestamp())::DOUBLE PRECISION
    $$;

    CREATE FUNCTION gateway_stand(
        a_grant TEXT, a_key TEXT, a_request TEXT, bytes BIGINT, span DOUBLE PRECISION
    ) RETURNS VOID LANGUAGE plpgsql AS $$
    BEGIN
        IF a_request <> '' THEN
            INSERT INTO gateway_reservations AS r VALUES (a_grant, a_request, a_key, bytes, gateway_clock() + span)
            ON CONFLICT (grant_id, request) DO UPDATE SET held = r.held + bytes, until = EXCLUDED.until;
        END IF;
    END $$;

    CREATE FUNCTION gateway_join(
        a_grant TEXT, a_key TEXT, a_request TEXT, allowed BIGINT, instant DOUBLE PRECISION, span DOUBLE PRECISION,
        stands DOUBLE PRECISION
    ) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
    DECLARE
        kept BOOLEAN;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(a_grant, 1));
        SELECT l.joined INTO kept FROM gateway_leases AS l
        WHERE l.grant_id = a_grant AND l.key = a_key AND l.expires_at > instant;
        IF FOUND THEN
            IF NOT kept THEN
                PERFORM gateway_stand(a_grant, a_key, a_request, 0, stands);
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
            SELECT l.grant_id, l.key FROM gateway_leases AS l WHERE l.expires_at <= instant
            LIMIT 8 FOR UPDATE SKIP LOCKED
        );
        INSERT INTO gateway_leases VALUES (a_grant, a_key, instant + span, 0, FALSE)
        ON CONFLICT (grant_id, key) DO UPDATE SET expires_at = EXCLUDED.expires_at, moved = 0, joined = FALSE;
        PERFORM gateway_stand(a_grant, a_key, a_request, 0, stands);
        RETURN TRUE;
    END $$;

    CREATE FUNCTION gateway_return(a_grant TEXT, a_key TEXT, a_request TEXT, lapsed BOOLEAN)
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
        DELETE FROM gateway_leases WHERE grant_id = a_grant AND key = a_key AND NOT joined AND moved = 0
        AND NOT EXISTS (SELECT FROM gateway_reservations AS r WHERE r.grant_id = a_grant AND r.key = a_key);
        IF FOUND THEN
            UPDATE gateway_usage SET uses = uses - 1 WHERE grant_id = a_grant;
        END IF;
        DELETE FROM gateway_usage WHERE grant_id = a_grant AND uses = 0 AND moved = 0;
        RETURN TRUE;
    END $$;

    CREATE FUNCTION gateway_reserve(
        a_grant TEXT, a_key TEXT, a_request TEXT, wanted BIGINT, budget NUMERIC, cap NUMERIC, stands DOUBLE PRECISION
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
        PERFORM gateway_stand(a_grant, a_key, a_request, wanted, stands);
        RETURN 'taken';
    END $$;

    CREATE FUNCTION gateway_count(
        a_grant TEXT, a_key TEXT, a_request TEXT, bytes BIGINT, instant DOUBLE PRECISION,
        ends BOOLEAN, keeps BOOLEAN, bounded BOOLEAN, stands DOUBLE PRECISION
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
        UPDATE gateway_leases SET moved = greatest(0, moved + counted - freed), joined = joined OR keeps
        WHERE grant_id = a_grant AND key = a_key;
        IF ends THEN
            DELETE FROM gateway_reservations WHERE grant_id = a_grant AND request = a_request;
        ELSIF reserved IS NOT NULL THEN
            PERFORM gateway_stand(a_grant, a_key, a_request, -freed, stands);
        END IF;
    END $$;
"""
"""Leases with reservations; those above stay for gateways of an earlier form that still run beside this one.

A lease's `joined` says here that its use was had and is kept. A reservation's time is the server's own, as replicas'
clocks may be far apart.
"""

TAKE_FUNCTION: Final = """
    CREATE FUNCTION gateway_take(keys TEXT[], intervals DOUBLE PRECISION[], bursts BIGINT[], costs BIGINT[])
    RETURNS TABLE (allowed BOOLEAN, wait DOUBLE PRECISION, remaining BIGINT, reset DOUBLE PRECISION)
    LANGUAGE plpgsql AS $$
    DECLARE
        instant BIGINT;
        backlogs DOUBLE PRECISION[];
        proposed DOUBLE PRECISION;
        room DOUBLE PRECISION;
        place INTEGER;
        granted BOOLEAN := TRUE;
    BEGIN
        PERFORM pg_advisory_xact_lock(name) FROM (
            SELECT DISTINCT hashtextextended(one, 2) AS name FROM unnest(keys) AS one ORDER BY name
        ) AS names;
        instant := floor(extract(epoch FROM clock_timestamp()) * 1000000);
        FOR number IN 1 .. cardinality(keys) LOOP
            place := array_position(keys, keys[number]);
            IF place = number THEN
                SELECT greatest(0, l.backlog - greatest(0, instant - l.at)) INTO proposed
                FROM gateway_limits AS l WHERE l.key = keys[number];
                backlogs[place] := coalesce(proposed, 0);
            END IF;
            proposed := backlogs[place] + intervals[number] * costs[number];
            room := intervals[number] * bursts[number] * 1.000000001 - proposed;
            allowed := room >= 0;
            IF allowed THEN
                backlogs[place] := proposed;
            END IF;
            granted := granted AND allowed;
            wait := greatest(0, -room);
            remaining := floor((intervals[number] * bursts[number] - backlogs[place]) / intervals[number] + 0.000001);
            reset := backlogs[place];
            RETURN NEXT;
        END LOOP;
        IF granted THEN
            FOR number IN 1 .. cardinality(keys) LOOP
                CONTINUE WHEN array_position(keys, keys[number]) < number;
                INSERT INTO gateway_limits
                VALUES (keys[number], backlogs[number], instant, instant + ceil(backlogs[number])::BIGINT)
                ON CONFLICT (key) DO UPDATE SET backlog = EXCLUDED.backlog, at = EXCLUDED.at, ends = EXCLUDED.ends;
            END LOOP;
        ELSE
            UPDATE gateway_limits AS l SET at = instant WHERE l.key = ANY (keys) AND l.at > instant;
        END IF;
        DELETE FROM gateway_limits WHERE key IN (
            SELECT l.key FROM gateway_limits AS l WHERE l.ends <= instant LIMIT 4 FOR UPDATE SKIP LOCKED
        );
    END $$;
"""
"""GCRA by the backlog (arrival time minus now) in microseconds: small numbers keep their precision.

The server's clock is the only one. A clock that jumped back stops the backlog from draining, once, and is healed.
"""
