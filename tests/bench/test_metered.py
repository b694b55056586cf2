"""The meter stands around a gateway that serves as any other, and tells what it found when it is asked."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.bench.callgrind import ENVIRON
from tests.bench.cases import CASES, place_before
from tests.bench.connection import Connection
from tests.bench.costs import ask_meter
from tests.bench.meter import BEGIN, corrected, tallied
from tests.bench.store import standing
from tests.servers.gateway import gateway_before

pytestmark = [
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, which compiles the store"),
    pytest.mark.skipif("config.getoption('--over-tls')", reason="the bench has rows of its own over TLS"),
]


def test_each_step_of_a_request_is_found(tmp_path: Path) -> None:
    """As often as it was made since the meter began anew; whatever the gateway does with signals of its own."""
    output = tmp_path / "meter.json"
    environ = ENVIRON | {"BENCH_METER": str(output)}
    with (
        standing(tmp_path) as (stand, _),
        gateway_before([stand], tmp_path / "home", environ=environ, module="tests.bench.metered") as gateway,  # type: ignore[list-item]
    ):
        [message] = CASES["GET 4 KiB, link"].build(place_before(gateway))
        with Connection(message.host, message.port) as connection:
            connection.ask(message)
            await_records(gateway.pid, output, 1)
            os.kill(gateway.pid, BEGIN)
            assert [4096, 4096] == [connection.ask(message) for _ in range(2)]
        calls = await_records(gateway.pid, output, 2)
    assert (2, 2) == (calls["record"], calls["client's connection: bytes out"])


def await_records(pid: int, output: Path, count: int) -> Counter[str]:
    """What was found once so many were made: an answer is there before what is done behind it."""
    deadline = time.monotonic() + 30
    while (calls := calls_found(pid, output))["record"] < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return calls


def calls_found(pid: int, output: Path) -> Counter[str]:
    """How often each part was found until now, below whatever it stood: an answer may come at once or later."""
    found = ask_meter(pid, output, within=30)
    tallies = corrected(tallied(found["found"], found["entered"]), found["waiting"])
    calls = Counter[str]()
    for path, tally in tallies.items():
        calls.update({path[-1]: tally.calls} if path else {})
    return calls
