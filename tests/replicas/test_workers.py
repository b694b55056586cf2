"""Several processes on one port and one SQLite file: one truth, one page of metrics, one clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.replicas.fleet import Fleet, fleet, owners_of, refused_by
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

WORKERS = 4
LARGE = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def gateways(rclone: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("workers")
    with fleet(directory, rclone, [f'"sqlite:///{directory}/gateway.db"'], workers=WORKERS) as running:
        running.put("small", b"small")
        running.put("large", bytes(LARGE))
        yield running


def children(gateway: RunningGateway) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()]


class Line:
    """One connection to the data listener, kept by one worker."""

    def __init__(self, gateway: RunningGateway, receive_buffer: int | None = None) -> None:
        self.socket = over_tls.connect(gateway.data, timeout=20, window=receive_buffer)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def ask(self, token: str) -> int:
        """The status of one GET; small bodies only."""
        self.begin(token)
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += self._some()
        head, _, body = raw.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < int(lengths[0].partition(b":")[2]):
            body += self._some()
        return int(head.split()[1])

    def begin(self, token: str) -> None:
        self.socket.sendall(f"GET /s/{token} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n".encode())

    def _some(self) -> bytes:
        data = self.socket.recv(65536)
        assert data, "the connection was closed"
        return data


@contextmanager
def lines_to(gateway: RunningGateway) -> Iterator[list[Line]]:
    """One connection to each worker."""
    pids = children(gateway)
    found: dict[int, Line] = {}
    opened: list[Line] = []
    while len(found) < WORKERS:
        assert len(opened) < 400, "the kernel gives one worker nothing"
        opened += [Line(gateway) for _ in range(6)]
        for port, pid in owners_of(pids, [line.port for line in opened]).items():
            found.setdefault(pid, next(line for line in opened if line.port == port))
    try:
        yield list(found.values())
    finally:
        for line in opened:
            line.socket.close()


@pytest.fixture
def lines(gateways: Fleet) -> Iterator[list[Line]]:
    with lines_to(gateways.gateways[0]) as found:
        yield found


def test_an_acknowledged_revocation_is_refused_by_every_worker(gateways: Fleet) -> None:
    """At the very next request, whichever of them took it: each worker had served the link from its cache before."""
    [gateway] = gateways.gateways
    for _ in range(10):
        link = gateway.link("lab", "small")
        with lines_to(gateway) as lines:
            assert [line.ask(link.token) for line in lines] == [200] * WORKERS
            gateway.revoke(link)
            for line in lines:
                with suppress(*over_tls.CUT):  # it came in the middle of an answer, which was cut
                    assert refused_by(line.ask(link.token))


def test_an_acknowledged_edit_holds_in_every_worker(gateways: Fleet) -> None:
    """At the very next request: the link is now for other addresses."""
    [gateway] = gateways.gateways
    for _ in range(10):
        link = gateway.link("lab", "small")
        with lines_to(gateway) as lines:
            assert [line.ask(link.token) for line in lines] == [200] * WORKERS
            gateway.api("PATCH", f"/v1/links/{link.id}", {"cidrs": ["192.0.2.0/24"]})
            assert [line.ask(link.token) for line in lines] == [403] * WORKERS


def test_an_operators_drain_reaches_every_worker(gateways: Fleet, lines: list[Line]) -> None:
    """The next request to each is answered as the operator wants it, both ways."""
    [gateway] = gateways.gateways
    link = gateway.link("lab", "small")
    for drained, status in ((True, 503), (False, 200)):
        said = gateway.api("PUT", "/v1/backends/lab", {"drained": drained})
        assert (said["processes"], said["changed"]) == (WORKERS, WORKERS)
        assert [line.ask(link.token) for line in lines] == [status] * WORKERS
        assert [gateway.api("GET", "/v1/backends")["backends"][0]["drained"] for _ in range(8)] == [drained] * 8


def test_a_log_level_reaches_every_worker(gateways: Fleet, lines: list[Line]) -> None:
    """No worker tells of a request at level error, and each does again at the settings' level."""
    [gateway] = gateways.gateways
    quiet, told = gateway.link("lab", "small"), gateway.link("lab", "small")
    before = gateway.log().count(quiet.id)
    assert gateway.api("PUT", "/v1/log", {"level": "error"})["changed"] == WORKERS
    assert [line.ask(quiet.token) for line in lines] == [200] * WORKERS
    assert gateway.api("PUT", "/v1/log", {"level": "info"})["changed"] == WORKERS
    began, known = time.monotonic(), gateway.log().count(told.id)
    assert [line.ask(told.token) for line in lines] == [200] * WORKERS
    while gateway.log().count(told.id) < known + WORKERS:
        assert time.monotonic() - began < 5
    assert gateway.log().count(quiet.id) == before


