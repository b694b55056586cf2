"""Runs of the model: so many worlds, one after the other, and the shortest one that differs where one does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.data.harness import NOW
from tests.model.draws import FIRST, Step, draw
from tests.model.steps import take
from tests.model.world import Differs, world

__all__ = ["find_difference", "run", "shorten"]


async def run(steps: Sequence[Step], seen: Counter[tuple[str, ...]] | None = None) -> str | None:
    """What differed, if anything did."""
    async with world(FIRST) as here:
        for step in steps:
            try:
                await take(here, step, NOW)
            except Differs as difference:
                return str(difference)
        if seen is not None:
            seen.update(here.answers)
    return None


async def shorten(steps: list[Step]) -> list[Step]:
    """Take out what is not needed for a difference, by halves and then one by one."""
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size :]
            if await run(fewer) is not None:
                steps = fewer
            else:
                at += size
        size //= 2
    return steps


async def find_difference(
    seeds: Sequence[int], length: int, seen: Counter[tuple[str, ...]] | None = None
) -> int | None:
    """The first seed whose run differs."""
    for seed in seeds:
        if await run(draw(seed, length), seen) is not None:
            return seed
    return None
