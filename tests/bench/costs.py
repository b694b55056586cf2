"""The cost tree of a request, by step and part: `make profile`, or `python -m tests.bench.costs`.

µs are CPU time of the gateway's main thread for each of many requests over 32 connections, four for large bodies;
instructions are counted by callgrind over a few, one after the other. Both are a part's own, without what stands below
it; what measuring costs is taken off. The first line of a tree is all that is no part: the event loop, the kernel's
work and what comes by the clock. The last line is what the other threads had: the state store and the log.

`--write` writes the trees of every figure that has an aim to `COSTS.md` beside this file, with what a request costs
that comes alone, and what an idle process holds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

from gateway.splice.pipes import LARGE
from gateway.splice.pump import SHARED_TURN, TURN
from tests.bench.callgrind import ENVIRON, Counting, counted_gateway
from tests.bench.cases import CASES, Case, Place, place_before
from tests.bench.connection import Connection
from tests.bench.kernel import asked_of_kernel
from tests.bench.load import at_rate, wrk
from tests.bench.machine import interpreter, machine
from tests.bench.measure import SUBJECT_CPU, cpu_seconds, pin
from tests.bench.meter import BEGIN, TELL, Tally, corrected, tallied
from tests.bench.meter import Path as Parts
from tests.bench.missed import ADDED, EXPLAINING, IDLE, MANY, START, TURNS, WAITING, heading
from tests.bench.network import set_apart
from tests.bench.start import compiled, held_by_package, held_by_purpose, imports, started
from tests.bench.store import standing
from tests.servers.gateway import gateway_before

__all__ = ["ask_meter", "tree"]

_USUAL = "^GET 4 KiB, link$|^GET 4 KiB, SigV4$|^PUT 4 KiB, SigV4$"
_COUNTED = 3
_RARE = 50
"""Nanoseconds a request, below which a part is not told."""

_OUTSIDE = "event loop, kernel, clock"
_FILE = Path(__file__).with_name("COSTS.md")
_ALONE = 200
"""Requests a second that come one by one, as they do where added latency is measured."""

_MIB = 1 << 20
_PACKAGES = 24

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


def ask_meter(pid: int, output: Path, within: float) -> dict[str, Any]:
    """What the metered gateway has found since `_begin`."""
    output.unlink(missing_ok=True)
    os.kill(pid, TELL)
    deadline = time.monotonic() + within
    while not output.exists():
        if time.monotonic() > deadline:
            raise RuntimeError("the gateway tells nothing")
        time.sleep(0.01)
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def _main_thread(pid: int) -> float:
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def _timed(place: Path) -> Iterator[Callable[[Case, bool], tuple[Told, int, float]]]:
    output = place / "meter.json"
    environ = ENVIRON | {"BENCH_METER": str(output)}
    with (
        standing(place) as (stand, _),
        gateway_before([stand], place / "home", environ=environ, module="tests.bench.metered") as gateway,  # type: ignore[list-item]
    ):
        pin(gateway.pid, SUBJECT_CPU)
        before = place_before(gateway)

        def measure(case: Case, alone: bool) -> tuple[Told, int, float]:
            messages = case.build(before)
            wrk(messages, case.connections, 1)
            since = cpu_seconds(gateway.pid) - _main_thread(gateway.pid)
            os.kill(gateway.pid, BEGIN)
            count = len(at_rate(messages, _ALONE, 4)[0]) if alone else wrk(messages, case.connections, 4).requests
            others = cpu_seconds(gateway.pid) - _main_thread(gateway.pid) - since
            found = ask_meter(gateway.pid, output, 10)
            return corrected(tallied(found["found"], found["entered"]), found["waiting"]), count, others

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
        os.kill(counting.gateway.pid, BEGIN)
        time.sleep(1)
        for message in islice(turn, _COUNTED):
            connection.ask(message)
        found = ask_meter(counting.gateway.pid, output, 60)
    spent = [(path, counting.read(number).main) for number, path in found["found"]]
    return corrected(tallied(spent, found["entered"]), found["waiting"])


def holdings() -> Iterator[str]:
    """What an idle process holds: by purpose and by package what importing it holds, then what a start makes of them,
    and the same bytes by what they are mapped from."""
    with compiled(Path.cwd()) as code:
        start, packages = started(code, "sqlite:///gateway.db"), held_by_package(code)
    made = {"settings, policy, listeners, state, buffers: what a start makes": start.resident - sum(packages.values())}
    yield from _sizes(held_by_purpose(packages) | made)
    yield ""
    yield from _sizes(_largest(packages, "packages") | made)
    yield ""
    yield from _sizes(_largest(start.mapped, "files"))


def _largest(found: Mapping[str, int], what: str) -> dict[str, int]:
    told = dict(list(found.items())[:_PACKAGES])
    return told | {f"{len(found) - len(told)} smaller {what}": sum(found.values()) - sum(told.values())}


def _sizes(told: Mapping[str, int]) -> Iterator[str]:
    yield from (f"{name:68}{size / _MIB:8.2f}" for name, size in told.items())
    yield f"{'all':68}{sum(told.values()) / _MIB:8.2f}"


def trees(chosen: Mapping[str, Case], *, fast: bool) -> Iterator[str]:
    """The tree of each case, as a heading and its lines."""
    counted: dict[str, tuple[Told, int]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        if not fast:
            place = Path(name, "counted")
            place.mkdir()
            with _counted(place) as count:
                counted = {title: count(case) for title, case in chosen.items()}
        place = Path(name, "timed")
        place.mkdir()
        with _timed(place) as measure:
            for title, case in chosen.items():
                for one_by_one in (False, True)[: 1 + (title == ADDED)]:
                    timed, requests, others = measure(case, one_by_one)
                    instructions, times = counted.get(title, ({}, 1))
                    yield heading(title) if not one_by_one else heading(WAITING) + f"\n{_ALONE_READING}"
                    yield from _fenced(tree(timed, instructions, requests, times, others))
                    if one_by_one:
                        yield _KERNEL_READING
                        yield from _fenced(alone())


def alone() -> Iterator[str]:
    """What a request that comes alone asks of the kernel, and whom it wakes, in a gateway that is not measured."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        place = Path(name)
        with standing(place) as (stand, _), gateway_before([stand], place / "home", environ=ENVIRON) as gateway:  # type: ignore[list-item]
            messages = CASES[ADDED].build(place_before(gateway))
            at_rate(messages, _ALONE, 1)
            yield from asked_of_kernel(gateway.pid, place, lambda: len(at_rate(messages, _ALONE, 3)[0]))


