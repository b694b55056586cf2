"""`python -m gateway` is the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__


def test_the_module_runs_the_command():
    """With its own name in the help, whatever the interpreter calls the file."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == f"gateway, version {__version__}\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_what_a_terminal_cannot_show_ends_no_command(encoding: str, tmp_path: Path) -> None:
    """A character that its encoding lacks is written as its number, and a document of JSON is whole in any encoding."""
    environ = {**os.environ, "PYTHONIOENCODING": encoding}
    said = "from gateway import cli; cli._write_what_it_can(); print('0/∞ ☃')"
    plain = subprocess.run([sys.executable, "-c", said], capture_output=True, env=environ, check=True, timeout=30)
    assert ("0/∞ ☃" if encoding == "utf-8" else r"0/\u221e \u2603") == plain.stdout.decode(encoding).strip()
    (tmp_path / "policies").mkdir()
    (tmp_path / "gateway.yaml").write_text("state: memory://\n")
    (tmp_path / "policies" / "a.yaml").write_text("buckets: {☃é🎉: {}}\n")
    command = [sys.executable, "-m", "gateway", "check", "--json", "--config", str(tmp_path / "gateway.yaml")]
    told = subprocess.run(command, capture_output=True, env=environ, check=False, timeout=30)
    assert 5 == told.returncode
    assert "☃é🎉" in json.dumps(json.loads(told.stdout.decode(encoding)), ensure_ascii=False)


@pytest.mark.parametrize(("option", "buffered"), [("--help", True), ("--help", False), ("completion bash", True)])
def test_a_full_disk_is_told_in_a_sentence(option: str, buffered: bool) -> None:
    """Whatever cannot be written ends with exit code 1, and with no word of the interpreter's own."""
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *option.split()],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            env=environ if buffered else environ | {"PYTHONUNBUFFERED": "1"},
        )
    assert 1 == done.returncode
    [sentence] = done.stderr.splitlines()
    assert "No space left on device" in sentence


def test_without_an_output_it_ends_as_ever() -> None:
    """Who closed it wants to know nothing, and gets no traceback either."""
    command = ["sh", "-c", '"$0" -m gateway --version >&-', sys.executable]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, timeout=30)
    assert (0, "") == (done.returncode, done.stderr)
