"""Owns what a request asks of the kernel, and whom it wakes: counts that do not depend on what else the machine does.

Refuses to own the time that this takes (`tests.bench.meter`) and the requests (`tests.bench.cases`).
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.bench.measure import cpu_seconds

__all__ = ["asked_of_kernel", "calls", "wake_ups"]

_STRACE: Final = ("strace", "--follow-forks", "--summary-only", "--summary-columns=calls,name")
_LINE: Final = re.compile(r"^\s*(\d+) (\w+)$", re.MULTILINE)
_WAITS: Final = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)$", re.MULTILINE)
_UNTRACED: Final = "TracerPid:\t0\n"
_RARE: Final = 0.05
_REST: Final = 5
_PATIENCE: Final = 10


def asked_of_kernel(pid: int, place: Path, ask: Callable[[], int]) -> Iterator[str]:
    """Lines about one of the requests that `ask` sends, whose number it returns, and about a time without any."""
    requests: list[int] = []
    woken = [times / requests[0] for times in wake_ups(pid, lambda: requests.append(ask()))]
    yield "woken for a request    the main thread {:.1f} times, all others {:.1f}".format(*woken)
    found = calls(pid, place, lambda: requests.append(ask()))
    often = sorted(((count / requests[-1], name) for name, count in found.items()), reverse=True)
    told = ", ".join(f"{name} {each:.1f}" for each, name in often if each >= _RARE)
    yield f"calls of the kernel    {told or 'strace(1) is not to be had'}"
    since = cpu_seconds(pid)
    main, others = wake_ups(pid, lambda: time.sleep(_REST))
    spent = (cpu_seconds(pid) - since) / _REST * 1e3
    yield f"a second of nothing    {spent:.1f} ms of CPU, {main / _REST:.0f} and {others / _REST:.0f} times woken"


def calls(pid: int, place: Path, work: Callable[[], object]) -> dict[str, int]:
    """How often each call of the kernel was made while the work was done; none where strace(1) cannot be had."""
    if shutil.which(_STRACE[0]) is None:
        return {}
    told = place / "calls"
    with subprocess.Popen([*_STRACE, "--output", told, "--attach", str(pid)], stderr=subprocess.DEVNULL) as tracing:
        if not _traced(pid, tracing):
            return {}
        try:
            work()
        finally:
            tracing.send_signal(signal.SIGINT)
    return {name: int(count) for count, name in _LINE.findall(told.read_text()) if name != "total"}


def _traced(pid: int, tracing: subprocess.Popen[bytes]) -> bool:
    """Whether all threads have come to be traced."""
    deadline = time.monotonic() + _PATIENCE
    while any(_UNTRACED in (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()):
        if tracing.poll() is not None or time.monotonic() > deadline:
            tracing.kill()
            return False
        time.sleep(0.01)
    return True


def wake_ups(pid: int, work: Callable[[], object]) -> tuple[int, int]:
    """How often the main thread, and all others together, had waited and were woken while the work was done."""
    before = _waits(pid)
    work()
    counts = {task: count - before.get(task, 0) for task, count in _waits(pid).items()}
    return counts[pid], sum(counts.values()) - counts[pid]


def _waits(pid: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        counted = _WAITS.search((task / "status").read_text())
        found[int(task.name)] = int(counted[1]) if counted else 0
    return found
