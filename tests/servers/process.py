"""Owns child processes of tests: readiness, and the certainty that none is left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.embedded_store import die_with
from gateway.cli.free_ports import free_ports

__all__ = ["await_port", "free_ports", "running"]


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child for the length of the block: ended with SIGTERM, with SIGKILL if it takes more than five seconds."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environ or {})},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 (runs one system call, takes no lock)
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def await_port(port: int, child: subprocess.Popen[bytes], log: Path, within: float = 30.0) -> None:
    """Return when somebody accepts connections on the port. Raises AssertionError with the log's end if not."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"{child.args} is not ready on port {port}: {log.read_text(errors='replace')[-2000:]}")