def test_a_new_link_works_at_once_everywhere(gateways: Fleet, lines: list[Line]) -> None:
    """Also where its token was refused a moment ago: no worker remembers that it did not exist."""
    [gateway] = gateways.gateways
    for _ in range(10):
        link = gateway.link("lab", "small")
        assert [line.ask(link.token) for line in lines] == [200] * WORKERS


def test_running_transfers_are_cut_in_every_worker(gateways: Fleet) -> None:
    """Within a second, and the client can see that its body is not whole."""
    [gateway] = gateways.gateways
    pids = children(gateway)
    link = gateway.link("lab", "large")
    running: list[Line] = []
    before = gateway.metric("gateway_streams_cut_total", reason="revoked")
    while len(set(owners_of(pids, [line.port for line in running]).values())) < WORKERS:
        assert len(running) < 60
        line = Line(gateway, receive_buffer=65536)
        line.begin(link.token)
        assert line.socket.recv(1024).startswith(b"HTTP/1.1 200")
        running.append(line)
    began = time.monotonic()
    gateway.revoke(link)
    while gateway.metric("gateway_streams_cut_total", reason="revoked") < before + len(running):
        assert time.monotonic() - began < 1
    for line in running:
        received = 0
        try:
            while data := line.socket.recv(65536):
                received += len(data)
        except over_tls.CUT:
            pass
        assert received < LARGE
        line.socket.close()
    assert time.monotonic() - began < 1


def test_one_page_counts_for_all_workers(gateways: Fleet, lines: list[Line]) -> None:
    """Every request of every worker is on the page, whichever worker is asked for it."""
    [gateway] = gateways.gateways
    link = gateway.link("lab", "small")
    before = gateway.metric("gateway_requests_total", operation="GetObject", outcome="ok")
    for _ in range(5):
        for line in lines:
            assert line.ask(link.token) == 200
    counts = {gateway.metric("gateway_requests_total", operation="GetObject", outcome="ok") for _ in range(8)}
    assert counts == {before + 5 * WORKERS}
    assert gateway.metric("gateway_revocation_view_age_seconds") < 5


async def test_a_link_for_one_use_is_used_once(gateways: Fleet) -> None:
    """Two hundred clients at once, on connections of their own, spread over the workers."""
    [gateway] = gateways.gateways
    for _ in range(3):
        link = gateway.link("lab", "small", uses=1)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, ssl=over_tls.client() or True)
        ) as session:

            async def status(number: int, url: str = link.url, session: aiohttp.ClientSession = session) -> int:
                async with session.get(url, headers={"User-Agent": f"client {number}"}) as answer:
                    await answer.read()
                    return answer.status

            statuses = await asyncio.gather(*(status(number) for number in range(200)))
        assert sorted(statuses) == [200] + [410] * 199


def test_the_end_is_clean(rclone: RunningStore, tmp_path: Path) -> None:
    """After SIGTERM nothing new is accepted, a running transfer arrives whole, and the exit code is 0."""
    with fleet(tmp_path, rclone, [f'"sqlite:///{tmp_path}/gateway.db"'], workers=WORKERS) as running:
        [gateway] = running.gateways
        running.put("large", bytes(LARGE))
        link = gateway.link("lab", "large")
        transfers = [Line(gateway, receive_buffer=65536) for _ in range(6)]
        for line in transfers:
            line.begin(link.token)
            assert line.socket.recv(12) == b"HTTP/1.1 200"
        pids = children(gateway)
        sent_at = time.monotonic()
        signal.pidfd_send_signal(_pidfd(gateway.pid), signal.SIGTERM)
        while _accepts(gateway):
            assert time.monotonic() - sent_at < 5
        for line in transfers:
            raw = bytearray(12)
            while b"\r\n\r\n" not in raw:
                raw += line.socket.recv(65536)
            left = LARGE - len(raw.partition(b"\r\n\r\n")[2])
            while left:
                data = line.socket.recv(min(left, 1 << 20))
                assert data, f"{left} bytes are missing"
                left -= len(data)
            line.socket.close()
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() - sent_at < 30
    assert "Traceback" not in gateway.log()
    assert gateway.log().count('"event":"stopped"') == WORKERS


def _accepts(gateway: RunningGateway) -> bool:
    place = urlsplit(gateway.data)
    with socket.socket() as probe:
        return probe.connect_ex((place.hostname, place.port)) == 0


def _pidfd(pid: int) -> int:
    return os.pidfd_open(pid)
