"""Uploads through a link."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Run
from tests.e2e.place import Place, noise
from tests.servers import over_tls
from tests.servers.gateway import Link

_BODY = noise(700_000)


def _upload(run: Run, url: str, *options: str) -> tuple[int, int]:
    """The status, and how many bytes curl had to send."""
    done = run("curl", "-sS", "-o", "answer", "-w", "%{http_code} %{size_upload}", *options, url, check=False)
    status, sent = done.stdout.split()
    return int(status), int(sent)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "report.pdf").write_bytes(_BODY)
    return tmp_path / "report.pdf"


def test_curl_puts_a_file(place: Place, run: Run, file: Path, tmp_path: Path) -> None:
    """`curl -T file LINK` stores exactly the file and gets one line back."""
    assert (201, len(_BODY)) == _upload(run, place.link("in.pdf", actions=["write"]).url, "-T", "report.pdf")
    assert _BODY == place.stored("in.pdf")
    assert 1 == len((tmp_path / "answer").read_text().splitlines())


def test_a_body_of_unknown_length_arrives_whole(place: Place, run: Run, file: Path) -> None:
    """A chunked upload needs no length from the client."""
    url = place.link("piped.pdf", actions=["write"]).url
    assert 201 == _upload(run, url, "-T", "report.pdf", "-H", "Transfer-Encoding: chunked")[0]
    assert _BODY == place.stored("piped.pdf")


def test_nothing_is_overwritten_unless_the_link_says_so(place: Place, run: Run, file: Path) -> None:
    """The second upload is refused and the first stays; an overwriting link replaces it."""
    place.put("taken.pdf", b"first")
    assert 409 == _upload(run, place.link("taken.pdf", actions=["write"]).url, "-T", "report.pdf")[0]
    assert b"first" == place.stored("taken.pdf")
    overwriting = place.link("taken.pdf", actions=["write"], overwrite=True)
    assert 201 == _upload(run, overwriting.url, "-T", "report.pdf")[0]
    assert _BODY == place.stored("taken.pdf")


def test_fifty_who_send_at_once_store_ten(place: Place) -> None:
    """On a link for ten files, each of them a file of its own: ten are told that it was stored, and ten are there."""
    link = place.link(prefix=f"fifty-{place.bucket}/", actions=["write"], max_files=10)

    def send(number: int) -> int:
        request = urllib.request.Request(f"{link.url}/f{number}", _BODY[:1000], {"Content-Type": "x/y"}, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return int(refused.code)

    with ThreadPoolExecutor(50) as many:
        statuses = Counter(many.map(send, range(50)))
    assert {201: 10, 410: 40} == statuses
    listed = place.store.client().list_objects_v2(Bucket=place.real_bucket, Prefix=f"inside/fifty-{place.bucket}/")
    assert 10 == listed["KeyCount"]
    assert "used_up" == place.gateway.api("GET", f"/v1/links/{link.id}")["state"]


@pytest.mark.parametrize("options", [(), ("-H", "Transfer-Encoding: chunked")], ids=["declared", "chunked"])
def test_a_body_above_the_links_size_is_refused(place: Place, run: Run, file: Path, options: tuple[str, ...]) -> None:
    """413 whether the length was declared or not, and the store has nothing."""
    url = place.link("small.pdf", actions=["write"], max_size=1000).url
    assert 413 == _upload(run, url, "-T", "report.pdf", *options)[0]
    assert place.stored("small.pdf") is None


def test_a_refused_upload_costs_no_byte(weed: Place, run: Run, file: Path) -> None:
    """A client that asks first is refused before it sends any of the body."""
    link = weed.link("x.pdf", actions=["write"])
    weed.gateway.revoke(link)
    asking = ("-H", "Expect: 100-continue", "--expect100-timeout", "20")
    assert (410, 0) == _upload(run, link.url, "-T", "report.pdf", *asking)


def test_a_broken_off_upload_leaves_no_object(place: Place) -> None:
    """Half a body and a closed connection: the store never shows an object of that name."""
    link = place.link("half.bin", actions=["write"])
    parts = urlsplit(link.url)
    with over_tls.connect(parts.geturl(), timeout=10) as client:
        head = f"PUT {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 200000\r\n\r\n"
        client.sendall(head.encode() + _BODY[:100000])
    assert "client_gone" == _recorded(place, link)["outcome"]
    assert place.stored("half.bin") is None


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_a_small_upload_that_breaks_off_replaces_nothing(place: Place, size: int) -> None:
    """An overwriting upload that ends before its first or last byte leaves the earlier object as it was."""
    place.put("kept.bin", b"the earlier object")
    link = place.link("kept.bin", actions=["write"], overwrite=True)
    parts = urlsplit(link.url)
    with over_tls.connect(parts.geturl(), timeout=10) as client:
        head = f"PUT {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 2000\r\n\r\n"
        client.sendall(head.encode() + b"x" * size)
        _until_used(place, link, client)
    _recorded(place, link)
    assert b"the earlier object" == place.stored("kept.bin")


def test_an_upload_with_a_wrong_checksum_replaces_nothing(place: Place, run: Run, file: Path) -> None:
    """A body that does not match its Content-MD5 is refused, and the earlier object stays."""
    place.put("kept.bin", b"the earlier object")
    link = place.link("kept.bin", actions=["write"], overwrite=True)
    wrong = ("-H", "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==")
    assert 400 == _upload(run, link.url, "-T", "report.pdf", *wrong)[0]
    (file.parent / "small").write_bytes(b"small")
    assert 400 == _upload(run, link.url, "-T", "small", *wrong)[0]
    assert b"the earlier object" == place.stored("kept.bin")


def _recorded(place: Place, link: Link) -> dict[str, object]:
    """The one record of a link's use, once it is written."""
    deadline = time.monotonic() + 10
    while not (records := place.gateway.api("GET", f"/v1/links/{link.id}/records")["records"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [record] = records
    return record


def _until_used(place: Place, link: Link, client: socket.socket) -> None:
    """Give the gateway the time to begin with the upload, then break it off in the middle of nothing."""
    deadline = time.monotonic() + 5
    while not place.gateway.metric("gateway_transfers_in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)
    client.shutdown(socket.SHUT_RDWR)


def test_a_folder_link_takes_files_by_name(place: Place, run: Run, file: Path) -> None:
    """`curl -T file LINK/` stores the file under its own name, below the link's folder."""
    link = place.link(prefix="drop/", actions=["write"])
    assert 201 == _upload(run, link.url + "/", "-T", "report.pdf")[0]
    assert 201 == _upload(run, link.url + "/sub/other.pdf", "-T", "report.pdf")[0]
    assert _BODY == place.stored("drop/report.pdf") == place.stored("drop/sub/other.pdf")


@pytest.mark.parametrize(
    "way", ["../out.pdf", "%2e%2e/out.pdf", "a/..%2f..%2fout.pdf", "..%5cout.pdf", "%2e%2e%2fout.pdf"]
)
def test_no_path_leads_out_of_a_folder_link(place: Place, run: Run, file: Path, way: str) -> None:
    """Dot segments in any spelling are refused or stay inside; nothing is written beside the folder."""
    link = place.link(prefix="drop/", actions=["write"])
    _upload(run, f"{link.url}/{way}", "--path-as-is", "-T", "report.pdf")
    listed = place.store.client().list_objects_v2(Bucket=place.real_bucket).get("Contents", [])
    assert [] == [
        entry["Key"] for entry in listed if "out.pdf" in entry["Key"] and not entry["Key"].startswith("inside/drop/")
    ]


def test_a_form_uploads_under_the_files_name(place: Place, run: Run, file: Path) -> None:
    """`curl -F file=@x LINK/` works as a browser's form does."""
    link = place.link(prefix="forms/", actions=["write"])
    assert _upload(run, link.url + "/", "-F", "file=@report.pdf")[0] in {200, 201, 303}
    assert _BODY == place.stored("forms/report.pdf")


def test_a_form_uploads_under_the_name_that_its_sender_wrote(place: Place, run: Run, file: Path) -> None:
    """Not under curl's spelling of a quote, nor under the one of .NET for other scripts."""
    link = place.link(prefix="named/", actions=["write"])
    assert 201 == _upload(run, link.url + "/", "-F", 'file=@report.pdf;filename="12\\" größe.pdf"')[0]
    assert _BODY == place.stored('named/12" größe.pdf')
    net = "form-data; name=file; filename=\"=?utf-8?B?Z3LDtsOfZS5wZGY=?=\"; filename*=utf-8''gr%C3%B6%C3%9Fe.pdf"
    body = f"--x\r\nContent-Disposition: {net}\r\n\r\n".encode() + b"data\r\n--x--\r\n"
    (file.parent / "form").write_bytes(body)
    typed = ("-H", "Content-Type: multipart/form-data; boundary=x", "--data-binary", "@form")
    assert 201 == _upload(run, link.url + "/", *typed)[0]
    assert b"data" == place.stored("named/größe.pdf")


def test_who_may_only_drop_learns_nothing(place: Place, run: Run, file: Path) -> None:
    """An upload link neither lists nor reads, not even what was just sent."""
    place.put("drop/secret.pdf", b"secret")
    link = place.link(prefix="drop/", actions=["write"])
    for path in ("/", "/secret.pdf"):
        assert 405 == _upload(run, link.url + path)[0]


def test_ffmpeg_sends_a_stream_to_a_folder(weed: Place, run: Run) -> None:
    """It closes each connection as soon as a file is sent, and waits for no answer: all of them are stored. The list of
    them is sent anew after each; which one comes last is the store's to say, where they overtake each other."""
    link = weed.link(prefix="live/", actions=["write"], overwrite=True)
    film = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=10", "-t", "6", "-g", "10"]
    run("ffmpeg", "-loglevel", "error", *film, "-f", "hls", "-method", "PUT", f"{link.url}/a.m3u8")
    deadline = time.monotonic() + 20
    files = [f"live/a{number}.ts" for number in range(3)]
    while missing := [name for name in (*files, "live/a.m3u8") if not weed.stored(name)]:
        assert time.monotonic() < deadline, missing
        time.sleep(0.05)
    while (sent := _stored_through(weed, link)) != 2 * len(files):
        assert time.monotonic() < deadline, sent
        time.sleep(0.05)


def _stored_through(weed: Place, link: Link) -> int:
    """How many uploads by this link the store took."""
    records = weed.gateway.api("GET", f"/v1/links/{link.id}/records")["records"]
    return sum(record["status"] == 201 for record in records)
