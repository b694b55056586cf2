"""Kills a gateway's store at random moments and counts acknowledged revocations that were lost: it must be none.

Run `python -m tests.faults.kill_sqlite [KILLS]` (200 unless told; about a minute). Exits 1 if one was lost.
Each round starts a process that revokes as fast as it can, lets it acknowledge for a random fraction of a second,
sends SIGKILL, reopens the file and looks for every revocation that was acknowledged in any round.
"""

from __future__ import annotations

import asyncio
import random
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.core.revocation import FeedEntry
from gateway.stores.sqlite.engine import open_sqlite

_LONGEST = 0.15
"""Seconds from the first acknowledgement to the kill, at most."""


def acknowledged_before_kill(path: Path, chance: random.Random) -> list[str]:
    """One round: the names that were acknowledged before the process died."""
    command = [sys.executable, "-m", "tests.faults.sqlite_child", "revoke", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        end = time.monotonic() + chance.uniform(0, _LONGEST)
        told = [first]
        while (left := end - time.monotonic()) > 0:
            if select.select([child.stdout], [], [], left)[0]:
                told.append(child.stdout.read1())
        child.kill()
        told.append(child.stdout.read())
    lines = b"".join(told).split(b"\n")
    return [line.decode() for line in lines[:-1]]


async def stored(path: Path) -> list[FeedEntry]:
    """The whole revocation list of a file."""
    state = await open_sqlite(path)
    entries: list[FeedEntry] = []
    while page := await state.feed.revocations(entries[-1].serial if entries else 0, 10_000):
        entries += page
    await state.close()
    return entries


def lost_after_kills(path: Path, kills: int, seed: int) -> tuple[int, int]:
    """How many revocations were acknowledged over all rounds, and how many of them are gone."""
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for _ in range(kills):
        acknowledged.update(acknowledged_before_kill(path, chance))
        entries = asyncio.run(stored(path))
        lost = acknowledged - {entry.name for entry in entries}
        serials = [entry.serial for entry in entries]
        if lost or serials != sorted(set(serials)):
            return len(acknowledged), len(lost) or 1
    return len(acknowledged), 0


def main() -> int:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = random.randrange(2**32)
    with tempfile.TemporaryDirectory() as folder:
        acknowledged, lost = lost_after_kills(Path(folder) / "gateway.db", kills, seed)
    sys.stdout.write(f"seed {seed}: {kills} kills, {acknowledged} acknowledged revocations, {lost} lost\n")
    return 1 if lost or not acknowledged else 0


if __name__ == "__main__":
    raise SystemExit(main())