def _fenced(lines: Iterator[str]) -> Iterator[str]:
    yield "```text"
    yield from lines
    yield "```\n"


def document() -> Iterator[str]:
    """All of `COSTS.md`."""
    yield "# What costs what\n"
    yield f"{interpreter()}; {machine()}. Made by `make profile ARGS=--write`; [RESULTS.md](RESULTS.md) points here.\n"
    yield _READING
    yield from trees({name: CASES[name] for name in CASES if name in EXPLAINING}, fast=False)
    yield heading(TURNS)
    yield _TURNS
    yield heading(MANY)
    yield _MANY
    yield heading(START)
    yield _START
    with compiled(Path.cwd()) as code:
        yield from _fenced(imports(code, _PACKAGES))
    yield heading(IDLE)
    yield _IDLE
    yield from _fenced(holdings())


_READING: Final = """\
A line is a part of a request: µs of CPU of the main thread under load, instructions, and calls, without what stands
below it. Where the machine was shared with other work, µs are more than they would be alone; instructions are not.
"""
_ALONE_READING: Final = f"""\
{_ALONE} a second over one connection, as added latency is measured. Each µs is dearer than under load: between two
requests the processor has slept, or done other work, and holds nothing of ours in its caches. What stands in step 5
"leave", in step 8 and beside the steps (log line, metrics, records) is done when the answer has left: nobody waits for
it. Any program that stands between adds two wake-ups of a processor that sleeps, two reads and two writes:
[RESULTS.md](RESULTS.md) tells what a relay adds that does nothing else.
"""
_KERNEL_READING: Final = """\
The same, counted in a gateway that is not measured, all threads and what comes by the clock included. A request itself
needs two reads, two writes and two waits: for the store, and for what comes next. No timer is set for it, and no task
is made. Its record waits for a fraction of a second, and is written with those of others by a thread of its own; its
line of the log waits, too, and is written with those of others.
"""
_SHARED: Final = SHARED_TURN >> 10
_TURNS: Final = f"""\
A turn of the event loop moves {TURN >> 10} KiB of large bodies, and the piece that is on its way then, of at most
{LARGE >> 10} KiB. While small answers are given it moves {_SHARED} KiB, in pieces of at most {_SHARED} KiB. A small
request waits for one such turn when it comes, and for one when its store answers. What is more than that is not the
gateway's: the store that sends eight large bodies answers small requests late, too, which [RESULTS.md](RESULTS.md)
tells beside the figure.
"""
_MANY: Final = """\
A token that was not asked for of late is hashed, missed in the cache, read from the store and held against the
revocations. Among a million, only the reading differs: SQLite's own memory has the upper levels of the tree, and the
page of the link itself comes from the system's. Asking for it takes some 4 µs, a third of what SQLite takes for the
same among a thousand: half is the call into the system, whatever the size of a page (1 to 16 KiB tried), and half waits
for memory that no cache of the processor holds. A larger memory for SQLite changes nothing: the links asked for are
others each time. Mapping the file in place of reading it would save the call, and a file cut short by somebody else
would end the process, where it is refused as damaged now.

A whole request asks for no more than that, and its p99 is 0.9 to 1.2 times as long from one run to the next. Behind
answers there is more: the counters of a link and the index of its records lie in pages of their own, so that the thread
that writes them writes four times as many for a thousand links among a million as for a thousand that share theirs
(8,254 writes, 1,936). Its commits come several times a second, and where client, store and gateways share two
processors, one request in a hundred meets one.
"""
_START: Final = """\
Milliseconds of each package's own, the dearest ones: what is left of a start is reading settings and policies, opening
the state, and the interpreter's own beginning.
"""
_IDLE: Final = """\
MiB of resident memory, three times: by what it is there for, by package, and by what it is mapped from. The first two
are what each import holds by itself, the pages of libraries included, in a process that imports what `serve` does.

Settings and policies are read again whenever a file changes, so what reads them stays. What is mapped from files is
unwritten, but for a little: the kernel has it once for all processes of a machine and drops it when memory is short.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=_USUAL, help="cases whose name this expression finds")
    parser.add_argument("--fast", action="store_true", help="µs only: callgrind takes a minute")
    parser.add_argument("--write", action="store_true", help="all that `COSTS.md` tells: some minutes")
    options = parser.parse_args()
    set_apart()
    if options.write:
        _FILE.write_text("".join(f"{line}\n" for line in document()).rstrip("\n") + "\n")
        return
    sys.stdout.write(f"{interpreter()}; {machine()}\n")
    chosen = {name: case for name, case in CASES.items() if re.search(options.only, name) and not case.kept}
    for line in trees(chosen, fast=options.fast):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
