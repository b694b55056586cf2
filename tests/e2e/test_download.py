"""Downloads through a link, with the programs that people use."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Run
from tests.e2e.place import Place, digest, noise
from tests.servers import over_tls

_SIZE = 3 * 1024 * 1024 + 17
_BODY = noise(_SIZE)


@pytest.fixture
def url(place: Place) -> str:
    place.put("film.bin", _BODY, ContentType="video/mp4")
    return place.link("film.bin").url


def test_curl_gets_every_byte_under_the_right_name(url: str, run: Run, tmp_path: Path) -> None:
    """`curl -OJ` saves the object under its own name, byte for byte."""
    run("curl", "-sSfOJ", url)
    assert _BODY == (tmp_path / "film.bin").read_bytes()


def test_an_answer_says_how_to_treat_it_and_not_where_it_came_from(url: str, run: Run) -> None:
    """No cache, no referrer, no index, no sniffing; nothing of the store's own headers."""
    head = run("curl", "-sSfI", url).stdout.lower()
    for line in (
        "cache-control: private, no-store",
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
        "accept-ranges: bytes",
        f"content-length: {_SIZE}",
        "content-type: video/mp4",
    ):
        assert line in head
    assert "noindex" in head
    for word in ("x-amz-", "seaweed", "swift", "x-trans-id", "x-openstack"):
        assert word not in head


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("0-0", 0, 0),
        ("5-9", 5, 9),
        ("-7", _SIZE - 7, _SIZE - 1),
        ("1000000-", 1000000, _SIZE - 1),
        ("0-99999999", 0, _SIZE - 1),
    ],
)
def test_a_range_is_exactly_that_range(url: str, run: Run, wanted: str, first: int, last: int) -> None:
    """First bytes, middle, last bytes, open end and an end past the object: 206 with the exact Content-Range."""
    got = run("curl", "-sSf", "-D", "head", "-r", wanted, url, text=False)
    head = Path(run("pwd").stdout.strip(), "head").read_text().lower()
    assert _BODY[first : last + 1] == got.stdout
    assert "206" in head.splitlines()[0]
    assert f"content-range: bytes {first}-{last}/{_SIZE}" in head


def test_a_range_past_the_end_is_not_satisfiable(url: str, run: Run) -> None:
    """A start beyond the object answers 416."""
    assert "416" == run("curl", "-sS", "-o", "x", "-w", "%{http_code}", "-r", f"{_SIZE}-", url).stdout


def test_the_size_is_told_with_a_416_where_the_store_tells_it(weed: Place, run: Run) -> None:
    """Who resumes a download that is complete learns so from `Content-Range: bytes */SIZE`."""
    weed.put("done.bin", b"done")
    answer = run("curl", "-sS", "-i", "-r", "4-", weed.link("done.bin").url).stdout.lower()
    assert "content-range: bytes */4" in answer


