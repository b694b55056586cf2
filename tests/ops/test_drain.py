"""How a gateway ends: nobody who behaves notices, and who takes too long can tell."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.e2e.conftest import require
from tests.e2e.place import noise
from tests.e2e.test_upload_draft import call
from tests.ops.fleet import Fleet, fleet_before
from tests.ops.rolling import roll
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway
from tests.servers.rclone import rclone_store
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

_LARGE = 32 * 1024 * 1024
"""More than socket buffers hold: a reader that stops keeps it open."""

_PART = 8 * 1024 * 1024
"""Bytes of a part of a resumable upload."""


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
    connection = over_tls.dial(gateway.data)
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
    with closing(over_tls.dial(gateway.data, timeout=10)) as late:
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
    with closing(connection), closing(answer), pytest.raises((http.client.IncompleteRead, *over_tls.CUT)):
        answer.read()


@pytest.fixture
def pair(store: RunningStore, tmp_path: Path) -> Iterator[Fleet]:
    """Two gateways with short times, which take uploads by the draft."""
    require("haproxy")
    drafts = {"GATEWAY_DATA__UPLOAD_DRAFTS": "true"}
    with fleet_before(store, tmp_path / "pair", notice="100ms", drain="1s", more=drafts) as fleet:
        yield fleet


def _until(client: socket.socket, said: bytes) -> bytes:
    """All that comes up to these words."""
    came = b""
    while said not in came:
        piece = client.recv(65536)
        assert piece, came
        came += piece
    return came


def _await_moved(gateway: RunningGateway, count: int) -> None:
    """Wait until the one transfer that runs has moved so many bytes."""
    deadline = time.monotonic() + 20
    while [count] != (moved := [one["moved"] for one in gateway.api("GET", "/v1/transfers")["transfers"]]):
        assert time.monotonic() < deadline, moved
        time.sleep(0.02)


def _stored(store: RunningStore, bucket: str, key: str) -> bytes:
    """An object's bytes. rclone may take a moment before it shows what it has joined."""
    client, deadline = store.client(), time.monotonic() + 20
    while not client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"):
        assert time.monotonic() < deadline, key
        time.sleep(0.05)
    return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.mark.parametrize("sent", [_PART, _PART + _PART // 2], ids=["a part", "a part and a half"])
def test_an_upload_that_a_drain_cuts_off_goes_on_elsewhere(pair: Fleet, store: RunningStore, sent: int) -> None:
    """All that came counts there, what was no whole part yet, too: nothing is sent again, and the file is whole."""
    first, other = (pair.gateway(number) for number in range(2))
    body = noise(2 * _PART + 12_345, seed=3)
    link = urlsplit(first.link("files", prefix="in/", actions=["write"]).url)
    with over_tls.connect(first.data, timeout=20) as client:
        head = f"PUT {link.path}/film.bin HTTP/1.1\r\nHost: gw\r\nContent-Length: {len(body)}\r\n"
        head += "Upload-Draft-Interop-Version: 6\r\nUpload-Complete: ?1\r\n\r\n"
        client.sendall(head.encode())
        begun = _until(client, b"\r\n\r\n")
        [place] = [line[10:].decode() for line in begun.split(b"\r\n") if line.lower().startswith(b"location: ")]
        client.sendall(body[:sent])
        _until(client, b"Upload-Offset: %d\r\n" % _PART)
        _await_moved(first, sent)
        pair.tell(0)
        with pytest.raises(over_tls.CUT):
            _until(client, b"HTTP/1.1 2")
    assert 0 == pair.await_end(0)
    address = urljoin(other.data, urlsplit(place)._replace(scheme="", netloc="").geturl())
    assert str(sent) == call("HEAD", address).getheader("Upload-Offset")
    said = {"Upload_Offset": str(sent), "Upload_Complete": "?1", "Content_Type": "application/partial-upload"}
    assert call("PATCH", address, body[sent:], **said).status < 300
    assert body == _stored(store, pair.bucket, "in/film.bin")
