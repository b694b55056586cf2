"""The IETF's draft of resumable uploads by the clients that speak it, on real stores: cut, resumed, taken back."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.clients.install import UPLOADS, install
from tests.e2e.conftest import Run, require
from tests.e2e.cutting import CuttingProxy
from tests.e2e.place import Place, noise
from tests.e2e.test_resumable import left_over
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.process import await_port, free_ports, running
from tests.servers.store import RunningStore
from tests.waiting import wait_until

_MIB = 1024 * 1024
_SIZE = 17 * _MIB + 12_345
_DRAFTS = ["ietf-draft-03", "ietf-draft-05"]
_HERE = Path(__file__).parent
_PAGE = '<!doctype html><meta charset="utf-8"><script src="/tus.js"></script>'


@pytest.fixture(scope="module")
def gateway(seaweedfs: RunningStore, swift: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A gateway with the setting, which `place` and `weed` are of, too."""
    environ = {"GATEWAY_DATA__UPLOAD_DRAFTS": "true"}
    with gateway_before([seaweedfs, swift], tmp_path_factory.mktemp("drafts"), environ=environ) as started:
        yield started


@pytest.fixture(scope="module")
def body() -> bytes:
    return noise(_SIZE, seed=13)


@pytest.fixture
def file(tmp_path: Path, body: bytes) -> Path:
    (tmp_path / "film.bin").write_bytes(body)
    return tmp_path / "film.bin"


def node(file: Path, endpoint: str, draft: str, **more: object) -> dict[str, Any]:
    """tus-js-client, unmodified, in one of its draft modes."""
    require("npm")
    install("uploads")
    given = {"FILE": file, "ENDPOINT": endpoint, "STORE": file.with_suffix(".json"), "NAME": "film.bin"}
    given |= {"NODE_PATH": UPLOADS / "node_modules", "PROTOCOL": draft} | more
    environ = os.environ | {name: str(value) for name, value in given.items()}
    child = subprocess.run(
        ["node", _HERE / "uploading.cjs"], env=environ, capture_output=True, text=True, timeout=100, check=False
    )
    assert child.stdout, child.stderr
    return dict(json.loads(child.stdout.splitlines()[-1]))


class _Final(http.client.HTTPResponse):
    """The answer itself: of those on the way, the standard library knows 100 alone."""

    def _read_status(self) -> tuple[str, int, str]:
        found = super()._read_status()
        while found[1] < 200:
            http.client.parse_headers(self.fp)
            found = super()._read_status()
        return found


