"""The tour: it proves itself, leaves nothing behind, and takes nobody's place."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from gateway.cli.demo import _choose_ports

pytestmark = pytest.mark.e2e


def command(home: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The demo as a user starts it, with temporary directories below `home`, and a hostile environment."""
    environ = {**os.environ, "TMPDIR": str(home), "GATEWAY_DATA__LISTEN": "192.0.2.1:1", "PYTHONUNBUFFERED": "1"}
    return [sys.executable, "-m", "gateway", "demo", *arguments], environ


def processes_of(home: Path) -> list[str]:
    """Command lines of living processes that were told about this directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text()
        except OSError:
            continue
        if str(home) in line:
            found.append(line.replace("\0", " "))
    return found


@contextmanager
def running(home: Path, cwd: Path, *arguments: str, path: str = os.environ["PATH"]):
    """A demo that stays up, after it said what to try; killed at the end whatever happened."""
    line, environ = command(home, *arguments)
    with subprocess.Popen(
        line, env=environ | {"PATH": path}, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            said = ""
            while "Ctrl-C" not in said:
                heard = process.stdout.readline()
                assert heard, process.stderr.read()
                said += heard
            yield process, said
        finally:
            process.kill()


@pytest.fixture
def elsewhere(tmp_path_factory):
    """The directory in which the user happens to be."""
    return tmp_path_factory.mktemp("elsewhere")


def test_once_downloads_revokes_and_sees_the_refusal(tmp_path, elsewhere):
    """Exit code 0, the URL on standard output, and neither a process nor a file left."""
    line, environ = command(tmp_path, "--once")
    done = subprocess.run(line, env=environ, cwd=elsewhere, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert "/s/gl_" in done.stdout.splitlines()[-1]
    assert "downloaded 63 bytes" in done.stderr
    assert "410" in done.stderr
    assert [*tmp_path.iterdir(), *elsewhere.iterdir()] == []
    assert processes_of(tmp_path) == []


def test_a_program_is_told_where_everything_is(tmp_path, elsewhere):
    """`--json` is one document, and the proof is said on the other stream."""
    line, environ = command(tmp_path, "--once", "--json")
    done = subprocess.run(line, env=environ, cwd=elsewhere, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {"url", "link", "data_url", "control_url", "console_url", "admin_token_file"} == told.keys()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_up_until_it_is_told_and_cleans_up(tmp_path, elsewhere, number):
    """The printed URL works, and the printed way to the admin token is right."""
    with running(tmp_path, elsewhere) as (process, said):
        with urlopen(re.search(r"http://\S+/s/gl_\w+", said)[0], timeout=10) as answer:
            assert answer.read().startswith(b"Hello!")
        token_file = Path(re.search(r"\$\(cat ([^)]+)\)", said)[1])
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
        process.send_signal(number)
        assert process.wait(30) == 0
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


def test_what_it_says_to_try_runs_in_a_shell_that_knows_nothing(tmp_path, elsewhere):
    """In a directory whose name needs quotes, and where `gateway` is only beside the interpreter that runs the demo."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(elsewhere)}
    assert shutil.which("gateway", path=bare["PATH"]) is None
    home = tmp_path / "a place"
    with running(tmp_path, elsewhere, "--dir", str(home), path=bare["PATH"]) as (_, said):
        lines = [line.strip() for line in said.partition("Try in another terminal:")[2].splitlines()]
        exports = [line for line in lines if line.startswith("export ")]
        script = "\n".join(["set -e", *exports, "gateway link ls", "gateway key create my-app"])
        done = subprocess.run(
            ["bash", "-c", script], env=bare, cwd=elsewhere, capture_output=True, text=True, timeout=60, check=False
        )
    assert 0 == done.returncode, done.stderr
    assert "demo/hello.txt" in done.stdout


def test_a_named_directory_is_kept_and_used_again(tmp_path, elsewhere):
    """Its settings are ordinary ones; a second demo in it works."""
    home = tmp_path / "kept & used %41gain"
    for _ in range(2):
        line, environ = command(tmp_path, "--once", "--dir", str(home))
        done = subprocess.run(line, env=environ, cwd=elsewhere, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
    assert list(elsewhere.iterdir()) == []
    assert (home / "gateway.db").stat().st_size > 0
    assert set(yaml.safe_load((home / "gateway.yaml").read_text())) >= {"data", "control", "state", "policies"}


def test_settings_of_somebody_else_are_not_overwritten(terminal, tmp_path):
    """A directory with a gateway.yaml that no demo wrote is refused."""
    (tmp_path / "gateway.yaml").write_text("state: x\n")
    done = terminal.run("demo", "--dir", str(tmp_path))
    assert done.exit_code == 1
    assert (tmp_path / "gateway.yaml").read_text() == "state: x\n"


def test_a_taken_port_is_avoided_or_told(terminal):
    """The usual one gives way to a free one; one that was asked for is a sentence."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = terminal.run("demo", "--port", str(port))
        assert (done.exit_code, done.stderr) == (1, f"Error: The port {port} is taken.\n")
    data, control = _choose_ports(None)
    assert data != control


def test_a_failure_inside_is_told_and_cleaned_up(terminal, tmp_path, monkeypatch):
    """What the store or the gateway could not do is a sentence, exit code 1, and nothing is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("gateway.cli.demo._SAMPLE", b"other bytes than expected")
    monkeypatch.setattr("gateway.cli.demo._send", lambda method, url, body=None: (200, b""))
    done = terminal.run("demo", "--once")
    assert done.exit_code == 1, done.output
    assert "0 bytes" in done.stderr
    assert list(tmp_path.iterdir()) == []
