"""Owns the rate counters in Redis: all demands of a request in one script.

Refuses to own connections (`server`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.limits import Demand, Verdict
from gateway.stores.limits import tightest
from gateway.stores.redis.server import PREFIX, RedisServer

_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local backlogs, answers, granted = {}, {}, true
for number, key in ipairs(KEYS) do
    local interval = tonumber(ARGV[3 * number - 2])
    local tolerance = interval * tonumber(ARGV[3 * number - 1])
    local cost = interval * tonumber(ARGV[3 * number])
    if not backlogs[key] then
        local known = redis.call('HMGET', key, 'backlog', 'at')
        local elapsed = known[2] and math.max(0, now - tonumber(known[2])) or 0
        backlogs[key] = known[1] and math.max(0, tonumber(known[1]) - elapsed) or 0
        if known[2] and tonumber(known[2]) > now then redis.call('HSET', key, 'at', string.format('%.0f', now)) end
    end
    local room = tolerance * 1.000000001 - backlogs[key] - cost
    if room >= 0 then backlogs[key] = backlogs[key] + cost else granted = false end
    table.insert(answers, room >= 0 and 1 or 0)
    table.insert(answers, string.format('%.17g', math.max(0, -room)))
    table.insert(answers, math.max(0, math.floor((tolerance - backlogs[key]) / interval + 0.000001)))
    table.insert(answers, string.format('%.17g', backlogs[key]))
end
if granted then
    for key, backlog in pairs(backlogs) do
        redis.call('HSET', key, 'backlog', string.format('%.17g', backlog), 'at', string.format('%.0f', now))
        redis.call('PEXPIRE', key, math.ceil(backlog / 1000) + 1)
    end
end
return answers
"""
"""GCRA by the backlog (arrival time minus now) in microseconds: small numbers keep their precision.

The server's clock is the only one. A clock that jumped back stops the backlog from draining, once, and is healed.
"""


class RedisLimits:
    """A `LimitStore`."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    async def take(self, demands: Sequence[Demand], now: float) -> Verdict:
        if not demands:
            return tightest([])
        keys = [f"{PREFIX}limit:{demand.key}" for demand in demands]
        values = [value for one in demands for value in (repr(one.rate.interval * 1e6), one.rate.burst, one.cost)]
        with self._server.reach("limits") as client:
            answers = await client.register_script(_TAKE)(keys=keys, args=values)
        return tightest(
            [
                Verdict(bool(allowed), float(wait) / 1e6, remaining, demand.rate.count, float(reset) / 1e6)
                for allowed, wait, remaining, reset, demand in zip(
                    answers[::4], answers[1::4], answers[2::4], answers[3::4], demands, strict=True
                )
            ]
        )
