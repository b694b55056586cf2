"""Who takes a use, with the programs that people have: browsers that look ahead, foreign pages, download managers."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Run
from tests.e2e.place import Place, noise
from tests.servers.gateway import Link
from tests.waiting import wait_until

_FOREIGN = """<!doctype html><title>x</title><link rel=prefetch href='{0}'><link rel=stylesheet href='{0}'>
<script src='{0}'></script><img src='{0}'><video src='{0}' autoplay muted></video><audio src='{0}' autoplay></audio>
<object data='{0}'></object><embed src='{0}'><script>fetch('{0}', {{mode: 'no-cors'}}).catch(() => 0)</script>
<script type=speculationrules>{{"prefetch": [{{"source": "list", "urls": ["{0}"], "eagerness": "immediate"}}],
"prerender": [{{"source": "list", "urls": ["{0}"], "eagerness": "immediate"}}]}}</script>"""


class _Foreign(BaseHTTPRequestHandler):
    """A page that holds another address in every way that a page can."""

    address = ""

    def do_GET(self) -> None:
        body = _FOREIGN.format(self.address).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def foreign() -> Iterator[Callable[[str], str]]:
    """The address of a foreign page that holds the one given."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Foreign)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def holding(url: str) -> str:
        _Foreign.address = url
        return f"http://127.0.0.1:{server.server_port}/"

    yield holding
    server.shutdown()
    thread.join()
    server.server_close()


def _used(weed: Place, link: Link) -> int:
    return weed.gateway.api("GET", f"/v1/links/{link.id}")["uses_used"]


def _asked(weed: Place, link: Link, number: int) -> list[dict]:
    """The link's records, once there are so many."""
    deadline = time.monotonic() + 20
    while True:
        records = weed.gateway.api("GET", f"/v1/links/{link.id}/records")["records"]
        if len(records) >= number:
            return records
        assert time.monotonic() < deadline, records
        time.sleep(0.1)


def test_no_page_of_others_takes_a_use(weed: Place, browser: Browser, foreign: Callable[[str], str]) -> None:
    """Chromium looks ahead, and fills a foreign page with the link's address: all that is asked takes nothing.

    The person who opens it then gets the page with its button, and the file.
    """
    weed.put("held.bin", b"held", ContentType="application/octet-stream")
    link = weed.link("held.bin", uses=1)
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.goto(foreign(link.url))
    asked = _asked(weed, link, 5)
    assert {"refused"} <= {record["outcome"] for record in asked}
    assert 0 == _used(weed, link)
    page.goto(link.url)
    with page.expect_download() as download:
        page.locator("button[type=submit]").click()
    assert b"held" == Path(download.value.path()).read_bytes()
    assert 1 == _used(weed, link)
    context.close()


@pytest.mark.parametrize(
    "command",
    [
        ("curl", "-sfo", "got", "{url}"),
        ("wget", "-q", "-O", "got", "{url}"),
        ("aria2c", "-q", "-x", "4", "-s", "4", "-k", "1M", "-o", "got", "{url}"),
    ],
    ids=lambda command: command[0],
)
def test_programs_get_one_whole_download(weed: Place, run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    """By the plain address, also in parallel pieces; a second one is refused."""
    body = noise(6_000_000)
    weed.put("once.bin", body)
    link = weed.link("once.bin", once=True)
    run(*(part.format(url=link.url) for part in command))
    assert body == (tmp_path / "got").read_bytes()
    (tmp_path / "got").unlink()
    wait_until(lambda: not weed.gateway.metric("gateway_transfers_in_progress"))  # pieces that a program broke off, too
    assert 0 != run(*(part.format(url=link.url) for part in command), check=False).returncode
    assert "410" == run("curl", "-so", "/dev/null", "-w", "%{http_code}", link.url).stdout
    assert 1 == _used(weed, link)


def test_curl_resumes_what_was_broken_off(weed: Place, run: Run, tmp_path: Path) -> None:
    """Killed in the middle, then gone on with by the same client, until it is whole once."""
    body = noise(48_000_000)  # more than the kernel may hold for a client that has not read it yet
    weed.put("broken.bin", body)
    link = weed.link("broken.bin", once=True)
    command = ["curl", "-s", "--limit-rate", "2M", "-o", str(tmp_path / "got"), link.url]
    with subprocess.Popen(command) as child:
        deadline = time.monotonic() + 30
        while not (tmp_path / "got").exists() or (tmp_path / "got").stat().st_size < 1_000_000:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.kill()
    assert (tmp_path / "got").stat().st_size < len(body)
    run("curl", "-sf", "-C", "-", "-o", "got", link.url)
    assert body == (tmp_path / "got").read_bytes()
    assert "410" == run("curl", "-so", "/dev/null", "-w", "%{http_code}", link.url).stdout


def test_a_player_seeks_in_a_small_film_on_one_use(weed: Place, run: Run, tmp_path: Path) -> None:
    """ffmpeg asks for all the rest at each seek, has it before it leaves, and finds its place all the same."""
    made = "-f lavfi -i testsrc=size=160x120:rate=25 -t 3 small.mkv"
    run("ffmpeg", "-loglevel", "error", *made.split(" "))
    weed.put("small.mkv", (tmp_path / "small.mkv").read_bytes(), ContentType="video/x-matroska")
    link = weed.link("small.mkv", uses=1)
    played = run("ffmpeg", "-loglevel", "error", "-ss", "2", "-i", link.url, "-f", "null", "-")
    assert "" == played.stderr
    assert 1 == _used(weed, link)
