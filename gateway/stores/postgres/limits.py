"""Owns the rate counters in PostgreSQL: all demands of a request in one round trip, inside the server.

Refuses to own connections (`database`) and tables (`schema`).

Law: the function locks every limit's name (an advisory lock, until the commit) before it reads anything.
Several names are locked in the order of their hashes, so that two callers never wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.limits import Demand, Verdict
from gateway.stores.limits import tightest
from gateway.stores.postgres.database import PostgresDatabase

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


class PostgresLimits:
    """A `LimitStore`."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        statement = "SELECT allowed, wait, remaining, reset FROM gateway_take($1, $2, $3, $4)"
        columns = (
            [demand.key for demand in demands],
            [demand.rate.interval * 1e6 for demand in demands],
            [demand.rate.burst for demand in demands],
            [demand.cost for demand in demands],
        )
        rows = await self._database.read("limits", statement, *columns) if demands else []
        return tightest(
            [
                Verdict(allowed, wait / 1e6, max(0, remaining), demand.rate.count, reset / 1e6)
                for (allowed, wait, remaining, reset), demand in zip(rows, demands, strict=True)
            ]
        )
