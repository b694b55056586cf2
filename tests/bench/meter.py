"""Owns the clock that stands around the parts of a request: who had how much since the last mark.

Refuses to own which parts (`tests.bench.parts`) and starting the gateway with them (`tests.bench.metered`).

Laws: what a part costs is its own, less what the parts inside of it cost; a coroutine that waits costs nothing while it
waits; what measuring itself costs is measured on a function that does nothing, and taken off.
"""

from __future__ import annotations

import functools
import inspect
import signal
import types
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["BEGIN", "CALLED", "NOTHING", "PROBE", "TELL", "WAITING", "Meter", "Path", "Tally", "corrected", "tallied"]

Path = tuple[str, ...]
"""The parts that a moment is in, outermost first."""

PROBE, CALLED, WAITING, NOTHING = "(probe)", "(function)", "(coroutine)", "(nothing)"
"""Paths of what does nothing, in a function and in a coroutine: what measuring costs, inside of it and around it."""

BEGIN, TELL = signal.SIGRTMIN + 1, signal.SIGRTMIN + 2
"""Signals to a gateway with a meter: to begin anew, and to write what was found. It has no use of its own for them."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one path has had itself, and how often it was entered."""

    calls: int
    spent: float


class Meter:
    """`mark` is told the path that has just been running, each time another one begins to."""

    def __init__(self, mark: Callable[[Path], None], path: Path = ()) -> None:
        self._mark = mark
        self._path = path
        self.entered: dict[Path, int] = {}
        self.waiting: set[str] = set()  # the parts that are coroutines

    def around(self, part: str, function: Any) -> Any:
        """The function, measured as this part; a coroutine function in every step that it makes."""
        if inspect.iscoroutinefunction(function):
            self.waiting.add(part)

            @functools.wraps(function)
            async def waiting(*arguments: Any, **named: Any) -> Any:
                return await self._driven(part, function(*arguments, **named))

            return waiting

        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            before = self._enter(part)
            try:
                return function(*arguments, **named)
            finally:
                self._leave(before)

        return called

    def mark(self) -> None:
        """What has been running until now is told."""
        self._mark(self._path)

    def _enter(self, part: str) -> Path:
        before = self._path
        self._mark(before)
        self._path = path = (*before, part)
        self.entered[path] = self.entered.get(path, 0) + 1
        return before

    def _leave(self, before: Path) -> None:
        self._mark(self._path)
        self._path = before

    @types.coroutine
    def _driven(self, part: str, work: Any) -> Generator[Any, Any, Any]:
        send, value = work.send, None
        while True:
            before = self._enter(part)
            try:
                waited_for = send(value)
            except StopIteration as end:
                return end.value
            finally:
                self._leave(before)
            try:
                send, value = work.send, (yield waited_for)
            except GeneratorExit:
                work.close()
                raise
            except BaseException as failure:  # noqa: BLE001 (whatever is thrown in is the work's to handle)
                send, value = work.throw, failure


def tallied(
    spent: Iterable[tuple[Sequence[str], float]], entered: Iterable[tuple[Sequence[str], int]]
) -> dict[Path, Tally]:
    """What was found for each path, in any order and any number of pieces, with how often it was entered."""
    sums: dict[Path, float] = {}
    for path, cost in spent:
        sums[tuple(path)] = sums.get(tuple(path), 0) + cost
    calls = {tuple(path): count for path, count in entered}
    return {path: Tally(calls.get(path, 0), cost) for path, cost in sums.items()}


def corrected(tallies: Mapping[Path, Tally], waiting: Collection[str] = ()) -> dict[Path, Tally]:
    """The same without what measuring cost, and without the probes that tell it. `waiting` are coroutines."""
    inside, around = {}, {}
    for kind in (CALLED, WAITING):
        probe = tallies[PROBE, kind, NOTHING]
        inside[kind], around[kind] = probe.spent / probe.calls, tallies[PROBE, kind].spent / probe.calls
    taken: Counter[Path] = Counter()
    for path, tally in tallies.items():
        kind = WAITING if path and path[-1] in waiting else CALLED
        taken[path] += inside[kind] * tally.calls
        taken[path[:-1]] += around[kind] * tally.calls
    return {
        path: Tally(tally.calls, max(0.0, tally.spent - taken[path]))
        for path, tally in tallies.items()
        if path[:1] != (PROBE,)
    }
