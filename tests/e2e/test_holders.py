"""A link for certain people in a real browser, with a real mail server: from the address to the file, no further."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, Page, expect

from tests.e2e.place import Place
from tests.servers.gateway import Link, gateway_before
from tests.servers.smtp import Post, running_post
from tests.servers.store import RunningStore

pytestmark = pytest.mark.browser

ANN = "ann@acme.example"


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    with running_post() as server:
        yield server


@pytest.fixture(scope="module")
def mailing(seaweedfs: RunningStore, post: Post, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place on a gateway that sends mails there, and shows of addresses no more than their domain."""
    smtp = f"{{host: 127.0.0.1, port: {post.port}, security: plain, from: files@acme.example}}"
    environ = {"GATEWAY_LOG__ADDRESSES": "short"}
    with gateway_before(
        [seaweedfs], tmp_path_factory.mktemp("holders"), f"mail: {{smtp: {smtp}}}", environ=environ
    ) as gateway:
        yield Place.before(gateway, seaweedfs)


def findings(page: Page) -> list[str]:
    page.evaluate(AXE_FILE_PATH.read_text())
    return [one["id"] for one in page.evaluate("axe.run(document)")["violations"]]


def mailed_code(post: Post, before: int) -> str:
    [code] = re.findall(r"^ +(\d{8})\s*$", str(post.wait(before + 1).get_content()), re.MULTILINE)
    return str(code)


def holders_of(place: Place, link: Link, *operations: str) -> set[str]:
    """Who did these, as the link's records have it once they are written."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        records = place.gateway.api("GET", f"/v1/links/{link.id}/records")["records"]
        found = {one["holder"] for one in records if one["operation"] in operations and one["status"] < 300}
        if found:
            return found
    raise AssertionError(f"no records of {operations}")


def status_of(url: str, method: str = "GET") -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_somebody_comes_to_the_file_by_keyboard_and_without_scripts(
    mailing: Place, post: Post, browser: Browser
) -> None:
    """Address, code, file; the record names them whole, the log by their domain alone, and the code is nowhere."""
    mailing.put("held/a.txt", b"for Ann", ContentType="text/plain")
    link = mailing.link("held/a.txt", holders={"emails": [ANN]})
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto(link.url)
    before = len(post.mails)
    page.keyboard.press("Tab")
    page.keyboard.type("Ann@acme.example")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code")).to_be_visible()
    assert link.url == page.url
    code = mailed_code(post, before)
    page.keyboard.press("Tab")
    page.keyboard.type("00000000" if code != "00000000" else "11111111")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type(f"{code[:4]} {code[4:]}")
    page.keyboard.press("Enter")
    expect(page.locator("pre")).to_have_text("for Ann")
    page.reload()
    expect(page.locator("pre")).to_have_text("for Ann")
    assert {"Ann@acme.example"} == holders_of(mailing, link, "GetObject")
    log = mailing.gateway.log()
    assert "…@acme.example" in log
    assert [] == [word for word in ("Ann@", "ann@", code) if word in log]
    other = mailing.link("held/a.txt", holders={"emails": [ANN]})
    page.goto(other.url)
    expect(page.get_by_label("Mail address")).to_be_visible()
    context.close()


def test_a_folders_page_is_for_who_proved_it(mailing: Place, post: Post, browser: Browser) -> None:
    """With its pictures; in the visitor's language; whoever is taken off the list finds the form again."""
    mailing.put("shelf/one.txt", b"1")
    mailing.put("shelf/README.md", b"# For Ann")
    link = mailing.link(prefix="shelf/", holders={"domains": ["acme.example"]})
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    page.goto(link.url + "/")
    assert [] == findings(page)
    before = len(post.mails)
    page.get_by_label("E-Mail-Adresse").fill(ANN)
    page.get_by_role("button").click()
    assert [] == findings(page)
    page.get_by_role("button", name="Andere Adresse verwenden").click()
    page.get_by_label("E-Mail-Adresse").fill(ANN)
    page.get_by_role("button").click()
    code = mailed_code(post, before + 1)
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Weiter").click()
    expect(page.get_by_role("link", name="one.txt")).to_be_visible()
    expect(page.get_by_text("For Ann")).to_be_visible()
    for tail in ("/", "/one.txt", "/?archive=zip"):
        assert 401 == status_of(link.url + tail)
    mailing.gateway.api("PATCH", f"/v1/links/{link.id}", {"holders": {"emails": ["bob@acme.example"]}})
    page.reload()
    expect(page.get_by_label("E-Mail-Adresse")).to_be_visible()
    context.close()


def test_the_upload_page_sends_as_somebody(mailing: Place, post: Post, browser: Browser) -> None:
    """Its module's requests carry the pass; each file is recorded as theirs."""
    link = mailing.link(prefix="inbox/", actions=["write"], holders={"emails": [ANN]})
    context = browser.new_context()
    page = context.new_page()
    page.goto(link.url)
    before = len(post.mails)
    page.get_by_label("Mail address").fill(ANN)
    page.get_by_role("button").click()
    page.get_by_label("Code").fill(mailed_code(post, before))
    page.get_by_role("button", name="Continue").click()
    page.locator("#files").set_input_files([{"name": "a.txt", "mimeType": "text/plain", "buffer": b"from Ann"}])
    page.locator("#send[data-left='0']").wait_for()
    assert b"from Ann" == mailing.stored("inbox/a.txt")
    assert {ANN} == holders_of(mailing, link, "UploadPart", "CreateMultipartUpload")
    context.close()
