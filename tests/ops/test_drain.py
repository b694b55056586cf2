"""How a gateway ends: nobody who behaves notices, and who takes too long can tell."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import require
from tests.ops.fleet import Fleet, fleet_before
from tests.ops.rolling import roll
from tests.servers.rclone import rclone_store
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

_LARGE = 32 * 1024 * 1024
"""More than socket buffers hold: a reader that stops keeps it open."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunningStore]:
    tmp_path.joinpath("store").mkdir()
    with rclone_store(tmp_path / "store") as running:
        yield running


@pytest.mark.slow
def test_rolling_restarts_fail_no_request(store: RunningStore, tmp_path: Path) -> None:
    """A small run of `python -m tests.ops.rolling`: downloads, slow ones too, and uploads all succeed."""
    require("haproxy")
    with fleet_before(store, tmp_path / "fleet", notice="600ms") as fleet:
        tally = roll(fleet, 5, clients=1)
    assert [] == tally.failures
    assert {"small downloads", "small downloads on kept connections", "large downloads", "uploads"} == set(tally.done)


@pytest.fixture
def alone(store: RunningStore, tmp_path: Path) -> Iterator[Fleet]:
    """One gateway with short times, asked without a proxy."""
    require("haproxy")
    with fleet_before(store, tmp_path / "alone", notice="1s", drain="2s", count=1) as fleet:
        yield fleet


def _download(fleet: Fleet, store: RunningStore) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A large download that has begun."""
    store.client().put_object(Bucket=fleet.bucket, Key="large.bin", Body=bytes(_LARGE))
    gateway = fleet.gateway(0)
    path = urlsplit(gateway.link("files", key="large.bin").url).path
    connection = http.client.HTTPConnection("127.0.0.1", int(gateway.data.rpartition(":")[2]), timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert 1024 == len(answer.read(1024))
    return connection, answer


def test_readiness_fails_first_and_running_transfers_end_well(alone: Fleet, store: RunningStore) -> None:
    """During the notice new requests are served and end their connections, and a running download is whole."""
    connection, answer = _download(alone, store)
    gateway = alone.gateway(0)
    store.client().put_object(Bucket=alone.bucket, Key="small.bin", Body=b"0123456789")
    small = urlsplit(gateway.link("files", key="small.bin").url).path
    alone.tell(0)
    alone.seen_by_proxy(0, up=False)
    assert 503 == alone.readiness(0)
    with closing(http.client.HTTPConnection("127.0.0.1", connection.port, timeout=10)) as late:
        late.request("GET", small)
        served = late.getresponse()
        assert (200, b"0123456789", "close") == (served.status, served.read(), served.getheader("Connection"))
    with closing(connection), closing(answer):
        assert _LARGE - 1024 == len(answer.read())
    assert 0 == alone.await_end(0)


def test_a_transfer_that_takes_too_long_is_cut_and_seen_to_be(alone: Fleet, store: RunningStore) -> None:
    """After the drain its connection breaks before the promised length: no client takes it for whole."""
    connection, answer = _download(alone, store)
    started = time.monotonic()
    alone.tell(0)
    assert 0 == alone.await_end(0)
    assert 3.0 <= time.monotonic() - started < 8.0
    with closing(connection), closing(answer), pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        answer.read()
