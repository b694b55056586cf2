"""Owns the load: wrk for many small requests, curl for single large ones, both on a CPU of their own.

Refuses to own what is measured meanwhile (`tests.bench.measure`).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import LOAD_CPU
from tests.bench.requests import Message

__all__ = ["Loaded", "wrk"]

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


def wrk(messages: Sequence[Message], connections: int, seconds: float, scheme: str = "http") -> Loaded:
    """The messages in turn over so many connections, each connection waiting for its answer. Any refusal raises."""
    first = messages[0]
    with _script(messages) as script:
        command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script)]
        told = subprocess.run(
            [*command, f"{scheme}://{first.host}:{first.port}/"], check=True, capture_output=True, text=True
        ).stdout
    found = json.loads(told.partition("TOLD ")[2])
    if found["refused"] or found["lost"]:
        raise RuntimeError(f"{first.head[:80]!r}: {found}")
    return Loaded(found["requests"], found["seconds"], found["p50"], found["p99"])
