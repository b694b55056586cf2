"""Connections that do nothing, and readers that do not read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

from tests.bench.kernel import wake_ups
from tests.e2e.place import Place, noise
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.store import RunningStore

_BEGINNINGS = {
    "nothing": b"",
    "half a request line": b"GET /s/",
    "half a head": b"GET /s/x HTTP/1.1\r\nHost: x\r\nX-A: ",
}


@pytest.fixture(scope="module")
def hasty(seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that waits one second for a head."""
    with gateway_before([seaweedfs], tmp_path_factory.mktemp("hasty"), "deadlines: {headers: 1s}") as running:
        yield running


def _connect(gateway: RunningGateway) -> socket.socket:
    place = urlsplit(gateway.data)
    return over_tls.connect(place.geturl(), timeout=20)


@pytest.mark.parametrize("beginning", list(_BEGINNINGS.values()), ids=list(_BEGINNINGS))
def test_a_head_that_does_not_come_ends_the_connection(hasty: RunningGateway, beginning: bytes) -> None:
    """A connection without a whole head in time is closed, however little or much of it came."""
    started = time.monotonic()
    with _connect(hasty) as client:
        client.sendall(beginning)
        try:
            said = client.recv(1000)
        except over_tls.CUT:
            said = b""
    assert b"200" not in said
    assert time.monotonic() - started < 4


def test_dripping_a_head_buys_no_time(hasty: RunningGateway) -> None:
    """A byte now and then does not move the deadline."""
    started = time.monotonic()
    with _connect(hasty) as client, suppress(BrokenPipeError, *over_tls.CUT):
        client.sendall(b"GET /s/x HTTP/1.1\r\nHost: x\r\nX-A: ")
        while time.monotonic() - started < 8:
            client.sendall(b"a")
            time.sleep(0.1)
    assert time.monotonic() - started < 4


def test_a_gateway_that_nobody_asks_hardly_wakes(hasty: RunningGateway) -> None:
    """What is done again and again is done at four beats a second, and wakes the process once for all of it."""
    seconds = 3
    woken = min(wake_ups(hasty.pid, lambda: time.sleep(seconds))[0] for _ in range(3))
    assert seconds <= woken <= 8 * seconds


@pytest.mark.slow
def test_a_body_that_stalls_ends_the_upload(weed: Place) -> None:
    """An upload that moves less than 1 KiB/s over ten seconds is cut and leaves no object."""
    link = weed.link("stalled.bin", actions=["write"])
    parts = urlsplit(link.url)
    with over_tls.connect(parts.geturl(), timeout=30) as client:
        head = f"PUT {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 1000000\r\n\r\n"
        client.sendall(head.encode() + b"x" * 1000)
        started = time.monotonic()
        with suppress(*over_tls.CUT):
            client.recv(1000)
    assert 9 < time.monotonic() - started < 15
    assert weed.stored("stalled.bin") is None


@pytest.mark.slow
def test_stalled_readers_cost_little_memory(weed: Place) -> None:
    """500 clients that open a large object and read nothing cost at most 128 MiB together."""
    weed.put("wide.bin", noise(64 * 1024 * 1024))
    link = weed.link("wide.bin")
    parts = urlsplit(link.url)
    before = weed.gateway.resident()
    with ExitStack() as stack:
        for _ in range(500):
            client = stack.enter_context(over_tls.connect(parts.geturl(), timeout=30))
            client.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            assert b"HTTP/1.1 200" == client.recv(12)
        assert weed.gateway.resident() - before < 128 * 1024**2
