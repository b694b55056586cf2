"""The cost tree of a request, by step and part: `make profile`, or `python -m tests.bench.costs`.

µs are CPU time of the gateway's main thread for each of many requests over 32 connections; instructions are counted by
callgrind over a few, one after the other. Both are a part's own, without what stands below it; what measuring costs is
taken off. The first line of a tree is all that is no part: the event loop, the kernel's work and what comes by the
clock. The last line is what the other threads had: the state store and the log.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from tests.bench.callgrind import ENVIRON, Counting, counted_gateway
from tests.bench.cases import CASES, Case, Place, place_before
from tests.bench.connection import Connection
from tests.bench.load import wrk
from tests.bench.machine import interpreter, machine
from tests.bench.measure import SUBJECT_CPU, cpu_seconds, pin
from tests.bench.meter import Path as Parts
from tests.bench.meter import Tally, corrected, tallied
from tests.bench.store import standing
from tests.servers.gateway import gateway_before

__all__ = ["tree"]

_USUAL = "^GET 4 KiB, link$|^GET 4 KiB, SigV4$|^PUT 4 KiB, SigV4$"
_COUNTED = 3
_CONNECTIONS = 32
_RARE = 50
"""Nanoseconds a request, below which a part is not told."""

_OUTSIDE = "event loop, kernel, clock"

Told = Mapping[Parts, Tally]


def tree(timed: Told, counted: Told, timed_requests: int, counted_requests: int, others: float) -> Iterator[str]:
    """The lines of one tree: own µs, own instructions and calls of a request, deepest parts below their callers."""
    names = {path for path in (*timed, *counted) if path}
    sums = dict.fromkeys(names, 0.0)
    for path, tally in timed.items():
        for depth in range(1, len(path) + 1):
            sums[path[:depth]] = sums.get(path[:depth], 0.0) + tally.spent
    nothing = Tally(0, 0.0)

    def line(title: str, path: Parts) -> str:
        spent, count = timed.get(path, nothing), counted.get(path, nothing)
        own = spent.spent / timed_requests / 1e3
        calls = f"{spent.calls / timed_requests:8.1f}" if path else f"{'':8}"
        return f"{title:58}{own:9.1f}{count.spent / counted_requests:14,.0f}{calls}"

    def below(path: Parts) -> Iterator[str]:
        children = {name[: len(path) + 1] for name in names if name[: len(path)] == path and len(name) > len(path)}
        rare = timed_requests * _RARE
        for child in sorted(children, key=lambda name: -sums.get(name, 0.0)):
            if timed and sums.get(child, 0.0) < rare:
                continue
            if child in timed or child in counted:
                yield line("  " * len(child) + child[-1], child)
            yield from below(child)

    yield f"{'':58}{'own µs':>9}{'instructions':>14}{'calls':>8}"
    yield line(_OUTSIDE, ())
    yield from below(())
    whole = sum(tally.spent for tally in timed.values()) / timed_requests / 1e3
    instructions = sum(tally.spent for tally in counted.values()) / counted_requests
    yield f"{'main thread, all':58}{whole:9.1f}{instructions:14,.0f}"
    yield f"{'other threads':58}{others * 1e6 / timed_requests:9.1f}"


def _told(pid: int, output: Path, within: float) -> dict:
    """What the metered gateway has found since `_begin`."""
    output.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR2)
    deadline = time.monotonic() + within
    while not output.exists():
        if time.monotonic() > deadline:
            raise RuntimeError("the gateway tells nothing")
        time.sleep(0.01)
    return json.loads(output.read_text())


def _main_thread(pid: int) -> float:
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def _timed(place: Path) -> Iterator[Callable[[Case], tuple[Told, int, float]]]:
    output = place / "meter.json"
    environ = ENVIRON | {"BENCH_METER": str(output)}
    with (
        standing(place) as (stand, _),
        gateway_before([stand], place / "home", environ=environ, module="tests.bench.metered") as gateway,  # type: ignore[list-item]
    ):
        pin(gateway.pid, SUBJECT_CPU)
        before = place_before(gateway)

        def measure(case: Case) -> tuple[Told, int, float]:
            messages = case.build(before)
            wrk(messages, _CONNECTIONS, 1)
            since = cpu_seconds(gateway.pid) - _main_thread(gateway.pid)
            os.kill(gateway.pid, signal.SIGUSR1)
            loaded = wrk(messages, _CONNECTIONS, 4)
            others = cpu_seconds(gateway.pid) - _main_thread(gateway.pid) - since
            found = _told(gateway.pid, output, 10)
            return corrected(tallied(found["found"], found["entered"]), found["waiting"]), loaded.requests, others

        yield measure


@contextmanager
def _counted(place: Path) -> Iterator[Callable[[Case], tuple[Told, int]]]:
    output = place / "meter.json"
    environ = {"BENCH_METER": str(output), "BENCH_COUNT": "1"}
    with (
        standing(place) as (stand, _),
        counted_gateway(
            [stand], place, "tests.bench.metered", options=["--dump-before=getpgrp"], environ=environ
        ) as counting,
    ):
        before = place_before(counting.gateway)
        counting.switch_on()

        def measure(case: Case) -> tuple[Told, int]:
            return _count(counting, before, case, output), _COUNTED

        yield measure


def _count(counting: Counting, place: Place, case: Case, output: Path) -> Told:
    messages = case.build(place)
    turn = cycle(messages)
    with Connection(messages[0].host, messages[0].port) as connection:
        for message in islice(turn, 20 if case.once else max(20, len(messages))):
            connection.ask(message)
        os.kill(counting.gateway.pid, signal.SIGUSR1)
        time.sleep(1)
        for message in islice(turn, _COUNTED):
            connection.ask(message)
        found = _told(counting.gateway.pid, output, 60)
    spent = [(path, counting.read(number).main) for number, path in found["found"]]
    return corrected(tallied(spent, found["entered"]), found["waiting"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=_USUAL, help="cases whose name this expression finds")
    parser.add_argument("--fast", action="store_true", help="µs only: callgrind takes a minute")
    options = parser.parse_args()
    chosen = {name: case for name, case in CASES.items() if re.search(options.only, name) and not case.kept}
    counted: dict[str, tuple[Told, int]] = {}
    sys.stdout.write(f"{interpreter()}; {machine()}\n")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        if not options.fast:
            place = Path(name, "counted")
            place.mkdir()
            with _counted(place) as count:
                counted = {title: count(case) for title, case in chosen.items()}
        place = Path(name, "timed")
        place.mkdir()
        with _timed(place) as measure:
            for title, case in chosen.items():
                timed, requests, others = measure(case)
                lines = tree(
                    timed, *(counted.get(title, ({}, 1))[:1]), requests, counted.get(title, ({}, 1))[1], others
                )
                sys.stdout.write(f"\n{title}\n" + "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