@pytest.mark.parametrize("program", [("curl", "-sSf", "-C", "-", "-o", "part"), ("wget", "-q", "-c", "-O", "part")])
def test_a_half_finished_download_is_resumed(url: str, run: Run, tmp_path: Path, program: tuple[str, ...]) -> None:
    """What was there stays, only the rest is fetched, and the whole is right."""
    (tmp_path / "part").write_bytes(_BODY[: _SIZE // 3])
    run(*program, url)
    assert _BODY == (tmp_path / "part").read_bytes()


def test_conditions_are_answered_exactly(url: str, run: Run) -> None:
    """304 for what the client has; a range only if the object is still the same, else the whole."""
    head = run("curl", "-sSfI", url).stdout
    [etag] = [line.split(": ", 1)[1] for line in head.splitlines() if line.lower().startswith("etag: ")]

    def status(*headers: str) -> str:
        options = [part for header in headers for part in ("-H", header)]
        return run("curl", "-sS", "-o", "body", "-w", "%{http_code} %{size_download}", *options, url).stdout

    assert "304 0" == status(f"If-None-Match: {etag}")
    assert "412" == status('If-Match: "other"').split()[0]
    assert "206 10" == status("Range: bytes=0-9", f"If-Range: {etag}")
    assert f"200 {_SIZE}" == status("Range: bytes=0-9", 'If-Range: "other"')


def test_eight_connections_take_one_use(weed: Place, run: Run, tmp_path: Path) -> None:
    """aria2 with eight connections on a link of one use gets it all; the next program finds it used up."""
    body = noise(12 * 1024 * 1024)
    weed.put("big.bin", body)
    link = weed.link("big.bin", uses=1)
    run("aria2c", "-q", "-x8", "-s8", "-k1M", "-o", "big.bin", link.url)
    assert body == (tmp_path / "big.bin").read_bytes()
    assert "410" == run("curl", "-sS", "-o", "body", "-w", "%{http_code}", link.url).stdout
    assert "used_up" == json.loads((tmp_path / "body").read_text())["reason"]


def test_a_player_that_seeks_takes_one_use(weed: Place) -> None:
    """A player opens the whole, breaks off, and reads pieces from anywhere: one use, exact bytes."""
    weed.put("film.mp4", _BODY, ContentType="video/mp4")
    link = weed.link("film.mp4", uses=1)
    parts = urlsplit(link.url)
    for start, length in ((0, 65536), (_SIZE - 4096, 4096), (1_000_000, 300_000), (12, 1)):
        connection = over_tls.dial(parts.geturl(), timeout=30)
        headers = {"Range": f"bytes={start}-", "User-Agent": "player/1.0", "Accept": "*/*"}
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        assert 206 == answer.status
        assert f"bytes {start}-{_SIZE - 1}/{_SIZE}" == answer.getheader("Content-Range")
        assert _BODY[start : start + length] == answer.read(length)
        answer.close()
        connection.close()
    [shown] = [weed.gateway.api("GET", f"/v1/links/{link.id}")]
    assert 1 == shown["used"]["uses"] if "used" in shown else True


def test_download_forces_an_attachment(url: str, run: Run) -> None:
    """`?download=1` makes a browser save instead of show."""
    head = run("curl", "-sSfI", url + "?download=1").stdout.lower()
    assert "content-disposition: attachment" in head


def test_an_empty_object_is_an_empty_file(place: Place, run: Run, tmp_path: Path) -> None:
    """Zero bytes are a whole download."""
    place.put("empty", b"")
    run("curl", "-sSf", "-o", "empty", place.link("empty").url)
    assert b"" == (tmp_path / "empty").read_bytes()


def test_stored_compression_is_left_alone(place: Place, run: Run, tmp_path: Path) -> None:
    """An object stored with Content-Encoding arrives as it is stored, not unpacked on the way."""
    packed = bytes.fromhex("1f8b080000000000000303000000000000000000")
    place.put("log.gz", packed, ContentEncoding="gzip", ContentType="text/plain")
    run("curl", "-sSf", "-o", "log.gz", place.link("log.gz").url)
    assert packed == (tmp_path / "log.gz").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_gibibytes_in_and_out_with_flat_memory(weed: Place, run: Run, tmp_path: Path) -> None:
    """5 GiB up and down through links: the same SHA-256, and the process never above 150 MiB."""
    size = 5 * 1024**3
    with (tmp_path / "big").open("wb") as file:
        file.truncate(size)
        for offset in range(0, size, size // 64):
            file.seek(offset)
            file.write(noise(4096, offset))
    expected = digest(tmp_path / "big")
    weed.gateway.forget_peak()
    run("curl", "-sSf", "-T", "big", weed.link("huge.bin", actions=["write"]).url, timeout=600)
    (tmp_path / "big").unlink()
    run("curl", "-sSf", "-o", "back", weed.link("huge.bin").url, timeout=600)
    assert expected == digest(tmp_path / "back")
    assert weed.gateway.peak() < 150 * 1024**2
