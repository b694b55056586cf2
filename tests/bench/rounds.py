"""Owns taking turns: each round has both sides of every row, one right after the other, in changing order.

Law: work that several rows compare with is done once a round. The first round warms up and is thrown away.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.bench.figures import Spread, ratios
from tests.bench.measure import cpu_seconds
from tests.bench.rows import Row, Work
from tests.bench.scene import Scene

__all__ = ["FAILURES", "Compared", "compare"]

Cost = Callable[[Work], float]
FAILURES = (KeyError, AssertionError, RuntimeError, OSError, subprocess.SubprocessError)
"""What a subject that is not to be had, or a load that is refused, raises."""


@dataclass
class Compared:
    """What one row came to: CPU seconds a unit, a figure for each round."""

    row: Row
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> Spread:
        return ratios(self.ours, self.theirs)

    def __str__(self) -> str:
        aim = self.row.aim
        ours, theirs = (Spread.of(figures).middle * self.row.scale for figures in (self.ours, self.theirs))
        cells = [self.row.title, str(self.ratio), f"{ours:.3g} / {theirs:.3g} {self.row.unit}"]
        cells += [f"{aim.reach:g}", f"{aim.then:g}"] if aim else ["", ""]
        return f"| {' | '.join(cells)} |"


def cost(work: Work) -> float:
    """CPU seconds that a unit of this work took its subject."""
    before = cpu_seconds(work.pid)
    units = work.run()
    return (cpu_seconds(work.pid) - before) / units


def compare(scene: Scene, rows: Mapping[str, Row], measured: Cost = cost) -> dict[str, Compared]:
    """Every row over all rounds. What cannot be had, or fails, is told on the error output and left out."""
    found: dict[str, Compared] = {}
    works: dict[str, tuple[Work, Work]] = {}
    for key, row in rows.items():
        try:
            works[key] = row.ours(scene), row.theirs(scene)
        except FAILURES as failure:
            _leave_out(row, failure)
            continue
        found[key] = Compared(row)
    for number in range(scene.sizes.rounds + 1):
        done: dict[str, float] = {}
        for key, (ours, theirs) in list(works.items()):
            sys.stderr.write(f"\r{number}/{scene.sizes.rounds} {key:30}")
            try:
                for work in (ours, theirs) if number % 2 else (theirs, ours):
                    if work.name not in done:
                        done[work.name] = measured(work)
            except FAILURES as failure:
                _leave_out(found.pop(key).row, failure)
                del works[key]
                continue
            if number:
                found[key].ours.append(done[ours.name])
                found[key].theirs.append(done[theirs.name])
    sys.stderr.write("\r" + " " * 50 + "\r")
    return found


def _leave_out(row: Row, failure: Exception) -> None:
    sys.stderr.write(f"\n{row.title}: left out: {type(failure).__name__}: {str(failure)[:500]}\n")
