"""Kills a gateway's hold on PostgreSQL at random moments and counts acknowledged revocations that were lost.

    python -m tests.replicas.kill_gateway [KILLS]

Each of 200 rounds (unless told) starts a process that revokes as fast as it can, lets it acknowledge for a random
fraction of a second, sends SIGKILL, and looks for every revocation that was acknowledged in any round. Exits with 1 if
one is missing. (SQLite has the same: `python -m tests.faults.kill_sqlite`.)
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import select
import subprocess
import sys
import time

from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.state import open_state
from tests.replicas.servers import postgres

_LONGEST = 0.15
_LANES = 4


async def revoke_on_and_on(url: str) -> None:
    """Print each name once its revocation is acknowledged."""
    state = await open_state(url)

    async def one(lane: int) -> None:
        for number in itertools.count():
            name = f"l_{os.getpid()}_{lane}_{number}"
            await state.feed.revoke([RevocationTarget(FeedKind.LINK, name)], time.time(), "", "admin:ops")
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()

    await asyncio.gather(*(one(lane) for lane in range(_LANES)))


def acknowledged_before_kill(url: str, chance: random.Random) -> list[str]:
    """One round: the names that were acknowledged before the process died."""
    command = [sys.executable, "-m", "tests.replicas.kill_gateway", "--revoke", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        told = [child.stdout.readline()]
        end = time.monotonic() + chance.uniform(0, _LONGEST)
        while (left := end - time.monotonic()) > 0:
            if select.select([child.stdout], [], [], left)[0]:
                told.append(child.stdout.read1())
        child.kill()
        told.append(child.stdout.read())
    return [line.decode() for line in b"".join(told).split(b"\n")[:-1]]


async def stored(url: str) -> set[str]:
    """The names of the whole revocation list."""
    state = await open_state(url)
    names: set[str] = set()
    serial = 0
    while page := await state.feed.revocations(serial, 10_000):
        names |= {entry.name for entry in page}
        serial = page[-1].serial
    await state.close()
    return names


def lost_after_kills(url: str, kills: int, seed: int) -> tuple[int, int]:
    """How many revocations were acknowledged over all rounds, and how many of them are gone."""
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for _ in range(kills):
        acknowledged.update(acknowledged_before_kill(url, chance))
        lost = acknowledged - asyncio.run(stored(url))
        if lost:
            return len(acknowledged), len(lost)
    return len(acknowledged), 0


def main() -> int:
    if sys.argv[1:2] == ["--revoke"]:
        asyncio.run(revoke_on_and_on(sys.argv[2]))
        return 0
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = random.randrange(2**32)
    with postgres() as server:
        acknowledged, lost = lost_after_kills(server.url, kills, seed)
    sys.stdout.write(f"seed {seed}: {kills} kills, {acknowledged} acknowledged revocations, {lost} lost\n")
    return 1 if lost or not acknowledged else 0


if __name__ == "__main__":
    sys.exit(main())
