"""Long runs of the model: `python -m tests.model --runs 2000`; with each fault planted in turn, `--faults`; beside
replicas in processes, `--served postgres`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import structlog
import uvloop

from gateway.core import password
from tests.model.draws import draw
from tests.model.faults import FAULTS, planted
from tests.model.run import find_difference, run, shorten
from tests.model.served import compare_served


def main() -> int:
    """Run what is asked for; 1 if an answer differed, or a fault was not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--runs", type=int, default=1000, help="how many runs; with --faults, at most so many for each")
    parser.add_argument("--steps", type=int, default=150, help="steps of each run")
    parser.add_argument("--faults", action="store_true", help="plant each fault, and say how soon it is found")
    parser.add_argument(
        "--served", choices=["sqlite", "postgres", "valkey"], help="replicas in processes, on this state"
    )
    asked = parser.parse_args()
    password._COST = 2  # type: ignore[misc]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    seeds = range(asked.first, asked.first + asked.runs)
    if asked.served:
        _tell(seeds, compare_served(asked.served, seeds, asked.steps))
        return 0
    return _plant(seeds, asked.steps) if asked.faults else _compare(seeds, asked.steps)


def _compare(seeds: range, steps: int) -> int:
    seen: Counter[tuple[str, ...]] = Counter()
    for seed in seeds:
        said = uvloop.run(run(draw(seed, steps), seen))
        if said is not None:
            short = uvloop.run(shorten(draw(seed, steps)))
            print(f"seed {seed}: {said}", *short, uvloop.run(run(short)), sep="\n  ")
            return 1
    _tell(seeds, seen)
    return 0


def _tell(seeds: range, seen: Counter[tuple[str, ...]]) -> None:
    answers: Counter[str] = Counter()
    for (*_, answer), count in seen.items():
        answers[answer] += count
    print(
        f"{len(seeds)} runs, {answers.total()} requests:", *(f"{name} {count}" for name, count in answers.most_common())
    )
    return 0


def _plant(seeds: range, steps: int) -> int:
    missed = 0
    for fault in FAULTS:
        began = time.monotonic()
        with planted(fault):
            found = uvloop.run(find_difference(seeds, steps))
        missed += found is None
        runs = "not found" if found is None else f"found by run {found - seeds.start + 1}"
        print(f"{runs}, {time.monotonic() - began:.1f} s: {fault}", flush=True)
    print(f"{len(FAULTS)} faults, {missed} not found")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
