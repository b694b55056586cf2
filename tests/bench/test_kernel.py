"""What a request asks of the kernel is counted where it happens, by call and by thread."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.kernel import asked_of_kernel, calls, wake_ups

_ECHO = """
import os, queue, threading
jobs, done = queue.SimpleQueue(), queue.SimpleQueue()
def work():
    while jobs.get():
        os.getppid()
        done.put(1)
threading.Thread(target=work, daemon=True).start()
while line := os.read(0, 1):
    jobs.put(1)
    done.get()
    os.write(1, line)
"""
"""A process that answers each byte once another thread of its own has done its part."""


@pytest.fixture
def echo() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", _ECHO]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as child:
        _ask(child)
        yield child
        child.kill()


def _ask(child: subprocess.Popen[bytes], times: int = 1) -> int:
    assert child.stdin is not None
    assert child.stdout is not None
    for _ in range(times):
        child.stdin.write(b"x")
        assert b"x" == child.stdout.read(1)
    return times


def test_a_call_is_counted_as_often_as_it_was_made(echo: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """One read and one write of each byte, the last of which may still be under way; calls of other threads, too."""
    found = calls(echo.pid, tmp_path, lambda: _ask(echo, 40))
    if not found:
        pytest.skip("strace cannot be had here")
    assert 38 <= found["write"] <= 40
    assert 38 <= found["read"] <= 41
    assert 40 == found["getppid"]


def test_who_is_woken_is_told_by_thread(echo: subprocess.Popen[bytes]) -> None:
    """The main thread waits for each byte, the other one for what is handed to it; without work nobody is woken."""
    main, others = wake_ups(echo.pid, lambda: _ask(echo, 100))
    assert main > 10
    assert others > 10
    assert sum(wake_ups(echo.pid, lambda: None)) < 5  # what was under way


def test_the_lines_are_of_one_request(
    echo: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are sent."""
    monkeypatch.setattr("tests.bench.kernel._REST", 0.1)
    woken, called, rest = asked_of_kernel(echo.pid, tmp_path, lambda: _ask(echo, 40))
    assert woken.startswith("woken for a request    the main thread ")
    assert "write 1.0" in called or "strace" in called
    assert rest.endswith(" times woken")
