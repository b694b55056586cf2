"""What is counted, and by whom: one case is one reader with its worst input, at any size."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gateway.core.reasons import Refused, SettingsError, UpstreamFailed

__all__ = ["OPTIONS", "Case", "Reported", "byte_by_byte", "collect", "fed", "read", "report"]

OPTIONS = ("--tool=callgrind", "--instr-atstart=no", "--zero-before=getppid", "--dump-before=getpgrp")
"""Of valgrind. The two system calls mark where the count of a run begins, and where it is written down; what runs
before `_count_from_here` is not slowed down by any of it."""

Thunk = Callable[[], object]
_ELEMENTS = 550
"""How many the control looks through at a case's own size."""

_EXPECTED = (ValueError, Refused, UpstreamFailed, SettingsError)


@dataclass(frozen=True)
class Case:
    """`build` makes the worst input of a size and returns what reads it, once. `size` is counted in whatever the case
    repeats; `covers` names what is read with, as MODULE:NAME without the package. `caches` are forgotten before."""

    name: str
    covers: tuple[str, ...]
    size: int
    build: Callable[[int], Thunk]
    caches: tuple[Any, ...] = ()

    def run(self, size: int, extra: Callable[[int], Thunk] | None = None) -> None:
        """Read an input of this size; everything but the reading is out of the count (see `OPTIONS`)."""
        thunk = self.build(size)
        more = extra(_ELEMENTS * size // self.size) if extra is not None else None
        for cache in self.caches:
            cache.cache_clear()
        os.getppid()
        with suppress(*_EXPECTED):
            thunk()
        if more is not None:
            more()
        os.getpgrp()


def collect(cases: list[Case]) -> Callable[..., Callable[[Callable[[int], Thunk]], None]]:
    """What decorates the `build` of a case, and adds the case to these. Its name is the builder's, if none is given."""

    def case(covers: str, size: int, name: str = "", caches: tuple[Any, ...] = ()) -> Callable[..., None]:
        names = tuple(covers.split())

        def add(build: Callable[[int], Thunk]) -> None:
            what = name or build.__name__.replace("_", " ")
            cases.append(Case(f"{names[0]}, {what}", names, size, build, caches))

        return add

    return case


@dataclass(frozen=True)
class Reported:
    """Instructions at two sizes, of which the second is four times the first."""

    small: int
    large: int

    @property
    def growth(self) -> float:
        return self.large / self.small


def searched(size: int) -> Thunk:
    """What the obvious code does beside its work: for each element it looks through those that it had before."""

    def run() -> None:
        before = list(range(size // 4))
        for _ in range(size):
            assert -1 not in before

    return run


def report(cases: Iterable[Case]) -> None:
    """Run each case at its size and at four times that, then its control at a quarter of both."""
    gc.disable()
    cases = list(cases)
    for case in cases:
        with suppress(*_EXPECTED):
            case.build(case.size // 4)()  # and so makes whatever is made only once
    _count_from_here()
    for case in cases:
        for size in (case.size, 4 * case.size):
            case.run(size)
        for size in (case.size // 4, case.size):
            case.run(size, searched)


def _count_from_here() -> None:
    subprocess.run(["callgrind_control", "--instr=on", str(os.getpid())], check=True, capture_output=True, timeout=60)


def read(counts: list[int], cases: list[Case]) -> dict[str, tuple[Reported, Reported]]:
    """Each case's growth and its control's, from the counts of all runs, in order."""
    assert 4 * len(cases) == len(counts)
    return {
        case.name: (Reported(*counts[4 * at : 4 * at + 2]), Reported(*counts[4 * at + 2 : 4 * at + 4]))
        for at, case in enumerate(cases)
    }


def fed(reader: Any, data: bytes, step: int = 65536) -> Thunk:
    """`reader.feed` in pieces of the size of one read."""
    pieces = [data[start:end] for start, end in pairwise([*range(0, len(data), step), len(data)])]

    def run() -> None:
        for piece in pieces:
            reader.feed(piece)

    return run


def byte_by_byte(reader: Any, data: bytes) -> Thunk:
    return fed(reader, data, 1)
