"""A gateway's store in a process of its own, for tests that kill it or run several at once.

`revoke FILE [COUNT]`: revokes one link after the other and prints each name once its revocation is acknowledged.
`lease FILE GRANT USES CALLERS`: opens leases under many names and prints how many were granted.
`take FILE COUNT BURST`: takes from one shared limit and prints how many were allowed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from pathlib import Path

from gateway.core.lease import Reservation
from gateway.core.limits import Demand
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores.engine import Engine
from gateway.stores.sqlite.engine import open_sqlite

NOW = 1_800_000_000.0


async def revoke(state: Engine, count: int | None) -> None:
    async def one(lane: int) -> None:
        for number in itertools.count() if count is None else range(count):
            name = f"l_{os.getpid()}_{lane}_{number}"
            await state.feed.revoke([RevocationTarget(FeedKind.LINK, name)], NOW, "", "admin:ops")
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()

    await asyncio.gather(*(one(lane) for lane in range(4)))


async def lease(state: Engine, grant: str, uses: int, callers: int) -> None:
    leases = await asyncio.gather(
        *(
            state.leases.open_lease(Reservation(grant, f"{os.getpid()} {caller}"), uses, NOW, 3600)
            for caller in range(callers)
        )
    )
    sys.stdout.write(f"{sum(one is not None for one in leases)}\n")


async def take(state: Engine, count: int, burst: int) -> None:
    rate = Rate(1, 3600.0, burst)
    verdicts = [await state.limits.take([Demand("shared", rate)], time.time()) for _ in range(count)]
    sys.stdout.write(f"{sum(verdict.allowed for verdict in verdicts)}\n")


async def main(act: str, path: str, *rest: str) -> None:
    state = await open_sqlite(Path(path), processes=2)
    if act == "revoke":
        await revoke(state, int(rest[0]) if rest else None)
    elif act == "lease":
        await lease(state, rest[0], int(rest[1]), int(rest[2]))
    else:
        await take(state, int(rest[0]), int(rest[1]))
    await state.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
