"""Running the gateway in the foreground."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
import uvloop

from gateway.cli.serve import run_loop, tune_collector
from gateway.core.reasons import SettingsError
from tests.cli.conftest import POLICIES, SETTINGS
from tests.servers.process import free_ports

SERVING = """\
data: {{listen: "127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: ops, secret: "env:SOME_TOKEN"}}]}}
state: "sqlite:///{home}/gateway.db"
policies: policies/
"""


def answers(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            answer.read()  # one that is not read holds the socket
        except OSError:
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
