"""Films in pieces (HLS) below a folder link, played by hls.js as it is published."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.clients.install import PLAYERS, install
from tests.e2e.conftest import require
from tests.e2e.place import Place
from tests.flows.pages import Pages

_FILM = "-f lavfi -i testsrc=duration=12:size=160x120:rate=10 -c:v libx264 -g 20 -pix_fmt yuv420p"
_PIECES = "-f hls -hls_time 2 -hls_playlist_type vod -hls_segment_filename piece%d.ts index.m3u8"
_PLAY = """address => new Promise((resolve, reject) => {
  const video = document.body.appendChild(document.createElement("video"));
  const hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, data) => data.fatal && reject(data.type + " " + data.details));
  hls.on(Hls.Events.MANIFEST_PARSED, () => { video.muted = true; video.play(); });
  video.addEventListener("timeupdate", () => {
    if (video.currentTime > 10.5) resolve(video.duration);
    else if (video.currentTime > 0.2 && video.currentTime < 9) video.currentTime = 10;
  });
  hls.loadSource(address);
  hls.attachMedia(video);
})"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A playlist and its pieces."""
    require("ffmpeg")
    directory = tmp_path_factory.mktemp("hls")
    command = ["ffmpeg", "-loglevel", "error", *_FILM.split(), *_PIECES.split()]
    subprocess.run(command, check=True, cwd=directory, timeout=100)
    return directory


def test_a_film_in_pieces_plays_and_seeks(place: Place, pages: Pages, browser: Browser, film: Path) -> None:
    """From a page that the bucket's rules know, by nothing but the link's address: pieces are found beside the list."""
    install("players")
    for path in film.iterdir():
        kind = "application/vnd.apple.mpegurl" if path.suffix == ".m3u8" else "video/mp2t"
        place.put(f"film/{path.name}", path.read_bytes(), ContentType=kind)
    page = browser.new_page()
    page.goto(pages.known)
    page.add_script_tag(path=PLAYERS / "node_modules/hls.js/dist/hls.min.js")
    assert 12.0 == pytest.approx(page.evaluate(_PLAY, place.link(prefix="film/").url + "/index.m3u8"), abs=0.5)
    page.close()
