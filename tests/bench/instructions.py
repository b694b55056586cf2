"""Instructions of a request, compared with the last ones: `make bench-check`, or `python -m tests.bench.instructions`.

The gateway runs under callgrind, so the figures are the same on a busy machine and on a quiet one; they are those of
user code, not of the kernel. They hold for one build of one interpreter, and `instructions.json` keeps them by its
name. Exit code 0: nothing needs more than 3 % more. 1: something does. 2: there is nothing to compare with. Where the
kernel's timing decides on the work, a case of `tests.bench.cases` has a bound of its own.

`--write` keeps what was counted. `--control` counts twice, the second time with a useless loop in each request, which
must be told.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from tests.bench.callgrind import Counting, Window, counted_gateway
from tests.bench.cases import ALLOWED, CASES, Case, Place, place_before
from tests.bench.connection import Connection
from tests.bench.machine import interpreter, libraries
from tests.bench.requests import Message
from tests.bench.store import stores

__all__ = ["ALLOWED", "Compared", "compare", "count", "stored"]

_MANY = 60
_STORED = Path(__file__).with_name("instructions.json")


@dataclass(frozen=True, slots=True)
class Compared:
    """One case beside what it was; `before` is None for a case that is new."""

    name: str
    before: int | None
    now: int
    allowed: float = ALLOWED

    @property
    def change(self) -> float:
        return 0.0 if self.before is None else self.now / self.before - 1

    @property
    def grown(self) -> bool:
        return self.before is not None and self.now > self.before * (1 + self.allowed)

    def __str__(self) -> str:
        verdict = "new" if self.before is None else f"{self.change:+.1%}"
        return f"{self.name:42}{self.before or 0:>12,}{self.now:>12,}  {verdict}{'  TOO MANY' if self.grown else ''}"


def stored(who: str) -> dict[str, int]:
    """What was counted last with this interpreter; nothing if nothing was."""
    found = json.loads(_STORED.read_text()) if _STORED.exists() else {}
    return dict(found.get(who, {}).get("instructions", {}))


def compare(before: Mapping[str, int], now: Mapping[str, int]) -> list[Compared]:
    """Every case that was counted now."""
    allowed = {name: case.allowed for name, case in CASES.items()}
    return [Compared(name, before.get(name), counted, allowed.get(name, ALLOWED)) for name, counted in now.items()]


def count(cases: Mapping[str, Case], module: str = "gateway", tree: Path | None = None) -> Iterator[tuple[str, int]]:
    """Instructions of one request of each case, all threads.

    Stores that keep what they get check signatures, too, and the gateway's clock is slow: what needs one comes to a
    gateway that has just begun, whose signatures are not yet too old.
    """
    for kept in (False, True):
        some = {title: case for title, case in cases.items() if case.kept == kept}
        if not some:
            continue
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            place = Path(name)
            with stores(place, kept=kept) as (found, keeps), counted_gateway(found, place, module, tree) as counting:
                before = place_before(counting.gateway, keeps)
                counting.begin()
                for title, case in some.items():
                    yield title, (_count_behind if case.behind else _count)(counting, before, case)


def _count(counting: Counting, place: Place, case: Case) -> int:
    """What an answer waits for: the least of some requests. All else comes by the clock or in batches, now and then."""
    with _warmed(counting, place, case) as ask:
        return min(ask(1).main for _ in range(case.counted))


def _count_behind(counting: Counting, place: Place, case: Case) -> int:
    """What is done behind the answers: everything until it is quiet, less what the answers wait for."""
    with _warmed(counting, place, case) as ask:
        counting.behind()
        counting.window()
        windows = [ask(1) for _ in range(case.counted)]
        windows.append(ask(_MANY))
        counting.behind()
        windows.append(counting.window())
        waited_for = min(window.main for window in windows[: case.counted])
        requests = _MANY + case.counted
        return round(sum(window.all for window in windows) / requests - waited_for)


@contextmanager
def _warmed(counting: Counting, place: Place, case: Case) -> Iterator[Callable[[int], Window]]:
    """What sends some requests and returns the instructions they took, everything warm."""
    messages = case.build(place)
    # What comes again is kept when it has come again: each is asked for until it is as ever.
    warming = max(5 * case.counted, 0 if case.once else 3 * len(messages))
    # Each of them twice, unless that would not do: something may be forgotten once, by the clock.
    again = iter(messages[warming:]) if case.once else cycle(messages[: case.counted // 2])
    with Connection(messages[0].host, messages[0].port) as connection:

        def ask(requests: int, turn: Iterator[Message] = again) -> Window:
            for message in islice(turn, requests):
                connection.ask(message)
            return counting.window()

        ask(warming, cycle(messages))
        yield ask


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="count cases whose name this expression finds")
    parser.add_argument("--write", action="store_true", help="keep what was counted")
    parser.add_argument("--control", action="store_true", help="with a useless loop in each request")
    parser.add_argument("--tree", type=Path, help="another checkout, whose gateway is counted")
    options = parser.parse_args()
    chosen = {name: case for name, case in CASES.items() if re.search(options.only, name)}
    who = interpreter()
    before = dict(count(chosen, tree=options.tree)) if options.control else stored(who)
    sys.stdout.write(f"{who}\n{'instructions of a request':42}{'before':>12}{'now':>12}\n")
    now, found = {}, []
    for name, counted in count(chosen, "tests.bench.slowed" if options.control else "gateway", options.tree):
        now[name] = counted
        [compared] = compare(before, {name: counted})
        found.append(compared)
        sys.stdout.write(f"{compared}\n")
        sys.stdout.flush()
    if options.write:
        everything = json.loads(_STORED.read_text()) if _STORED.exists() else {}
        everything[who] = {"instructions": before | now, "libraries": libraries()}
        _STORED.write_text(json.dumps(everything, indent=1) + "\n")
        return 0
    if not before:
        sys.stdout.write("Nothing was counted with this interpreter yet: `make bench-check ARGS=--write` keeps this.\n")
        return 2
    return 1 if any(compared.grown for compared in found) else 0


if __name__ == "__main__":
    sys.exit(main())
