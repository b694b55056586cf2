"""Owns the instruments: CPU time and memory of a process and its children, and the load that keeps it busy.

Refuses to own what is measured (`tests.bench.subjects`) and how it is told (`tests.bench.__main__`).

Law: on a machine that others use too, seconds say little and CPU time says most: every figure but latency is CPU time
that the kernel booked on the subject itself, to the nanosecond, and subjects take turns.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["LOAD_CPU", "SUBJECT_CPU", "cpu_seconds", "curl", "pin", "resident", "stalled_readers", "wrk"]

_CPUS = sorted(os.sched_getaffinity(0))
SUBJECT_CPU, LOAD_CPU = _CPUS[0], _CPUS[-1]
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """CPU time that the process, its threads and its children have had since their start."""
    spent = 0
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").iterdir():
            spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def resident(pid: int) -> int:
    """Bytes of memory that the process and its children hold now."""
    total = 0
    for member in family(pid):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{member}/status").read_text())
        total += int(found[1]) * 1024 if found else 0
    return total


def pin(pid: int, cpu: int) -> None:
    """Keep a process, its threads and its children on one CPU."""
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").iterdir():
            os.sched_setaffinity(int(task.name), {cpu})


def wrk(url: str, seconds: int, connections: int, headers: Sequence[str] = ()) -> tuple[int, float]:
    """Requests answered in that time, and their median latency in milliseconds."""
    flags = [part for header in headers for part in ("-H", header)]
    command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency"]
    told = subprocess.run([*command, *flags, url], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(f"{url}: {told}")
    requests, median = re.search(r"(\d+) requests in", told), re.search(r"50%\s+([\d.]+)(us|ms|s)", told)
    if requests is None or median is None:
        raise RuntimeError(told)
    return int(requests[1]), float(median[1]) * _UNITS[median[2]]


def curl(url: str, *arguments: str) -> int:
    """One whole transfer; returns the bytes that moved, in either direction."""
    command = ["taskset", "-c", str(LOAD_CPU), "curl", "--silent", "--show-error", "--fail", "--output", "/dev/null"]
    told = ["--write-out", "%{size_download} %{size_upload}"]
    done = subprocess.run([*command, *told, *arguments, url], check=True, capture_output=True, text=True)
    return max(int(size) for size in done.stdout.split())


@contextmanager
def stalled_readers(url: str, count: int, settle: float = 4.0) -> Iterator[None]:
    """Clients that ask for a large object and then read nothing, for the length of the block."""
    place = urlsplit(url)
    with ExitStack() as open_sockets:
        for _ in range(count):
            reader = open_sockets.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect((place.hostname, place.port))
            reader.sendall(f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        time.sleep(settle)
        yield
