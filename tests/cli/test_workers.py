"""Several processes behind the same listeners."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.conftest import POLICIES
from tests.cli.test_serve import SERVING, answers, free_ports

SCRIPT = """
import os, signal, sys, time
from gateway.cli.workers import supervise

def work(number):
    {body}

sys.exit(supervise(work, 3))
"""
WAIT = """signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.write(1, b"up %d\\n" % os.getpid())
    signal.sigwait({signal.SIGTERM})
    return 0"""


@contextmanager
def started(body: str):
    line = [sys.executable, "-c", SCRIPT.format(body=body)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_signal_reaches_every_process():
    """And the code is 0 when all of them end well."""
    with started(WAIT) as process:
        pids = [int(process.stdout.readline().split()[1]) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not any(map(alive, pids))


SECOND = """signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.write(1, b"up %d\\n" % os.getpid())
    signal.sigwait({signal.SIGTERM})
    return 3 if number and signal.sigtimedwait({signal.SIGTERM}, 1) else 0"""


def test_a_process_that_is_ending_is_not_told_twice():
    """A second SIGTERM would kill one that has put its handlers away already, before its last lines are written."""
    with started(SECOND) as process:
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(20)


def test_one_that_dies_ends_them_all():
    """So that a supervisor never sees half a gateway."""
    with started(WAIT) as process:
        pids = [int(process.stdout.readline().split()[1]) for _ in range(3)]
        os.kill(pids[1], signal.SIGKILL)
        assert process.wait(20) == 1
    assert not any(map(alive, pids))


def test_who_loses_the_first_process_ends():
    """A gateway whose supervisor only sees the process that it started is never half there, whatever kills that one."""
    with started(WAIT) as process:
        pids = [int(process.stdout.readline().split()[1]) for _ in range(3)]
        process.kill()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline


def test_the_first_failure_is_the_exit_code():
    """Wrong settings stay exit code 5."""
    with started("return 5") as process:
        assert process.wait(20) == 5


def test_a_failure_is_told():
    """In one line, by the process that failed, before it ends them all."""
    line = [sys.executable, "-c", SCRIPT.format(body="raise OSError('the disk is full')")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "OSError: the disk is full" in done.stderr


@pytest.mark.e2e
def test_two_workers_share_listeners_and_state(write, tmp_path):
    """Both accept on the same port, and end together with exit code 0."""
    data, control = free_ports(2)
    config = write(SERVING.format(data=data, control=control, home=tmp_path), POLICIES)
    line = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--workers", "2"]
    with subprocess.Popen(line, env=os.environ, stdout=subprocess.DEVNULL) as process:
        try:
            while not answers(control):
                assert process.poll() is None
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            assert len(children) == 2
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert not any(alive(int(child)) for child in children)