def call(method: str, url: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
    """One request by the draft to an upload's own address."""
    parts = urlsplit(url)
    said = {"Upload-Draft-Interop-Version": "6"} | {name.replace("_", "-"): text for name, text in headers.items()}
    with closing(over_tls.dial(parts.geturl(), timeout=60)) as connection:
        connection.response_class = _Final
        connection.request(method, f"{parts.path}?{parts.query}", body, said)
        answer = connection.getresponse()
        answer.read()
        return answer


@pytest.mark.parametrize("draft", _DRAFTS)
@pytest.mark.parametrize(
    "options",
    [{}, {"CHUNK": 3 * _MIB}, {"CHUNK": 5 * _MIB, "DURING": 1}, {"DURING": 1}, {"CHUNK": 9 * _MIB, "DEFER": 1}],
    ids=["whole", "small", "during-creation", "in-one", "deferred"],
)
def test_tus_js_client_uploads_in_its_draft_modes(
    weed: Place, file: Path, body: bytes, draft: str, options: dict[str, int], request: pytest.FixtureRequest
) -> None:
    """One request, many, with the creation, and without a length; nothing is left beside the file."""
    name = request.node.callspec.id
    done = node(file, weed.link(prefix=f"{name}/", actions=["write"]).url, draft, **options)
    assert "error" not in done, done
    assert hashlib.sha256(body).digest() == hashlib.sha256(weed.stored(f"{name}/film.bin") or b"").digest()
    assert ([], 0) == left_over(weed)
    answer = call("HEAD", done["url"])
    assert ("?1", str(len(body))) == (answer.getheader("Upload-Complete"), answer.getheader("Upload-Offset"))


@pytest.mark.parametrize("draft", _DRAFTS)
def test_an_upload_goes_on_where_it_was_cut(weed: Place, tmp_path: Path, draft: str) -> None:
    """The client dies in the middle of its only PATCH; its next run sends no more than what is missing."""
    file, body = tmp_path / "film.bin", noise(48 * _MIB, seed=14)
    file.write_bytes(body)
    link = weed.link(prefix=f"cut-{draft}/", actions=["write"])
    stopped = node(file, link.url, draft, STOP=12 * _MIB)
    assert stopped["stopped"] < len(body)
    # Who asks ends what still runs, and with it what of it lies in the kernels.
    wait_until(lambda: not weed.gateway.metric("gateway_transfers_in_progress"))
    at = int(call("HEAD", stopped["url"]).getheader("Upload-Offset") or -1)
    assert 8 * _MIB <= at
    done = node(file, link.url, draft)
    assert (stopped["url"], True) == (done["url"], at <= done["began"]), done
    assert body == weed.stored(f"cut-{draft}/film.bin")


@pytest.mark.parametrize("draft", _DRAFTS)
def test_a_connection_that_is_cut_is_taken_up_again(weed: Place, file: Path, body: bytes, draft: str) -> None:
    """By the client itself, three times in one upload."""
    link = weed.link(prefix=f"broken-{draft}/", actions=["write"])
    port = weed.gateway.data.rpartition(":")[2]
    with CuttingProxy(int(port), goals=[4 * _MIB, 9 * _MIB, 14 * _MIB]) as network:
        done = node(file, link.url.replace(port, str(network.port)), draft, RETRIES="[50, 100, 200, 400, 800]")
        cuts = network.cuts
    assert "error" not in done, done
    assert 3 == cuts
    assert body == weed.stored(f"broken-{draft}/film.bin")


def test_curl_is_told_where_its_upload_is(place: Place, run: Run, tmp_path: Path, body: bytes) -> None:
    """Of an upload in one request that breaks off nothing is lost: the rest goes to the address that curl heard."""
    (tmp_path / "film.bin").write_bytes(body)
    link = place.link(prefix="curl/", actions=["write"])
    version = ("-H", "Upload-Draft-Interop-Version: 6", "-H", "Upload-Complete: ?1")
    sent = run("curl", "-sS", "-D", "heads", "-T", "film.bin", *version, f"{link.url}/whole.bin")
    assert sent.stdout.startswith("received whole.bin"), sent.stdout
    heads = (tmp_path / "heads").read_text()
    assert heads.startswith(("HTTP/1.1 104 Upload Resumption Supported", "HTTP/1.1 100 Continue"))
    assert body == place.stored("curl/whole.bin")
    options = ("--limit-rate", "8M", "--max-time", "1", "-D", "heads", "-T", "film.bin")
    run("curl", "-sS", *options, *version, f"{link.url}/film.bin", check=False)
    heads = (tmp_path / "heads").read_text()
    [told] = {line.split(": ")[1] for line in heads.splitlines() if line.lower().startswith("location: ")}
    address = urljoin(link.url, told)
    at = int(call("HEAD", address).getheader("Upload-Offset") or -1)
    assert 0 < at < len(body)
    (tmp_path / "rest.bin").write_bytes(body[at:])
    offset = ("-H", f"Upload-Offset: {at}", "-H", "Content-Type: application/partial-upload")
    run("curl", "-sS", "-f", "-X", "PATCH", *version, *offset, "--data-binary", "@rest.bin", address)
    assert body == place.stored("curl/film.bin")


def test_another_gateway_goes_on(gateway: RunningGateway, weed: Place, body: bytes) -> None:
    """Two processes on one state take the pieces of one upload in turns."""
    link = weed.link(prefix="turns/", actions=["write"])
    data, control = free_ports(2)
    known = Path(f"/proc/{gateway.pid}/environ").read_text().split("\0")
    environ = dict(pair.split("=", 1) for pair in known if "=" in pair)
    environ |= {"GATEWAY_DATA__LISTEN": f"127.0.0.1:{data}", "GATEWAY_CONTROL__LISTEN": f"127.0.0.1:{control}"}
    command = [sys.executable, "-m", "gateway", "serve", "--config", gateway.directory / "gateway.yaml"]
    log = gateway.directory / "other.log"
    with running(command, log, environ, gateway.directory) as other:
        await_port(data, other, log)
        bases = [link.url, link.url.replace(gateway.data.rpartition(":")[2], str(data))]
        begun = call("PUT", f"{bases[0]}/a.bin", Upload_Complete="?0")
        place, step = begun.getheader("Location") or "", 4 * _MIB
        for number, start in enumerate(range(0, len(body), step), 1):
            address, piece = urljoin(bases[number % 2], place), body[start : start + step]
            assert str(start) == call("HEAD", address).getheader("Upload-Offset")
            said = {"Upload_Offset": str(start), "Upload_Complete": f"?{int(start + step >= len(body))}"}
            assert call("PATCH", address, piece, Content_Type="application/partial-upload", **said).status < 300
    assert body == weed.stored("turns/a.bin")


@pytest.fixture(scope="module")
def script() -> str:
    """tus-js-client as it is published for pages."""
    require("npm")
    install("uploads")
    return (UPLOADS / "node_modules/tus-js-client/dist/tus.js").read_text()


@pytest.mark.browser
@pytest.mark.parametrize("draft", _DRAFTS)
def test_a_page_uploads_by_the_draft(weed: Place, browser: Browser, script: str, draft: str) -> None:
    """tus-js-client in Chromium, its connection cut in the middle: the file is there, byte for byte."""
    link = weed.link(prefix=f"page-{draft}/", actions=["write"])
    port = weed.gateway.data.rpartition(":")[2]
    with CuttingProxy(int(port), goals=[6 * _MIB]) as network:
        address = link.url.replace(port, str(network.port))
        page = browser.new_page()
        page.route("**/tus.html", lambda route: route.fulfill(body=_PAGE, content_type="text/html"))
        page.route("**/tus.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
        page.goto("{0.scheme}://{0.netloc}/tus.html".format(urlsplit(address)))
        said = page.evaluate(
            """([endpoint, protocol, size]) => new Promise((resolve) => {
                const bytes = new Uint8Array(size).map((_, at) => (at * 31) % 251);
                const metadata = { filename: "film.bin" };
                const upload = new tus.Upload(new Blob([bytes]), {
                    endpoint, protocol, metadata, retryDelays: [50, 100, 200, 400, 800],
                    onSuccess: () => resolve("sent"), onError: (error) => resolve(String(error)),
                });
                upload.start();
            })""",
            [address, draft, _SIZE],
        )
        page.close()
        assert ("sent", 1) == (said, network.cuts)
    pattern = bytes((at * 31) % 251 for at in range(251)) * (_SIZE // 251 + 1)
    assert pattern[:_SIZE] == weed.stored(f"page-{draft}/film.bin")
