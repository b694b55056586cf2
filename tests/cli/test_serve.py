"""Running the gateway in the foreground."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from threading import current_thread

import pytest
import uvloop

from gateway.cli.serve import run_loop, settle, tune_collector
from gateway.core.reasons import SettingsError
from gateway.telemetry import memory
from tests.cli.conftest import POLICIES, SETTINGS
from tests.servers.process import free_ports

SERVING = """\
data: {{listen: "127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: ops, secret: "env:SOME_TOKEN"}}]}}
state: "sqlite:///{home}/gateway.db"
policies: policies/
"""


def answers(port: int, path: str = "/healthz") -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()  # one that is not read holds the socket
        except (OSError, HTTPException):
            time.sleep(0.02)  # whoever asks again leaves a gateway that starts its processor
            return False
        return answer.status == 200


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(write, tmp_path, number):
    """Exit code 0 after either signal, and the listeners are gone."""
    data, control = free_ports(2)
    config = write(SERVING.format(data=data, control=control, home=tmp_path), POLICIES)
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--config", str(config)], env=os.environ, stdout=subprocess.DEVNULL
    ) as process:
        try:
            while not answers(control):
                assert process.poll() is None
            process.send_signal(number)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert not answers(control)


@pytest.mark.e2e
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stray_signal_ends_nothing(write, tmp_path, workers):
    """Neither before it serves, when a reload finds nothing to reload, nor while it does; SIGTERM still ends it."""
    data, control = free_ports(2)
    config = write(SERVING.format(data=data, control=control, home=tmp_path), POLICIES)
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--workers", workers],
        env=os.environ,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            while not _ignored(process.pid) >> (signal.SIGUSR1 - 1) & 1:
                assert process.poll() is None
            stray = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
            while not answers(control):
                for number in stray:
                    process.send_signal(number)
                assert process.poll() is None
            for number in stray:
                process.send_signal(number)
            assert answers(control)
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(20)
        finally:
            process.kill()


@pytest.mark.e2e
def test_all_threads_of_a_process_have_one_heap(write, tmp_path):
    """What a thread's work takes for a moment can be given back; the control is a program that asks for nothing."""
    data, control = free_ports(2)
    config = write(SERVING.format(data=data, control=control, home=tmp_path), POLICIES)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL) as process:
        try:
            while not answers(control):
                assert process.poll() is None
            assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) > 1
            assert 0 == _heaps_of_threads(Path(f"/proc/{process.pid}/maps").read_text())
        finally:
            process.terminate()
    command = [sys.executable, "-c", _WITH_A_THREAD]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert 1 == _heaps_of_threads(done.stdout)


_WITH_A_THREAD = """
from threading import Thread
thread = Thread(target=lambda: print(open("/proc/self/maps").read()))
thread.start()
thread.join()
"""

_HEAP = 64 << 20
"""What the C library sets aside for a thread's heap, and where it begins (arena.c)."""


def _heaps_of_threads(maps):
    """How many of such places there are: memory in use that begins there, and the rest up to its end kept free."""
    spans = [line.split()[:2] for line in maps.splitlines() if line]
    ends = [(*(int(end, 16) for end in span.split("-")), rights) for span, rights in spans]
    return sum(
        begin % _HEAP == 0 and rights == "rw-p" and then == end and kept == "---p" and last % _HEAP == 0
        for (begin, end, rights), (then, last, kept) in pairwise(ends)
    )


