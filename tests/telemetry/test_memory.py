"""Memory that was freed goes back to the system, and what stays lies in large pages."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, current_thread
from types import SimpleNamespace

import pytest

from gateway.telemetry import memory

_BURST = """
from gateway.telemetry.memory import trim

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

before = resident()
held = [(bytes(100_000), object()) for _ in range(1000)]
kept = [pair[0] for pair in held[::100]]
del held
freed = resident()
trim()
print(freed - before > 50_000_000, resident() - before < 10_000_000)
"""

_IN_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from gateway.core.password import hash_password
from gateway.telemetry.memory import keep_one_heap, trim

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

meeting = Barrier(4)

def work(number):
    meeting.wait()
    return [hash_password("secret", bytes(16)) for _ in range(3)]

if sys.argv[1:] == ["one"]:
    assert keep_one_heap()
with ThreadPoolExecutor(4) as pool:
    before = resident()
    list(pool.map(work, range(4)))
    trim()
    print((resident() - before) >> 20)
"""

_STAYING = """
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PAGESIZE, mmap
from gateway.telemetry.memory import join_pages

def told(name):
    [line] = [line for line in open("/proc/self/smaps_rollup") if line.startswith(name)]
    return int(line.split()[1]) * 1024

def hold(every):
    held = mmap(-1, 16 << 20, MAP_PRIVATE | MAP_ANONYMOUS)
    for at in range(0, len(held), every * PAGESIZE):
        held[at] = 1
    return held

filled, with_holes = hold(1), hold(2)
before, large = told("Rss"), told("AnonHugePages")
print(join_pages() >= 7, told("AnonHugePages") - large >= 14 << 20, told("Rss") - before < 2 << 20)
"""


def test_what_a_burst_held_is_given_back() -> None:
    """Even with a little of it still in use. The first value is the control: by itself the library keeps it."""
    done = subprocess.run([sys.executable, "-c", _BURST], capture_output=True, text=True, check=True, timeout=30)
    assert "True True" == done.stdout.strip()


def test_what_threads_held_is_given_back() -> None:
    """Passwords that are hashed in four threads, 16 MiB each, leave nothing behind while the threads wait for more. The
    second process is the control: with a heap for each thread, all of it stays."""

    def left(*heaps: str) -> int:
        command = [sys.executable, "-c", _IN_THREADS, *heaps]
        return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)

    assert 4 > left("one")
    assert 32 <= left()


async def test_a_library_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given back, and the task goes on: readiness watches it. Threads keep their heaps."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert not memory.keep_one_heap()
    assert not memory.trim()
    task = asyncio.get_running_loop().create_task(memory.give_back())
    await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()


@pytest.mark.skipif(not memory.LARGE_PAGE.exists(), reason="the kernel has no large pages")
def test_what_stays_lies_in_large_pages() -> None:
    """All that is filled, and nothing with holes, which would be filled by it: the process holds what it held. The hole
    in every second page is the control."""
    done = subprocess.run([sys.executable, "-c", _STAYING], capture_output=True, text=True, check=True, timeout=30)
    assert "True True True" == done.stdout.strip()


@pytest.mark.parametrize("lacking", ["the call", "large pages"])
def test_a_system_without_large_pages_is_left_alone(
    lacking: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No page is joined, and nothing fails."""
    if lacking == "the call":
        monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    else:
        monkeypatch.setattr(memory, "LARGE_PAGE", tmp_path / "none")
    assert 0 == memory.join_pages()


def test_pages_that_are_joined_beside_requests_keep_none_waiting_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each page a thread of its own rests for twenty times as long as it took."""
    took, rested = iter([5e-3, 1e-3]), []
    clock = [0.0]
    done = Event()

    def advise(*_: object) -> int:
        clock[0] += next(took)
        return 0

    def rest(seconds: float) -> None:
        rested.append((current_thread().name, round(seconds, 6)))

    def found(_: int) -> Iterator[int]:
        yield from (0, 1)
        done.set()

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(madvise=advise))
    monkeypatch.setattr(memory, "LARGE_PAGE", SimpleNamespace(read_text=lambda: "1"))
    monkeypatch.setattr(memory, "_filled", found)
    monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=rest))
    memory.join_beside()
    assert done.wait(10)
    assert [("join pages", 0.1), ("join pages", 0.02)] == rested


async def test_what_comes_to_stay_later_is_joined_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each time that the process has grown much; not for a little, nor for what is given back."""
    mib, passes, joined = 1 << 20, asyncio.Semaphore(0), []
    sizes = iter([50, 50, 57, 59, 60, 45, 52, 53, 53])
    monkeypatch.setattr(memory, "resident", lambda: next(sizes) * mib)
    monkeypatch.setattr(memory, "join_beside", lambda: joined.append(len(joined)))
    monkeypatch.setattr(memory, "_PAUSE", 0)
    found = []

    def look() -> None:
        found.append(len(joined))
        if len(found) == 8:
            passes.release()
            task.cancel()

    task = asyncio.get_running_loop().create_task(memory.give_back(look))
    await passes.acquire()
    assert [0, 0, 0, 1, 1, 1, 1, 2] == found
