"""The pages of links in real browsers: what is shown, played, selected and sent, with scripts and without."""

from __future__ import annotations

import io
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import require
from tests.e2e.firefox import Firefox
from tests.e2e.hostile import pdf
from tests.e2e.place import Place, noise

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(accept_downloads=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A page in a browser that runs no scripts."""
    context = browser.new_context(accept_downloads=True, java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_a_pdf_is_previewed(weed: Place, page: Page) -> None:
    """In the browser's own viewer, within the page."""
    weed.put("pages/red.pdf", pdf(), ContentType="application/pdf")
    page.goto(weed.link("pages/red.pdf").url + "?page=1")
    deadline = time.monotonic() + 20
    while not any(frame.url.startswith("chrome-extension:") for frame in page.frames):
        assert time.monotonic() < deadline, page.content()
        page.wait_for_timeout(50)


def test_firefox_shows_the_same(weed: Place, fox: Firefox) -> None:
    """A PDF within its page; our module runs by its hash and shows the link's end in the visitor's zone."""
    weed.put("pages/fox.pdf", pdf(), ContentType="application/pdf")
    fox.open(weed.link("pages/fox.pdf").url + "?page=1")
    deadline = time.monotonic() + 20
    told = "document.querySelector('time').title"
    while not (fox.evaluate(told) or "").endswith(" UTC"):
        assert time.monotonic() < deadline, fox.evaluate("document.documentElement.outerHTML")
        time.sleep(0.05)
    assert fox.evaluate("!!document.querySelector('iframe').contentWindow")


def test_a_film_plays_within_its_page(weed: Place, page: Page, tmp_path: Path) -> None:
    """And seeks, by ranges of the same address."""
    page.goto(_film(weed, tmp_path).url + "?page=1")
    _play_to_its_end(page)


def test_a_film_is_shown_within_one_use(weed: Place, page: Page, browser: Browser, tmp_path: Path) -> None:
    """By the button that says so, with all ranges that playing and seeking take; after that the link is used up."""
    link = _film(weed, tmp_path, uses=1)
    page.goto(link.url)
    assert 0 == page.locator("video").count()
    with page.expect_navigation():
        page.get_by_role("button", name="Show in the browser").click()
    _play_to_its_end(page)
    assert 1 == weed.gateway.api("GET", f"/v1/links/{link.id}")["uses_used"]
    stranger = browser.new_context()
    answer = stranger.new_page().goto(link.url)
    assert answer is not None
    assert 410 == answer.status
    stranger.close()


def _film(weed: Place, directory: Path, **more: object):
    require("ffmpeg")
    made = "-f lavfi -i testsrc=duration=8:size=160x120:rate=10 -c:v libx264 -pix_fmt yuv420p film.mp4"
    subprocess.run(["ffmpeg", "-loglevel", "error", *made.split()], check=True, cwd=directory, timeout=100)
    weed.put("pages/film.mp4", (directory / "film.mp4").read_bytes(), ContentType="video/mp4")
    return weed.link("pages/film.mp4", **more)


def _play_to_its_end(page: Page) -> None:
    player = "document.querySelector('video')"
    _until(page, f"!!{player}")
    page.evaluate(f"({player}.muted = true, {player}.play(), 1)")
    _until(page, f"{player}.currentTime > 0.1")
    page.evaluate(f"({player}.currentTime = {player}.duration - 1, 1)")
    _until(page, f"{player}.currentTime > {player}.duration - 0.8")


def _until(page: Page, expression: str) -> None:
    deadline = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, page.content()
        page.wait_for_timeout(50)


def test_several_files_come_as_one_zip(weed: Place, plain: Page) -> None:
    """Selected by the keyboard, on a page without scripts; the same form takes a use of a limited link."""
    files = {"a.txt": b"a", "b.bin": noise(200_000), "sub/c.txt": b"c", "d.txt": b"d"}
    for name, body in files.items():
        weed.put("several/" + name, body)
    for fields in ({}, {"uses": 1}):
        link = weed.link(prefix="several/", **fields)
        plain.goto(link.url + "/")
        for name in ("b.bin", "sub/"):
            plain.get_by_label(f"Select {name}", exact=True).focus()
            plain.keyboard.press("Space")
        with plain.expect_download() as download:
            plain.get_by_role("button", name="Download what is selected as zip").press("Enter")
        packed = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
        assert {"b.bin": files["b.bin"], "sub/c.txt": b"c"} == {name: packed.read(name) for name in packed.namelist()}
        assert 1 == uses_used(weed, link.id)


def uses_used(place: Place, link: str) -> int:
    """Once it is counted: what is not limited is counted behind the answer."""
    deadline = time.monotonic() + 10
    while not (used := int(place.gateway.api("GET", f"/v1/links/{link}")["uses_used"])) and time.monotonic() < deadline:
        time.sleep(0.05)
    return used


def test_a_folder_is_searched_and_ordered_without_scripts(weed: Place, plain: Page) -> None:
    """By its form and by the heads of its columns; what was chosen stays."""
    for name, size in (("ant.txt", 10), ("bee.txt", 30), ("cat.md", 20)):
        weed.put("ordered/" + name, b"x" * size)
    plain.goto(weed.link(prefix="ordered/").url + "/")
    plain.get_by_label("Names that contain").fill("TXT")
    plain.keyboard.press("Enter")
    plain.get_by_role("link", name="Size").click()
    plain.get_by_role("link", name="Size").click()
    assert ["bee.txt", "ant.txt"] == plain.locator("td.name").all_inner_texts()
    expect(plain.locator("th[aria-sort=descending]")).to_have_text("Size")
    plain.get_by_role("link", name="Show all").click()
    assert ["bee.txt", "cat.md", "ant.txt"] == plain.locator("td.name").all_inner_texts()


def test_pictures_of_a_folder_are_shown(weed: Place, page: Page, tmp_path: Path) -> None:
    """As a grid of what the browser scales itself."""
    require("ffmpeg")
    made = "-f lavfi -i testsrc=duration=0.2:size=640x480:rate=10 -frames:v 1 a.png"
    subprocess.run(["ffmpeg", "-loglevel", "error", *made.split()], check=True, cwd=tmp_path, timeout=100)
    weed.put("grid/a.png", (tmp_path / "a.png").read_bytes(), ContentType="image/png")
    page.goto(weed.link(prefix="grid/").url + "/?view=grid")
    _until(page, "document.images[0].naturalWidth == 640")
    assert page.locator("ul.grid img").bounding_box()["width"] < 300


def test_the_first_page_is_small(weed: Place, page: Page) -> None:
    """With all that it loads, of a folder with more files than a page shows."""
    for number in range(260):
        weed.put(f"many/{number:03} report of the quarter.pdf", b"")
    loaded: list[int] = []
    page.on("response", lambda answer: loaded.append(len(answer.body()) + 1000))
    page.goto(weed.link(prefix="many/").url + "/", wait_until="networkidle")
    assert len(loaded) >= 2
    assert sum(loaded) < 100 * 1024
