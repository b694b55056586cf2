"""Memory that was freed goes back to the system."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
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


def test_what_a_burst_held_is_given_back() -> None:
    """Even with a little of it still in use. The first value is the control: by itself the library keeps it."""
    done = subprocess.run([sys.executable, "-c", _BURST], capture_output=True, text=True, check=True, timeout=30)
    assert "True True" == done.stdout.strip()


async def test_a_library_without_the_call_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given back, and the task goes on: readiness watches it."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert not memory.trim()
    task = asyncio.get_running_loop().create_task(memory.give_back())
    await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
