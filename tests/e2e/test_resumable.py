"""Resumable uploads by the clients that people use, on real stores: cut, resumed, attacked, taken back."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from tests.clients.install import UPLOADS, install, program
from tests.e2e.conftest import require
from tests.e2e.place import Place, noise
from tests.servers import over_tls
from tests.servers.gateway import Link, RunningGateway, gateway_before
from tests.servers.process import await_port, running
from tests.servers.store import RunningStore

_MIB = 1024 * 1024
_SIZE = 17 * _MIB + 12_345
_HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def body() -> bytes:
    return noise(_SIZE, seed=11)


@pytest.fixture
def file(tmp_path: Path, body: bytes) -> Path:
    (tmp_path / "film.bin").write_bytes(body)
    return tmp_path / "film.bin"


@pytest.fixture(scope="module", autouse=True)
def clients() -> None:
    require("npm")
    install("tuspy", "uploads")


class Node:
    """tus-js-client on one file; what it remembers of its uploads lies beside the file."""

    def __init__(self, file: Path, endpoint: str, name: str = "film.bin") -> None:
        self._environ = {
            "FILE": str(file),
            "ENDPOINT": endpoint,
            "STORE": str(file.with_suffix(".json")),
            "NAME": name,
            "NODE_PATH": str(UPLOADS / "node_modules"),
        }

    def start(self, **more: object) -> subprocess.Popen[str]:
        environ = os.environ | self._environ | {name: str(value) for name, value in more.items()}
        return subprocess.Popen(["node", _HERE / "uploading.cjs"], env=environ, stdout=subprocess.PIPE, text=True)

    def run(self, **more: object) -> dict[str, Any]:
        with self.start(**more) as child:
            said = child.communicate(timeout=100)[0]
        return dict(json.loads(said.splitlines()[-1]))


def tuspy(file: Path, endpoint: str, chunk: int, **more: object) -> str:
    """The upload's address."""
    given = {"FILE": file, "ENDPOINT": endpoint, "CHUNK": chunk, "NAME": "film.bin"} | more
    environ = os.environ | {name: str(value) for name, value in given.items()}
    command = [program("tuspy", "python"), _HERE / "uploading_tuspy.py"]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=100).stdout


