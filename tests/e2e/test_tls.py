"""Links over TLS, ended by the gateway itself."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Run
from tests.e2e.place import Place, noise
from tests.servers.certificate import certificate
from tests.servers.gateway import Link, RunningGateway, gateway_before
from tests.servers.store import RunningStore

_SIZE = 24 * 1024 * 1024


@pytest.fixture(scope="module")
def secured(seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningGateway, Path]]:
    cert, key = certificate(tmp_path_factory.mktemp("tls"))
    environ = {"GATEWAY_DATA__TLS__CERT": str(cert), "GATEWAY_DATA__TLS__KEY": str(key)}
    with gateway_before([seaweedfs], tmp_path_factory.mktemp("secured") / "home", environ=environ) as running:
        yield running, cert


@pytest.fixture
def place(secured: tuple[RunningGateway, Path], seaweedfs: RunningStore) -> Place:
    gateway, _ = secured
    return Place.before(gateway, seaweedfs)


@pytest.fixture
def curl(secured: tuple[RunningGateway, Path], run: Run):
    """curl that trusts the certificate; what it printed, or its exit code with `check=False`."""

    def call(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run("curl", "-sS", "--cacert", secured[1], *arguments, check=check)

    return call


def read_to_the_end(client: ssl.SSLSocket) -> None:
    while client.recv(65536):
        pass


def over_tls(link: Link) -> Link:
    return replace(link, url=link.url.replace("http://", "https://"))


def test_large_bodies_pass_whole_both_ways(place: Place, curl, tmp_path: Path) -> None:
    """Byte for byte, with a range between."""
    content = noise(_SIZE)
    tmp_path.joinpath("in").write_bytes(content)
    upload = over_tls(place.link("tls.bin", actions=["write"], overwrite=True))
    assert "201" == curl("-T", "in", "-w", "%{http_code}", "-o", "answer", upload.url).stdout
    link = over_tls(place.link("tls.bin"))
    curl("-o", "out", link.url)
    assert hashlib.sha256(content).digest() == hashlib.sha256(tmp_path.joinpath("out").read_bytes()).digest()
    curl("-r", "1000-1999", "-o", "part", link.url)
    assert content[1000:2000] == tmp_path.joinpath("part").read_bytes()


def test_one_connection_carries_many_requests(place: Place, curl) -> None:
    """Kept alive through TLS as without it."""
    place.put("small.txt", b"hello")
    url = over_tls(place.link("small.txt")).url
    assert "1 0 0" == curl("-o", "a", "-o", "b", "-o", "c", "-w", "%{num_connects} ", url, url, url).stdout.strip()


def test_a_refusal_before_the_body_is_heard(place: Place, curl, tmp_path: Path) -> None:
    """A client that sends all at once still gets the answer, and not a broken connection."""
    tmp_path.joinpath("in").write_bytes(os.urandom(4 * 1024 * 1024))
    link = over_tls(place.link("nothing.bin"))
    done = curl("-H", "Expect:", "-T", "in", "-w", "%{http_code}", "-o", "answer", link.url, check=False)
    assert "405" == done.stdout


def test_a_revocation_cuts_and_is_no_clean_end(place: Place, secured: tuple[RunningGateway, Path]) -> None:
    """Within a second; no closing alert of TLS lets the body look whole."""
    place.put("movie.bin", noise(_SIZE))
    link = over_tls(place.link("movie.bin"))
    address = urlsplit(link.url)
    context = ssl.create_default_context(cafile=str(secured[1]))
    with socket.create_connection((address.hostname, address.port)) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client:
            client.settimeout(5)
            client.sendall(f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
            assert client.recv(65536)
            place.gateway.revoke(link)
            since = time.monotonic()
            with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):
                read_to_the_end(client)
            assert time.monotonic() - since < 1.0