def _ignored(pid):
    """The signals that a process ignores, as a mask."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("SigIgn:")[2].split()[0], 16)


@pytest.mark.e2e
def test_an_operator_gets_through_while_clients_hold_every_descriptor(write, tmp_path):
    """With 64 descriptors and 200 clients that hold on: the control listener answers, revokes and drains, files are
    read anew, and clients are served again once some have left."""
    data, control = free_ports(2)
    config = write(SERVING.format(data=data, control=control, home=tmp_path), POLICIES)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(["sh", "-c", 'ulimit -n 64; exec "$0" "$@"', *command], env=os.environ, stdout=log) as process,
    ):
        try:
            while not answers(control):
                assert process.poll() is None
            with ExitStack() as clients:
                for _ in range(200):
                    client = clients.enter_context(socket.create_connection(("127.0.0.1", data), 5))
                    with suppress(ConnectionError):  # it may have been closed already
                        client.sendall(b"GET / HTTP/1.1")
                assert not answers(data)
                for _ in range(20):
                    assert answers(control)
                process.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + 10
                while "reloaded" not in (said := (tmp_path / "log").read_text()):
                    assert time.monotonic() < deadline, said
                assert "refused" not in said
                assert "file descriptors run out" in said
            while not answers(data, "/robots.txt"):
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(20)
        finally:
            process.kill()


@pytest.mark.e2e
def test_it_may_have_as_many_descriptors_as_the_system_grants(write, tmp_path):
    """The soft limit is raised to the hard one before anything is sized by it."""
    data, control = free_ports(2)
    config = write(SERVING.format(data=data, control=control, home=tmp_path), POLICIES)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    with subprocess.Popen(
        ["sh", "-c", 'ulimit -Sn 100; ulimit -Hn 1000; exec "$0" "$@"', *command],
        env=os.environ,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            while not answers(control):
                assert process.poll() is None
            assert (1000, 1000) == resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        finally:
            process.kill()


@pytest.mark.e2e
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_serves_whichever_standard_streams_are_closed(write, tmp_path, closed):
    """Some supervisors leave none: it starts, answers and ends as ever, and each of them is the null device."""
    data, control = free_ports(2)
    config = write(SERVING.format(data=data, control=control, home=tmp_path), POLICIES)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    with subprocess.Popen(["sh", "-c", f'exec "$0" "$@" {closed}', *command], env=os.environ) as process:
        try:
            while not answers(control):
                assert process.poll() is None
            for stream in closed.split():
                number = 0 if stream[0] == "<" else 2 if stream[0] == "2" else 1
                assert os.devnull == str(Path(f"/proc/{process.pid}/fd/{number}").readlink())
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(20)
        finally:
            process.kill()


@pytest.mark.e2e
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_serves_while_nobody_reads_its_log(write, tmp_path, workers):
    """A collector that stalls holds up no request, and finds every line once it reads again; the end waits a moment for
    it, and no longer."""
    data, control = free_ports(2)
    config = write(SERVING.format(data=data, control=control, home=tmp_path), POLICIES)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--workers", workers]
    reading, writing = os.pipe()
    with subprocess.Popen(command, env=os.environ, stdout=writing) as process:
        os.close(writing)
        try:
            while not answers(control, "/readyz"):
                assert process.poll() is None
            ask_for_nothing(data, 600)
            assert answers(control)
            found = b""
            while found.count(b'"unknown_token"') < 600:
                found += os.read(reading, 1 << 20)
            ask_for_nothing(data, 600)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(reading)


def ask_for_nothing(port, times):
    """Requests that are refused, each of which is a line of the log."""
    for number in range(times):
        with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", f"/s/gl_{number}")
            assert connection.getresponse().status == 404


def test_a_ready_gateway_collects_again_and_spares_what_a_start_made():
    """The collector rests until then; afterwards it looks at what is new only."""
    threshold, before = gc.get_threshold(), gc.get_freeze_count()
    gc.disable()
    try:
        tune_collector()
        assert gc.isenabled()
        assert gc.get_threshold()[0] > threshold[0]
        assert gc.get_freeze_count() > before
    finally:
        gc.enable()
        gc.unfreeze()
        gc.set_threshold(*threshold)


def test_what_a_start_made_is_settled_when_settle_returns(monkeypatch):
    """Pages are joined by then, not beside the first requests."""
    done = []
    monkeypatch.setattr("gateway.cli.serve.tune_collector", lambda: done.append("collector"))
    monkeypatch.setattr(memory, "join_pages", lambda: done.append(current_thread().name))
    settle()
    assert ["collector", current_thread().name] == done


def test_wrong_settings_are_exit_code_5_with_every_fault(terminal, write):
    """Nothing is opened."""
    config = write(SETTINGS + "colour: red\nshape: round\n", POLICIES)
    done = terminal.run("serve", "--config", str(config))
    assert done.exit_code == 5
    assert "colour" in done.stderr
    assert "shape" in done.stderr
    assert not (config.parent / "gateway.db").exists()
    assert gc.isenabled()


def test_a_missing_file_names_the_demo(terminal, tmp_path):
    """Who has nothing yet is told what needs nothing."""
    done = terminal.run("serve", "--config", str(tmp_path / "gateway.yaml"))
    assert done.exit_code == 5
    assert "gateway demo" in done.stderr


def test_what_failed_in_a_task_group_is_raised_as_itself():
    """So that it gets its own sentence and exit code."""

    async def fail() -> None:
        raise SettingsError("wrong")

    async def work() -> None:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(fail())

    with pytest.raises(SettingsError, match="wrong"):
        run_loop(work)


def test_the_loop_is_uvloop():
    """The one that all figures were measured on."""
    seen = []

    async def work() -> None:
        seen.append(type(asyncio.get_running_loop()))

    run_loop(work)
    assert seen == [uvloop.Loop]
