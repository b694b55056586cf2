"""Films, sound, pictures and PDFs of a link, opened in real browsers: they play and seek, and nothing else runs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import require
from tests.e2e.firefox import Firefox
from tests.e2e.hostile import pdf
from tests.e2e.place import Place
from tests.e2e.webkit import Webkit

pytestmark = pytest.mark.browser

_FILM = "-f lavfi -i testsrc=duration=20:size=160x120:rate=10"
_SOUND = "-f lavfi -i sine=frequency=440:duration=20"
_PICTURE = "-f lavfi -i testsrc=duration=0.2:size=64x48:rate=10 -frames:v 1"
_MADE = {
    "film.mp4": ("video/mp4", f"{_FILM} {_SOUND} -c:v libx264 -pix_fmt yuv420p -c:a aac"),
    "noise.mp4": (
        "video/mp4",
        (
            "-f lavfi -i nullsrc=size=320x240:rate=10:duration=20,geq=random(1)*255:128:128 "
            "-c:v libx264 -preset ultrafast -b:v 4M -pix_fmt yuv420p"
        ),
    ),
    "film.webm": ("video/webm", f"{_FILM} {_SOUND} -c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus"),
    "song.mp3": ("audio/mpeg", _SOUND),
    "song.ogg": ("audio/ogg", _SOUND),
    "song.flac": ("audio/flac", _SOUND),
    "song.wav": ("audio/x-wav", _SOUND),
    "song.m4a": ("audio/x-m4a", _SOUND),
    "song.aac": ("audio/aac", _SOUND),
    "picture.png": ("image/png", _PICTURE),
    "picture.jpg": ("image/jpeg", _PICTURE),
    "picture.gif": ("image/gif", _PICTURE),
    "picture.webp": ("image/webp", _PICTURE),
    "picture.bmp": ("image/bmp", _PICTURE),
    "picture.avif": ("image/avif", _PICTURE),
}
"""`noise.mp4` is so long that a seek needs a range, and its index is at its end."""
_PLAYED = [name for name, (kind, _) in _MADE.items() if not kind.startswith("image/")]
_PICTURES = [name for name, (kind, _) in _MADE.items() if kind.startswith("image/")]
_PLAYER = "document.querySelector('video,audio')"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of all of them."""
    require("ffmpeg")
    directory = tmp_path_factory.mktemp("media")
    for name, (_, options) in _MADE.items():
        subprocess.run(["ffmpeg", "-loglevel", "error", *options.split(), name], check=True, cwd=directory, timeout=100)
    return directory


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def _link(weed: Place, made: Path, name: str, **more: Any) -> str:
    weed.put("media/" + name, (made / name).read_bytes(), ContentType=_MADE[name][0])
    return weed.link("media/" + name, **more).url


def _until(evaluate: Callable[[str], Any], expression: str, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not evaluate(expression):
        assert time.monotonic() < deadline, (expression, evaluate("document.documentElement.outerHTML"))
        time.sleep(0.05)


def _play_and_seek(evaluate: Callable[[str], Any]) -> None:
    _until(evaluate, f"!!{_PLAYER}")
    evaluate(f"({_PLAYER}.muted = true, {_PLAYER}.play(), 1)")
    _until(evaluate, f"{_PLAYER}.currentTime > 0.2")
    evaluate(f"({_PLAYER}.currentTime = 0.8 * {_PLAYER}.duration, 1)")
    _until(evaluate, f"!{_PLAYER}.seeking && {_PLAYER}.currentTime > 0.75 * {_PLAYER}.duration")


@pytest.mark.parametrize("name", _PLAYED)
def test_chromium_plays_and_seeks(weed: Place, made: Path, page: Page, name: str) -> None:
    """A film or a song that is opened by its link plays from its start and from where one clicks."""
    page.goto(_link(weed, made, name))
    _play_and_seek(page.evaluate)


@pytest.mark.parametrize("name", [name for name in _PLAYED if not name.endswith(".wav")])
def test_firefox_plays_and_seeks(weed: Place, made: Path, fox: Firefox, name: str) -> None:
    """As in Chromium; a WAV Firefox saves, whatever its server says."""
    fox.open(_link(weed, made, name))
    _play_and_seek(fox.evaluate)


@pytest.mark.parametrize("name", ["film.mp4", "film.webm", "song.mp3", "song.ogg"])
def test_webkit_plays_and_seeks(weed: Place, made: Path, kit: Webkit, name: str) -> None:
    """As in Chromium, by WebKit's own player: that begins by itself, unless nothing of the player's may run."""
    kit.open(_link(weed, made, name))
    _until(kit.evaluate, f"{_PLAYER} && {_PLAYER}.currentTime > 0.2")
    _play_and_seek(kit.evaluate)


@pytest.mark.parametrize("name", _PICTURES)
def test_all_show_pictures(weed: Place, made: Path, page: Page, fox: Firefox, kit: Webkit, name: str) -> None:
    """A picture is shown in place."""
    url = _link(weed, made, name)
    page.goto(url)
    fox.open(url)
    kit.open(url)
    for evaluate in (page.evaluate, fox.evaluate, kit.evaluate):
        _until(evaluate, "!!document.images[0] && document.images[0].naturalWidth == 64")


def test_all_show_a_pdf(weed: Place, page: Page, fox: Firefox, kit: Webkit) -> None:
    """In their own viewers, and in the page before it."""
    weed.put("media/red.pdf", pdf(), ContentType="application/pdf")
    url = weed.link("media/red.pdf").url
    page.goto(url)
    deadline = time.monotonic() + 20
    while not any(frame.url.startswith("chrome-extension:") for frame in page.frames):
        assert time.monotonic() < deadline, page.content()
        page.wait_for_timeout(50)
    fox.open(url)
    _until(fox.evaluate, "!!document.querySelector('.page canvas')")
    kit.open(url)
    kit.enter("iframe")
    _until(kit.evaluate, "!!document.querySelector('.page canvas')")
    kit.open(weed.link("media/red.pdf", shows=["page"]).url)
    kit.enter("iframe.document")
    kit.enter("iframe")
    _until(kit.evaluate, "!!document.querySelector('.page canvas')")


def test_a_player_runs_no_script(weed: Place, made: Path, page: Page) -> None:
    """The page that a browser makes for a film has our origin for its ranges, and still runs nothing."""
    page.goto(_link(weed, made, "film.mp4"))
    run = "(element => (element.textContent = 'document.title = \"ran\"', document.head.append(element)))"
    page.evaluate(f"{run}(document.createElement('script'))")
    page.evaluate("document.body.setAttribute('onclick', 'document.title = \"ran\"')")
    page.evaluate("document.body.click()")
    assert "ran" != page.title()
    page.goto("about:blank")
    page.evaluate(f"{run}(document.createElement('script'))")
    assert "ran" == page.title(), "the control: where no policy stands against it, the same script runs"


def test_an_opaque_origin_cannot_play(weed: Place, made: Path, page: Page) -> None:
    """Control: in a sandbox the ranges are another origin's, and nothing plays."""
    url = _link(weed, made, "noise.mp4")

    def sandboxed(route: Any) -> None:
        answer = route.fetch()
        policy = answer.headers["content-security-policy"] + "; sandbox"
        route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": policy})

    page.route(url, sandboxed, times=1)
    page.goto(url)
    _until(page.evaluate, f"!!{_PLAYER} && {_PLAYER}.networkState == 3")
    assert 0 == page.evaluate(f"{_PLAYER}.readyState")
