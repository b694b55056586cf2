"""Taking access back, while bytes are moving."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import require
from tests.e2e.place import Place, noise
from tests.servers import over_tls
from tests.servers.gateway import Link
from tests.waiting import wait_until

_SIZE = 64 * 1024 * 1024
_RESET = 7
"""The state TCP_CLOSE of a socket that nobody has closed here; after a clean end it is TCP_CLOSE_WAIT."""


@pytest.fixture
def link(weed: Place) -> Link:
    weed.put("movie.bin", noise(_SIZE))
    return weed.link("movie.bin")


def _read_to_the_end(client: socket.socket) -> int:
    """How many bytes still came before a clean end."""
    return sum(len(chunk) for chunk in iter(lambda: client.recv(1024 * 1024), b""))


@pytest.mark.parametrize("program", ["curl", "wget"])
def test_a_running_download_ends_within_a_second_and_fails(
    weed: Place, link: Link, tmp_path: Path, program: str
) -> None:
    """Revoking during a transfer makes the client exit with an error within 1 s, with a file that is short."""
    require(program)
    options = {
        "curl": ["-sS", "--limit-rate", "24M", "-o", "out"],
        "wget": ["-q", "--limit-rate=24m", "--tries=1", "-O", "out"],
    }
    command = [shutil.which(program) or program, *over_tls.program_options(program), *options[program], link.url]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as client:
        out = tmp_path / "out"
        wait_until(lambda: out.exists() and out.stat().st_size > 1024 * 1024)
        weed.gateway.revoke(link)
        client.wait(1.0)
    assert client.returncode != 0
    assert out.stat().st_size < _SIZE


def test_at_most_a_quarter_mebibyte_follows_a_revocation(weed: Place, link: Link) -> None:
    """After the revoke call returned, at most 256 KiB and what the client's kernel already held are still read."""
    place, buffer = urlsplit(link.url), 64 * 1024
    with over_tls.connect(place.geturl(), timeout=5, window=buffer) as client:
        client.sendall(f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        received = 0
        while received < 4 * 1024 * 1024:
            chunk = client.recv(65536)
            assert chunk
            received += len(chunk)
        weed.gateway.revoke(link)
        after = 0
        with suppress(*over_tls.CUT):
            while chunk := client.recv(65536):
                after += len(chunk)
        assert _RESET == client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    assert after <= 256 * 1024 + 2 * buffer


def test_what_was_cut_is_recorded_as_cut(weed: Place, link: Link) -> None:
    """The record of a cut transfer says so, with fewer bytes than the object has; the metric counts it."""
    before = weed.gateway.metric("gateway_streams_cut_total", reason="revoked")
    place = urlsplit(link.url)
    with over_tls.connect(place.geturl(), timeout=5) as client:
        client.sendall(f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        client.recv(65536)
        weed.gateway.revoke(link)
        records = weed.gateway.api("GET", f"/v1/links/{link.id}/records")
        wait_until(lambda: weed.gateway.api("GET", f"/v1/links/{link.id}/records")["records"])
    [record] = weed.gateway.api("GET", f"/v1/links/{link.id}/records")["records"]
    assert ("cut", "revoked") == (record["outcome"], record["reason"]), records
    assert record["bytes_out"] < _SIZE
    assert before + 1 == weed.gateway.metric("gateway_streams_cut_total", reason="revoked")


@pytest.mark.parametrize("kind", ["link", "owner", "prefix", "backend"])
def test_every_kind_of_revocation_cuts(weed: Place, kind: str) -> None:
    """A link ends by its id, its owner, a prefix over it and its backend, and so do the bytes on their way."""
    folder = f"by-{kind}/"
    weed.put(folder + "movie.bin", noise(_SIZE))
    link = weed.link(folder + "movie.bin", owner=f"app:by-{kind}" if kind == "owner" else "app:tests")
    target = {
        "link": {"link": link.id},
        "owner": {"owner": f"app:by-{kind}"},
        "prefix": {"bucket": weed.bucket, "prefix": folder},
        "backend": {"backend": weed.bucket},
    }[kind]
    place = urlsplit(link.url)
    with over_tls.connect(place.geturl(), timeout=5) as client:
        client.sendall(f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        weed.gateway.api("POST", "/v1/revocations", {**target, "reason": "test"})
        with pytest.raises(over_tls.CUT):
            _read_to_the_end(client)
    with over_tls.connect(place.geturl(), timeout=5) as client:
        client.sendall(f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 410"


def test_an_upload_is_cut_too_and_leaves_nothing(weed: Place, tmp_path: Path) -> None:
    """Revoking an upload link during the upload fails the client, and the store has no object."""
    require("curl")
    link = weed.link("incoming.bin", actions=["write"])
    (tmp_path / "in").write_bytes(noise(_SIZE))
    command = ["curl", "-sS", "--limit-rate", "24M", "-T", "in", link.url]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        wait_until(lambda: weed.gateway.metric("gateway_transfers_in_progress") > 0)
        weed.gateway.revoke(link)
        client.wait(1.5)
    assert client.returncode != 0
    assert weed.stored("incoming.bin") is None
