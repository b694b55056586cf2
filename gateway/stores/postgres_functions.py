"""Owns the parts of the PostgreSQL engine that run inside the server: leases and limits, each in one round trip.

Refuses to own tables (`gateway.stores.postgres_schema`).

Law: whoever counts for a grant or a limit holds an advisory lock on its name until the commit, taken before anything
is read. Several names are locked in the order of their hashes, so that two callers never wait for each other.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LEASE_FUNCTIONS", "TAKE_FUNCTION"]

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
