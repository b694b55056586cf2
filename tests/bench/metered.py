"""The gateway with a meter around the parts of a request: `python -m tests.bench.metered serve …`.

BENCH_METER names a file. `meter.BEGIN` begins anew; `meter.TELL` writes there what was found since. With BENCH_COUNT
set, each mark is a system call that callgrind dumps at, and what is written is whose turn ended with each dump.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import gateway.app  # noqa: F401 (everything that takes a name has taken it)
from gateway.cli import main
from tests.bench import meter
from tests.bench.meter import Meter
from tests.bench.parts import PARTS
from tests.bench.patching import replace

_WARM = 100


class _Clock:
    """CPU time of the thread in nanoseconds, by path."""

    probes = 5000

    def __init__(self) -> None:
        self._spent: dict[meter.Path, int] = {}
        self._last = 0

    def mark(self, path: meter.Path) -> None:
        now = time.thread_time_ns()
        self._spent[path] = self._spent.get(path, 0) + now - self._last
        self._last = time.thread_time_ns()

    def begin(self) -> None:
        self._spent.clear()
        self._last = time.thread_time_ns()

    def found(self) -> Any:
        return list(self._spent.items())


class _Dumps:
    """One dump of callgrind at each mark; only whose it is has to be remembered."""

    probes = 3

    def __init__(self) -> None:
        self._order: list[meter.Path] = []
        self._dumps = self._first = 0
        self._running = False

    def mark(self, path: meter.Path) -> None:
        if self._running:
            os.getpgrp()
            self._dumps += 1
            self._order.append(path)

    def begin(self) -> None:
        self._running = True
        self.mark(())
        self._order.clear()
        self._first = self._dumps + 1

    def found(self) -> Any:
        self._running = False
        return [(number, path) for number, path in enumerate(self._order, self._first)]


async def _nothing() -> None:
    return None


def _probe(nothing: Callable[[], None], nothing_waiting: Callable[[], Coroutine[Any, Any, None]], count: int) -> None:
    """Both kinds of nothing, so many times, the marks of each by themselves."""
    for _number in range(count):
        nothing()
    for _number in range(count):
        with suppress(StopIteration):
            nothing_waiting().send(None)


def start() -> None:
    """Put the meter around every part, and have the signals ask for it."""
    clock = _Dumps() if "BENCH_COUNT" in os.environ else _Clock()
    measured = Meter(clock.mark)
    for part, names in PARTS.items():
        for name in names:
            try:
                replace(name, lambda original, part=part: measured.around(part, original))
            except (AttributeError, ImportError) as failure:
                sys.stderr.write(f"{part}: {name} is not measured: {failure}\n")

    def begin(*_: object) -> None:
        measured.entered.clear()
        clock.begin()

    probes = {kind: Meter(clock.mark, (meter.PROBE, kind)) for kind in (meter.CALLED, meter.WAITING)}
    nothing = probes[meter.CALLED].around(meter.NOTHING, lambda: None)
    nothing_waiting = probes[meter.WAITING].around(meter.NOTHING, _nothing)
    for _number in range(_WARM):
        _probe(nothing, nothing_waiting, 1)

    def tell(*_: object) -> None:
        measured.mark()
        _probe(nothing, nothing_waiting, clock.probes)
        entered = [*measured.entered.items()]
        entered += [((meter.PROBE, kind, meter.NOTHING), clock.probes) for kind in probes]
        found = {"found": clock.found(), "entered": entered, "waiting": sorted(measured.waiting)}
        output = Path(os.environ["BENCH_METER"])
        output.with_suffix(".new").write_text(json.dumps(found))
        output.with_suffix(".new").replace(output)

    signal.signal(meter.BEGIN, begin)
    signal.signal(meter.TELL, tell)


if __name__ == "__main__":
    start()
    main()
