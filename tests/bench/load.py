"""Owns the load: wrk for many small requests, sockets that the kernel fills and empties for large ones, clients that
stall, and requests at a fixed rate.

Refuses to own what is measured meanwhile (`tests.bench.measure`).

Law: the load costs as little as it can. What comes back of a large body is thrown away in the kernel (MSG_TRUNC), what
goes out is sent from the page cache (sendfile); only TLS has to pass through curl. Every answer is a success, or the
run ends.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.connection import Connection
from tests.bench.measure import LOAD_CPU
from tests.bench.requests import Message, Upload

__all__ = ["SOURCE", "Loaded", "at_rate", "curl", "download", "downloading", "stalled", "upload", "wrk"]

SOURCE = (
    "The load is wrk for small requests and the kernel for large ones (MSG_TRUNC, sendfile), curl where there is TLS; "
    "the store is `store.c`, which answers from the page cache and throws uploads away. Both stand on one CPU, the "
    "subject on another. CPU time is what the kernel booked on the subject's processes with all their threads. What is "
    "added to a latency is what is more than a store takes that stands in the subject's place."
)
"""How the load is made, in the words of the results."""

_SCRIPT = """
local requests, turn = {{}}, 0
local file = assert(io.open("{messages}", "rb"))
for _, length in ipairs({{{lengths}}}) do requests[#requests + 1] = file:read(length) end
function request() turn = turn % #requests + 1; return requests[turn] end
function done(summary, latency, _)
  local e = summary.errors
  local form = '\\nTOLD {{"requests": %d, "seconds": %f, "refused": %d, "lost": %d, "p50": %f, "p99": %f}}\\n'
  io.write(string.format(form,
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PIECE = 1 << 20
_PATIENCE = 120


@dataclass(frozen=True, slots=True)
class Loaded:
    """Requests that were answered with success, and their latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float


@contextmanager
def _script(messages: Sequence[Message]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        place = Path(name)
        place.joinpath("messages").write_bytes(b"".join(message.data for message in messages))
        lengths = ", ".join(str(len(message.data)) for message in messages)
        script = place / "load.lua"
        script.write_text(_SCRIPT.format(messages=place / "messages", lengths=lengths))
        yield script


def wrk(messages: Sequence[Message], connections: int, seconds: int, *, tls: bool = False) -> Loaded:
    """The messages in turn over so many connections, each connection waiting for its answer. Any refusal raises."""
    first = messages[0]
    address = f"http{'s' if tls else ''}://{first.host}:{first.port}/"
    with _script(messages) as script:
        command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script)]
        told = subprocess.run([*command, address], check=True, capture_output=True, text=True).stdout
    found = json.loads(told.partition("TOLD ")[2])
    if found["refused"] or found["lost"]:
        raise RuntimeError(f"{first.head[:80]!r}: {found}")
    return Loaded(found["requests"], found["seconds"], found["p50"], found["p99"])


def _head(client: socket.socket) -> tuple[bytes, int]:
    """The head of an answer, and how much of its body came with it."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(16384)
        if not piece:
            raise RuntimeError(f"no answer: {head!r}")
        head += piece
    head, _, rest = head.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 2"):
        raise RuntimeError(f"{head!r} {rest[:500]!r}")
    return head, len(rest)


def download(message: Message) -> int:
    """One whole object; returns its bytes. A body without a length ends with the connection or its last chunk."""
    with socket.create_connection((message.host, message.port), _PATIENCE) as client:
        client.sendall(message.data)
        head, came = _head(client)
        found, sink = _LENGTH.search(head), bytearray(_PIECE)
        if found is None:
            return came + _framed_rest(client)
        while came < int(found[1]):
            got = client.recv_into(sink, 0, socket.MSG_TRUNC)
            if not got:
                raise RuntimeError(f"{came} of {int(found[1])} bytes came")
            came += got
        return came


def _framed_rest(client: socket.socket) -> int:
    came, tail = 0, b""
    while not tail.endswith(b"0\r\n\r\n"):
        piece = client.recv(_PIECE)
        if not piece:
            break
        came, tail = came + len(piece), (tail + piece)[-8:]
    return came


def upload(sent: Upload) -> int:
    """One whole upload; returns the bytes of the object."""
    with socket.create_connection((sent.host, sent.port), _PATIENCE) as client, tempfile.TemporaryFile() as file:
        file.write(sent.piece)
        file.flush()
        client.sendall(sent.head)
        client.settimeout(None)
        for _ in range(sent.times):
            offset = 0
            while offset < len(sent.piece):
                offset += os.sendfile(client.fileno(), file.fileno(), offset, len(sent.piece) - offset)
        client.settimeout(_PATIENCE)
        client.sendall(sent.tail)
        _head(client)
    return sent.size


def curl(url: str, *arguments: str) -> int:
    """One whole transfer, for TLS; returns the bytes that moved, in either direction."""
    command = ["taskset", "-c", str(LOAD_CPU), "curl", "--silent", "--show-error", "--fail", "--insecure"]
    told = ["--output", "/dev/null", "--write-out", "%{size_download} %{size_upload}"]
    done = subprocess.run([*command, *told, *arguments, url], check=True, capture_output=True, text=True)
    return max(int(size) for size in done.stdout.split())


@contextmanager
def stalled(message: Message, count: int, body: bytes = b"", settle: float = 4.0) -> Iterator[None]:
    """Clients that ask and then neither read nor, if they upload, send more than `body`, for the block's length."""
    with ExitStack() as open_sockets:
        for _ in range(count):
            client = open_sockets.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((message.host, message.port))
            client.sendall(message.head + body)
        time.sleep(settle)
        yield


@contextmanager
def downloading(message: Message, count: int, rate: str) -> Iterator[None]:
    """So many clients that download the object again and again, in the background, for the block's length.

    Each at a `rate` in curl's words, and in the class of what runs when nothing else does (sched(7), SCHED_IDLE): their
    own CPU must not be what the other requests wait for.
    """
    place = f"http://{message.host}:{message.port}{message.head.split()[1].decode()}"
    loop = f"while curl --silent --fail --limit-rate {rate} --output /dev/null {place}; do :; done"
    with ExitStack() as stack:
        for _ in range(count):
            command = ["chrt", "--idle", "0", "taskset", "-c", str(LOAD_CPU), "bash", "-c", loop]
            child = stack.enter_context(subprocess.Popen(command, start_new_session=True))
            stack.callback(os.killpg, child.pid, 15)
        time.sleep(1)
        yield


def at_rate(targets: Sequence[Message], rate: int, seconds: float) -> list[list[float]]:
    """Latencies in milliseconds of each target, asked so often a second, the targets by turns between each other.

    A request whose turn came while the one before it was still under way counts from its turn.
    """
    latencies: list[list[float]] = [[] for _ in targets]
    pause = 1 / rate / len(targets)
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(message.host, message.port)) for message in targets]
        began = time.perf_counter()
        for number in range(int(seconds * rate * len(targets))):
            turn = began + number * pause
            late = time.perf_counter() > turn
            if not late:
                time.sleep(max(0.0, turn - time.perf_counter()))
            since = turn if late else time.perf_counter()
            which = number % len(targets)
            connections[which].ask(targets[which])
            latencies[which].append((time.perf_counter() - since) * 1e3)
    return latencies