def call(method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Any:
    """One request of the protocol; the answer with its body read."""
    parts = urlsplit(url)
    with closing(over_tls.dial(parts.geturl(), timeout=60)) as connection:
        connection.request(method, f"{parts.path}?{parts.query}", body, {"Tus-Resumable": "1.0.0", **(headers or {})})
        answer = connection.getresponse()
        answer.read()
        return answer


def patch(url: str, offset: int, body: bytes, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"} | named
    return int(call("PATCH", url, fields, body).status)


def offset(url: str) -> int:
    return int(call("HEAD", url).getheader("Upload-Offset"))


def create(link: Link, length: int, name: str = "film.bin") -> str:
    metadata = f"filename {base64.b64encode(name.encode()).decode()}"
    answer = call("POST", link.url, {"Upload-Length": str(length), "Upload-Metadata": metadata})
    assert 201 == answer.status
    return urljoin(link.url, answer.getheader("Location"))


def folder(place: Place, name: str, **more: Any) -> Link:
    return place.link(prefix=f"{name}/", actions=["write"], **more)


def _broken(client: socket.socket) -> bool:
    """Whether the connection was reset instead of answered."""
    try:
        return not client.recv(1)
    except (ConnectionError, *over_tls.CUT):
        return True


def left_over(place: Place) -> tuple[list[str], int]:
    """Open multipart uploads, and bytes in the folder of unfinished ones."""
    client = place.store.client()
    uploads = client.list_multipart_uploads(Bucket=place.real_bucket).get("Uploads", [])
    found = client.list_objects_v2(Bucket=place.real_bucket, Prefix="inside/.gateway-uploads/").get("Contents", [])
    return [upload["Key"] for upload in uploads], sum(entry["Size"] for entry in found if entry["Size"] > 8192)


@pytest.mark.parametrize("size", [40 * _MIB + 7, 1000])
def test_a_client_sends_pieces_at_once(place: Place, tmp_path: Path, size: int) -> None:
    """Four partial uploads side by side become the file, on one use of the link; nothing of them is left, and no
    listing has shown them."""
    body = noise(size, seed=3)
    file = tmp_path / "pieces.bin"
    file.write_bytes(body)
    link = folder(place, f"pieces-{size}", uses=1)
    said = Node(file, link.url, "pieces.bin").run(PARALLEL=4)
    assert "url" in said, said
    stored = place.stored(f"pieces-{size}/pieces.bin") or b""
    assert hashlib.sha256(body).hexdigest() == hashlib.sha256(stored).hexdigest()
    reading = place.link(prefix=f"pieces-{size}/")
    listed = json.loads(urllib.request.urlopen(f"{reading.url}/", timeout=30).read())
    assert ["pieces.bin"] == [entry["name"] for entry in listed["entries"]]
    assert 410 == call("POST", link.url, {"Upload-Length": "1", "Upload-Concat": "partial"}).status
    assert not [name for name in left_over(place)[0] if "data-" in name or f"pieces-{size}" in name]


def test_parts_come_ahead_of_the_offset(place: Place, body: bytes) -> None:
    """In any order, one of them twice, beside what is before them: one file, which is not received more than once."""
    size = 8 * _MIB
    link = folder(place, "ahead", max_files=1, total_bytes=2 * len(body))
    url = create(link, len(body))
    for at in (2 * size, size, 2 * size):
        assert 204 == patch(url, at, body[at : at + size], Upload_Ahead="1")
    told = call("HEAD", url)
    assert ("0", str(size), "2-3") == tuple(map(told.getheader, ("Upload-Offset", "Upload-Part-Size", "Upload-Ahead")))
    for at, end in ((0, 3 * _MIB), (3 * _MIB, size)):
        assert 204 == patch(url, at, body[at:end])
    assert len(body) == offset(url)
    assert body == place.stored("ahead/film.bin")
    assert ([], 0) == left_over(place)
    more = {"Upload-Length": "1", "Upload-Metadata": f"filename {base64.b64encode(b'more').decode()}"}
    assert 410 == call("POST", link.url, more).status


@pytest.mark.parametrize("chunk", [_MIB, 3 * _MIB + 17, 64 * _MIB])
def test_tuspy_uploads_in_pieces_of_any_size(place: Place, file: Path, body: bytes, chunk: int) -> None:
    """Each with its SHA-1; the object is the file, and no piece of it is left anywhere else."""
    name = f"tuspy-{chunk}"
    tuspy(file, folder(place, name).url, chunk, CHECKSUM=1)
    assert body == place.stored(f"{name}/film.bin")
    assert ([], 0) == left_over(place)


@pytest.mark.parametrize(
    "options",
    [{}, {"CHUNK": _MIB}, {"CHUNK": 5 * _MIB, "DURING": 1}, {"CHUNK": 9 * _MIB, "DEFER": 1}],
    ids=["whole", "small", "during-creation", "deferred"],
)
def test_tus_js_client_uploads(
    place: Place, file: Path, body: bytes, options: dict[str, int], request: pytest.FixtureRequest
) -> None:
    """One request, many, with the creation, and without a length."""
    name = f"js-{request.node.callspec.id}"
    done = Node(file, folder(place, name).url).run(**options)
    assert "error" not in done
    assert body == place.stored(f"{name}/film.bin")
    assert len(body) == offset(done["url"])
    assert ([], 0) == left_over(place)


def test_a_link_to_one_object_takes_an_upload(place: Place, file: Path, body: bytes) -> None:
    """The name is the link's, whatever the client calls its file."""
    done = Node(file, place.link("single.bin", actions=["write"]).url, "other.bin").run()
    assert "error" not in done
    assert body == place.stored("single.bin")


def test_an_upload_goes_on_where_it_was_cut(place: Place, tmp_path: Path) -> None:
    """The client dies in the middle of its only PATCH; its next run sends no more than what is missing."""
    file, body = (
        tmp_path / "film.bin",
        noise(48 * _MIB, seed=12),
    )  # far more than the kernels would hold
    file.write_bytes(body)
    node = Node(file, folder(place, "cut").url)
    stopped = node.run(STOP=12 * _MIB)
    assert stopped["stopped"] < len(body)
    at = _at_rest(stopped["url"])
    assert 8 * _MIB <= at
    done = node.run()
    assert (stopped["url"], True) == (done["url"], at <= done["began"])
    assert body == place.stored("cut/film.bin")


def test_tuspy_resumes_by_the_address(place: Place, file: Path, body: bytes) -> None:
    """A small piece that was acknowledged is there, whatever the store's smallest part is."""
    link = folder(place, "resumed")
    url = tuspy(file, link.url, _MIB, STOP=3 * _MIB)
    assert 3 * _MIB == offset(url)
    tuspy(file, link.url, 4 * _MIB, URL=url)
    assert body == place.stored("resumed/film.bin")


def _at_rest(url: str) -> int:
    """The offset, once nobody writes to the upload any more."""
    deadline = time.monotonic() + 20
    seen = -1
    while (found := offset(url)) != seen:
        assert time.monotonic() < deadline
        seen = found
        time.sleep(0.5)
    return found


def test_two_writers_at_once_are_one(place: Place) -> None:
    """Different bytes at the same offset, in parallel: one 204, the others are refused, and nothing is mixed."""
    bodies = [bytes([number]) * (10 * _MIB) for number in range(4)]
    url = create(folder(place, "race"), 10 * _MIB)
    statuses: dict[int, int] = {}

    def write(number: int) -> None:
        try:
            statuses[number] = patch(url, 0, bodies[number])
        except ConnectionError:  # refused while it was still sending
            statuses[number] = 0

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [number for number, status in statuses.items() if status == 204]
    assert set(statuses.values()) <= {204, 409, 423, 0}
    assert bodies[winner] == place.stored("race/film.bin")


def test_a_wrong_checksum_leaves_nothing(place: Place, body: bytes) -> None:
    """460 for a small body and for one of several parts; the offset stays, and the right bytes are taken."""
    url = create(folder(place, "sums"), len(body))

    def checksum(data: bytes) -> str:
        return f"sha256 {base64.b64encode(hashlib.sha256(data).digest()).decode()}"

    for size in (_MIB, 14 * _MIB):
        assert 460 == patch(url, 0, body[:size], Upload_Checksum=checksum(b""))
        assert 0 == offset(url)
    assert 204 == patch(url, 0, body[: 14 * _MIB], Upload_Checksum=checksum(body[: 14 * _MIB]))
    assert 204 == patch(url, 14 * _MIB, body[14 * _MIB :])
    assert body == place.stored("sums/film.bin")


def test_nothing_is_overwritten(place: Place, file: Path) -> None:
    """409 at the start, and at the end for an object that came meanwhile; then the parts are thrown away."""
    place.put("kept/film.bin", b"first")
    assert 409 == Node(file, folder(place, "kept").url).run()["status"]
    for size in (_MIB, 10 * _MIB):
        url = create(folder(place, f"late-{size}"), size)
        assert 204 == patch(url, 0, bytes(size - 1))
        place.put(f"late-{size}/film.bin", b"first")
        assert 409 == patch(url, size - 1, b"x")
        assert b"first" == place.stored(f"late-{size}/film.bin")
        assert 404 == call("HEAD", url).status
    assert ([], 0) == left_over(place)


def test_an_ended_upload_is_gone(place: Place, file: Path) -> None:
    """The client's own termination frees what it had sent."""
    done = Node(file, folder(place, "ended").url).run(CHUNK=9 * _MIB, TERMINATE=9 * _MIB)
    assert 404 == call("HEAD", done["terminated"]).status
    assert None is place.stored("ended/film.bin")
    assert ([], 0) == left_over(place)


@pytest.mark.parametrize("sent", [_MIB, 12 * _MIB])
def test_a_revocation_cuts_a_running_upload(place: Place, body: bytes, sent: int) -> None:
    """The connection breaks within a second, the next step is 410, and the store has nothing of it."""
    link = folder(place, f"revoked-{sent}")
    url = create(link, len(body))
    parts = urlsplit(url)
    with over_tls.connect(parts.geturl(), timeout=10) as client:
        head = f"PATCH {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nTus-Resumable: 1.0.0\r\n"
        head += (
            f"Upload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.sendall(head.encode() + body[:sent])
        deadline = time.monotonic() + 10
        while not place.gateway.metric("gateway_transfers_in_progress"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.3)
        place.gateway.revoke(link)
        client.settimeout(1.0)
        assert _broken(client)
    assert 410 == patch(url, sent, body[sent:])
    assert 410 == call("HEAD", url).status
    deadline = time.monotonic() + 10
    while ([], 0) != left_over(place):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert None is place.stored(f"revoked-{sent}/film.bin")


@pytest.fixture
def mortal(seaweedfs: RunningStore, tmp_path: Path) -> Iterator[RunningGateway]:
    with gateway_before([seaweedfs], tmp_path / "mortal") as gateway:
        yield gateway


def test_a_killed_gateway_loses_no_part(mortal: RunningGateway, seaweedfs: RunningStore, tmp_path: Path) -> None:
    """SIGKILL in the middle of a PATCH: another process goes on, and the object is the file."""
    place = Place.before(mortal, seaweedfs)
    body = noise(40 * _MIB, seed=12)
    file = tmp_path / "film.bin"
    file.write_bytes(body)
    node = Node(file, folder(place, "killed").url)
    variables = dict(
        pair.split("=", 1) for pair in Path(f"/proc/{mortal.pid}/environ").read_text().split("\0") if "=" in pair
    )
    with node.start(RETRIES="[100, 500, 1000, 2000, 3000, 3000, 3000, 3000]") as child:
        deadline = time.monotonic() + 20
        client = place.store.client()
        while not _parts(client, place):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(mortal.pid, signal.SIGKILL)
        command = [sys.executable, "-m", "gateway", "serve", "--config", mortal.directory / "gateway.yaml"]
        log = mortal.directory / "second.log"
        with running(command, log, variables, mortal.directory) as second:
            await_port(urlsplit(mortal.data).port or 0, second, log)
            said = child.communicate(timeout=60)[0]
            done = json.loads(said.splitlines()[-1])
            assert "error" not in done, said
            assert hashlib.sha256(body).digest() == hashlib.sha256(place.stored("killed/film.bin") or b"").digest()


def _parts(client: Any, place: Place) -> int:
    """How many parts the one open upload has."""
    uploads = client.list_multipart_uploads(Bucket=place.real_bucket).get("Uploads", [])
    return sum(
        len(client.list_parts(Bucket=place.real_bucket, Key=one["Key"], UploadId=one["UploadId"]).get("Parts", []))
        for one in uploads
    )
