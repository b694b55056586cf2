"""Owns child processes of tests: free ports, readiness, and the certainty that none is left behind."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.cli.embedded_store import die_with

__all__ = ["await_port", "free_ports", "running"]

_CHANCE = random.SystemRandom()
_FIRST = 10_000
"""Below are ports that services are known by."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different, and that stay free until somebody does.

    The kernel gives none of them to an outgoing connection: one of those would keep a server from its port, be it on
    its first start or on a restart.
    """
    found: list[int] = []
    end = _given_by_kernel()
    with ExitStack() as held:
        while len(found) < count:
            probe, port = held.enter_context(socket.socket()), _CHANCE.randrange(_FIRST, end)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found


def _given_by_kernel() -> int:
    """The first port of those that outgoing connections get (ip(7), ip_local_port_range); beyond all, if all are."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return first if first > 2 * _FIRST else 65_536


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
