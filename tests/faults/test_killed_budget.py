"""What a gateway that is killed costs a link's budget of bytes (docs/links.md, "What a budget of bytes counts")."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.core.lease import RESERVED_SECONDS
from gateway.stores.sqlite.engine import open_sqlite
from tests.e2e.place import Place, noise
from tests.servers import over_tls
from tests.servers.gateway import Link, gateway_before
from tests.servers.process import await_port, running
from tests.servers.store import RunningStore

_MIB = 1024 * 1024
_WHOLE = 24 * _MIB
_BUDGET = 40 * _MIB


@pytest.fixture
def place(seaweedfs: RunningStore, tmp_path: Path) -> Iterator[Place]:
    with gateway_before([seaweedfs], tmp_path / "mortal") as gateway:
        yield Place.before(gateway, seaweedfs)


@contextmanager
def again(place: Place, variables: dict[str, str]) -> Iterator[None]:
    """Another process, on the same state and addresses."""
    directory = place.gateway.directory
    command = [sys.executable, "-m", "gateway", "serve", "--config", directory / "gateway.yaml"]
    with running(command, directory / "again.log", variables, directory) as child:
        for address in (place.gateway.data, place.gateway.control):
            await_port(urlsplit(address).port or 0, child, directory / "again.log")
        yield


def download(link: Link, most: int = _WHOLE, headers: dict[str, str] | None = None) -> tuple[int, int]:
    """The status, and how many bytes of the object came."""
    place = urlsplit(link.url)
    with closing(over_tls.dial(place.geturl(), timeout=30)) as connection:
        connection.request("GET", place.path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, len(answer.read(most)) if answer.status < 300 else 0


def used(place: Place, link: Link) -> int:
    return int(place.gateway.api("GET", f"/v1/links/{link.id}")["bytes_used"])


async def lapse(path: Path) -> None:
    """As in a minute, the reservations of which nothing was heard are given back."""
    engine = await open_sqlite(path, clock=lambda: time.time() + RESERVED_SECONDS + 1)
    await engine.leases.release_lapsed()
    await engine.close()


@pytest.mark.e2e
async def test_a_kill_overdraws_a_budget_by_no_more_than_moved_since_the_last_report(place: Place) -> None:
    """What ran at the kill stays reserved for a minute, so nobody else gets it; then it is given back, and of all that
    was ever delivered only what moved in that last quarter of a minute is not in the budget."""
    place.put("film.bin", noise(_WHOLE))
    link = place.link("film.bin", bytes=_BUDGET)
    environ = Path(f"/proc/{place.gateway.pid}/environ").read_text()
    variables = dict(pair.split("=", 1) for pair in environ.split("\0") if "=" in pair)
    at = urlsplit(link.url)
    with closing(over_tls.dial(at.geturl(), timeout=30)) as connection:
        connection.request("GET", at.path)
        answer = connection.getresponse()
        uncounted = len(answer.read(6 * _MIB))
        assert _WHOLE == used(place, link)
        os.kill(place.gateway.pid, signal.SIGKILL)
        try:
            while piece := answer.read1(65536):
                uncounted += len(piece)
        except (ConnectionError, http.client.IncompleteRead):
            pass
    assert 6 * _MIB <= uncounted < _WHOLE
    with again(place, variables):
        assert (410, 0) == download(link)
        assert (206, 10 * _MIB) == download(link, headers={"Range": f"bytes=0-{10 * _MIB - 1}"})
        assert _WHOLE + 10 * _MIB == used(place, link)
    await lapse(place.gateway.directory / "gateway.db")
    with again(place, variables):
        assert 10 * _MIB == used(place, link)
        assert (200, _WHOLE) == download(link)
        assert (410, 0) == download(link)
        assert (206, 6 * _MIB) == download(link, headers={"Range": f"bytes=0-{6 * _MIB - 1}"})
        assert (410, 0) == download(link, headers={"Range": "bytes=0-0"})
        assert _BUDGET == used(place, link)
    delivered = uncounted + 10 * _MIB + _WHOLE + 6 * _MIB
    assert _BUDGET + uncounted == delivered
