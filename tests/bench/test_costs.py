"""The cost tree tells each part below the one that called it, and leaves out what hardly ever happens."""

from __future__ import annotations

from tests.bench.costs import tree
from tests.bench.meter import Tally


def test_the_tree_is_told_from_the_dearest_part_on() -> None:
    """Own µs, own instructions and calls of a request; the dearest branch first, its parts below it."""
    timed = {
        (): Tally(0, 1e6),
        ("cheap",): Tally(100, 1e6),
        ("dear",): Tally(100, 2e6),
        ("dear", "part"): Tally(200, 3e6),
        ("rare",): Tally(1, 100),
    }
    counted = {(): Tally(0, 10), ("dear",): Tally(2, 200), ("dear", "part"): Tally(4, 400)}
    lines = [line.split() for line in tree(timed, counted, 100, 2, 5e-4)]
    expected = [
        ["own", "µs", "instructions", "calls"],
        ["event", "loop,", "kernel,", "clock", "10.0", "5"],
        ["dear", "20.0", "100", "1.0"],
        ["part", "30.0", "200", "2.0"],
        ["cheap", "10.0", "0", "1.0"],
        ["main", "thread,", "all", "70.0", "305"],
        ["other", "threads", "5.0"],
    ]
    assert expected == lines
