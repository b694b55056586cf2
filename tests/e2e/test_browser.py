"""What a person's browser does with a link."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.place import Place, noise

pytestmark = pytest.mark.browser

_HOSTILE = b"<!doctype html><title>x</title><script>document.title = 'executed'</script><h1>hi</h1>"


def test_a_click_downloads_the_file_and_takes_one_use(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """A limited link shows a page first, which costs nothing; its button saves the exact file and takes the use."""
    body = noise(2_000_000)
    weed.put("Übersicht 1.bin", body)
    link = weed.link("Übersicht 1.bin", uses=1)
    page = browser.new_page(accept_downloads=True)
    page.goto(link.url)
    page.reload()
    assert "Übersicht 1.bin" in page.content()
    with page.expect_download() as download:
        page.locator("button[type=submit]").click()
    assert "Übersicht 1.bin" == download.value.suggested_filename
    download.value.save_as(tmp_path / "saved")
    assert body == (tmp_path / "saved").read_bytes()
    stranger = browser.new_context().new_page()
    assert 410 == stranger.goto(link.url).status
    page.close()


def test_a_password_opens_the_link_in_a_browser(weed: Place, browser: Browser) -> None:
    """The page asks for the password, refuses a wrong one, and opens with the right one, which is in no URL."""
    weed.put("note.txt", b"the note")
    link = weed.link("note.txt", password="open sesame")
    page = browser.new_context().new_page()
    page.goto(link.url)
    for password, opened in (("wrong", False), ("open sesame", True)):
        page.locator("input[type=password]").fill(password)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert opened == ("the note" in page.content())
    assert link.url == page.url
    page.close()


def test_who_keeps_no_cookies_is_told(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """Where they are blocked, a right password leads to a page that says so, not to the same form for ever."""
    weed.put("note.txt", b"the note")
    link = weed.link("note.txt", password="open sesame")
    (tmp_path / "Default").mkdir()
    settings = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(settings))
    kind, sandbox = browser.browser_type, ["--no-sandbox"] if os.geteuid() == 0 else []
    with kind.launch_persistent_context(tmp_path, executable_path=shutil.which("chromium"), args=sandbox) as blocked:
        page = blocked.new_page()
        page.goto(link.url)
        page.get_by_label("Password").fill("open sesame")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Allow cookies")).to_be_visible()
        page.get_by_role("link", name="Open the link again").click()
        expect(page.get_by_label("Password")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("page.html", "text/html"), ("image.svg", "image/svg+xml"), ("page.xhtml", "application/xhtml+xml"), ("page", "")],
)
def test_hostile_files_are_saved_and_never_run(weed: Place, browser: Browser, name: str, kind: str) -> None:
    """Whatever type a file claims, its script never runs in the gateway's origin."""
    weed.put(name, _HOSTILE, **({"ContentType": kind} if kind else {}))
    page = browser.new_page(accept_downloads=True)
    page.goto(weed.gateway.data + "/s/x")
    with page.expect_download() as download:
        page.evaluate("url => { location.href = url }", weed.link(name).url)
    assert download.value.suggested_filename.startswith(name.partition(".")[0])
    assert "executed" != page.title()
    page.close()


def test_a_picture_is_shown(weed: Place, browser: Browser) -> None:
    """A passive type is shown in place, under the sandbox's rules."""
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
    weed.put("pixel.png", pixel, ContentType="image/png")
    page = browser.new_page()
    answer = page.goto(weed.link("pixel.png").url)
    assert answer is not None
    assert "image/png" == answer.headers["content-type"]
    assert answer.headers["content-disposition"].startswith("inline")
    page.close()


def test_a_folder_is_walked_by_clicking(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """From the list into a folder and to a file, by its links alone, with no script and no foreign request."""
    weed.put("clicked/sub dir/é & <b>.bin", b"inside", ContentType="application/octet-stream")
    page = browser.new_page(accept_downloads=True)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(weed.link(prefix="clicked/").url + "/")
    with page.expect_navigation():
        page.get_by_role("link", name="sub dir").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="é & <b>.bin").first.click()
    download.value.save_as(tmp_path / "saved")
    assert b"inside" == (tmp_path / "saved").read_bytes()
    assert all(url.startswith(weed.gateway.data) for url in requested)
    page.close()


def test_the_upload_page_takes_a_file_without_scripts(weed: Place, browser: Browser, tmp_path: Path) -> None:
    """The plain form of an upload link stores the file and shows a receipt."""
    (tmp_path / "sent.txt").write_bytes(b"sent by form")
    link = weed.link(prefix="inbox/", actions=["write"])
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(link.url + "/")
    page.locator("input[type=file]").set_input_files(tmp_path / "sent.txt")
    with page.expect_navigation():
        page.locator("button[type=submit]").click()
    assert "sent.txt" in page.content()
    assert b"sent by form" == weed.stored("inbox/sent.txt")
    page.close()
