"""Owns the instruments: CPU time and memory of a process and of what it started, and which CPU does what.

Refuses to own what is measured (`tests.bench.peers`, `tests.bench.gateways`) and what keeps it busy
(`tests.bench.load`).

Law: on a machine that others use too, seconds say little and CPU time says most: it is what the kernel booked on the
subject itself, to the nanosecond, its threads that have ended included.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["LOAD_CPU", "SUBJECT_CPU", "children", "cpu_seconds", "family", "pin", "resident"]

_CPUS = sorted(os.sched_getaffinity(0))
SUBJECT_CPU, LOAD_CPU = _CPUS[0], _CPUS[-1]
_SCHEDULED = 2
"""The clock of what the scheduler gave, in the ids that clock_getcpuclockid(3) makes."""


def children(pid: int) -> list[int]:
    """What the process started and what is still there; a thread that ends meanwhile leaves its own to the others."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, (task / "children").read_text().split())
    return found


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    return [pid, *(below for child in children(pid) for below in family(child))]


def cpu_seconds(pid: int) -> float:
    """CPU time that the process, its threads and everything below it have had since their start."""
    return sum(time.clock_gettime_ns((~member) << 3 | _SCHEDULED) for member in family(pid)) / 1e9


def resident(pid: int) -> int:
    """Bytes of memory that the process and everything below it hold now."""
    total = 0
    for member in family(pid):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{member}/status").read_text())
        total += int(found[1]) * 1024 if found else 0
    return total


def pin(pid: int, cpu: int) -> None:
    """Keep a process, its threads and everything below it on one CPU."""
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), {cpu})
