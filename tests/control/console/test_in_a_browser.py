"""The console in a real Chromium: for everybody, on small screens, in the dark, by keyboard, and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from gateway.control.deps import Transfer
from gateway.pages import render as module
from gateway.pages.render import render
from tests.control.console.scenes import LEFT_OUT, SCENES, entrance, sign_in
from tests.control.console.showing import Shown, showing
from tests.control.desk import ADMIN, APP, START
from tests.e2e.conftest import browser
from tests.pages.__main__ import SCREENS
from tests.pages.test_in_a_browser import findings, fits, out_of_reach

pytestmark = pytest.mark.browser

__all__ = ["browser"]

CONSOLE = Path(module.__file__).parent / "templates/console"
ANSWERED = "Failed to load resource: the server responded with a status of"
"""What the browser says of a page that is a refusal."""


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    with showing() as opened:
        yield opened


def listening(page: Page) -> list[str]:
    """What the browser complains of from now on: what a policy forbids, among others."""
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


@pytest.mark.parametrize("scene", SCENES)
def test_each_page_is_for_everybody(browser: Browser, shown: Shown, scene: str) -> None:
    """axe-core finds nothing, the browser complains of nothing, and nothing has to be scrolled sideways, by day and by
    night, at a desk and on the smallest of telephones; the keyboard reaches each control, in order, and shows where
    it is."""
    context = browser.new_context(**SCREENS["desktop"])
    page = sign_in(context, shown)
    complaints = listening(page)
    SCENES[scene](page, shown)
    assert [] == findings(page)
    assert fits(page)
    page.emulate_media(color_scheme="dark")
    assert [] == findings(page, contrast_alone=True), "dark"
    page.set_viewport_size(SCREENS["phone"]["viewport"])
    assert [] == findings(page), "phone"
    assert fits(page), "phone"
    page.set_viewport_size({"width": 256, "height": 512})
    assert fits(page), "enlarged five times at a desk"
    assert [] == out_of_reach(page)
    assert [] == [text for text in complaints if not text.startswith(ANSWERED)]
    context.close()


def test_each_template_is_seen(browser: Browser, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page of the console is left out of what is asked of each."""
    seen: set[str] = set()

    def watched(template: str, *rest: Any, **more: Any) -> Any:
        seen.add(template)
        return render(template, *rest, **more)

    monkeypatch.setattr("gateway.control.console.looks.render", watched)
    context = browser.new_context()
    page = sign_in(context, shown)
    for scene in SCENES.values():
        scene(page, shown)
    context.close()
    live = {f"console/{path.name}" for path in CONSOLE.glob("*-live.html")}
    assert {f"console/{path.name}" for path in CONSOLE.glob("*.html")} - LEFT_OUT - live == seen - live


def test_every_form_works_without_scripts(browser: Browser, shown: Shown) -> None:
    """From the sign-in to the sign-out: a link is made, found, edited, suspended, resumed and revoked."""
    context = browser.new_context(java_script_enabled=False)
    page = sign_in(context, shown)
    page.get_by_role("link", name="Links", exact=True).click()
    page.get_by_role("link", name="New link").click()
    page.get_by_label("Place", exact=True).fill("reports/plain.pdf")
    page.get_by_role("button", name="Make the link").click()
    address = page.get_by_label("Address", exact=True).input_value()
    page.goto(shown.url + "links")
    page.get_by_label("Find a link").fill(address)
    page.get_by_role("button", name="Find").click()
    assert "gl_" not in page.url
    expect(page.get_by_role("heading", name="reports/plain.pdf")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Label", exact=True).fill("a plain one")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="a plain one")).to_be_visible()
    for button, state in (("Suspend", "suspended"), ("Resume", "active"), ("Revoke", "revoked")):
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator(f".state.{state}")).to_be_visible()
    page.get_by_role("link", name="Transfers").click()
    shown.transfers.append(Transfer("r9", "admin:ops", "link:l_9", "GetObject", "reports", "nine", "", START, 1))
    page.get_by_role("link", name="Reload").click()
    page.get_by_role("button", name="Cut r9").click()
    expect(page.get_by_text("nine")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    page.goto(shown.url + "links")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    context.close()


def test_many_are_done_with_without_scripts(browser: Browser, shown: Shown) -> None:
    """All that a filter matches: shown first, and then hit."""
    context = browser.new_context(java_script_enabled=False)
    for number in range(3):
        shown.ask("POST", "/v1/links", {"bucket": "reports", "key": f"{number}.pdf", "label": "of many"})
    page = sign_in(context, shown)
    page.goto(shown.url + "links?label=of+many")
    page.get_by_label("With", exact=True).select_option("all that these filters match")
    page.get_by_role("button", name="Label…").click()
    expect(page.get_by_text("Links that will be hit: 3.")).to_be_visible()
    page.get_by_label("Label", exact=True).fill("of few")
    page.get_by_role("button", name="Label 3").click()
    expect(page.get_by_text("Label, links: 3.")).to_be_visible()
    page.goto(shown.url + "links?label=of+few")
    expect(page.get_by_role("link", name="of few")).to_have_count(3)
    context.close()


def test_a_command_line_opens_the_console(browser: Browser, shown: Shown) -> None:
    """Its code leaves the address before anything else is loaded, is in no request's line or Referer, signs in after
    one press of a button, and opens nothing a second time."""
    context = browser.new_context()
    page = context.new_page()
    lines: list[str] = []
    context.on("request", lambda one: lines.append(one.url + one.headers.get("referer", "")))
    address = entrance(shown)
    code = address.partition("#")[2]
    page.goto(address)
    expect(page.get_by_text("admin:ops")).to_be_visible()
    assert page.url == shown.url + "enter"
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert not any(code in line.partition("#")[0] for line in lines)
    context.close()
    page = browser.new_page()
    page.goto(address)
    expect(page.get_by_role("alert")).to_contain_text("Call gateway ui again")
    page.close()


@pytest.mark.parametrize("place", ["reports/notes.txt", "reports/"])
def test_a_file_is_sent_and_shared_in_one_step(browser: Browser, shown: Shown, place: str) -> None:
    """Where scripts run: it is chosen with its place, its links are made, and it goes to the data listener at once,
    while the page shows the link that shares it."""
    context = browser.new_context()
    sent: list[tuple[str, str]] = []

    def take(route: Route) -> None:
        sent.append((route.request.url, (route.request.post_data_buffer or b"").decode()))
        route.fulfill(body="received")

    context.route("https://files.example/**", take)
    page = sign_in(context, shown)
    complaints = listening(page)
    page.goto(shown.url + "send")
    page.get_by_label("Place", exact=True).fill(place)
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"sent at once"}
    )
    with context.expect_page() as opened:
        page.get_by_role("button", name="Next").click()
    expect(opened.value.get_by_text("received")).to_be_visible()
    address = page.get_by_label("Address", exact=True).input_value()
    assert page.get_by_role("link", name="reports/notes.txt").is_visible()
    assert [] == complaints
    [(target, body)] = sent
    assert "sent at once" in body
    assert target.startswith("https://files.example/s/gl_")
    assert target != address
    context.close()


def test_a_file_that_is_not_to_be_shared_is_not_sent(browser: Browser, shown: Shown) -> None:
    """The page says why, and the window is gone that was opened for a receipt when the button was pressed."""
    context = browser.new_context()
    page = sign_in(context, shown)
    page.goto(shown.url + "send")
    page.get_by_label("Place", exact=True).fill("reports/payroll/")
    page.get_by_label("File", exact=True).set_input_files({"name": "a", "mimeType": "text/plain", "buffer": b"x"})
    with context.expect_page() as opened:
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("nobody touches payroll").first).to_be_visible()
    assert opened.value.is_closed()
    context.close()


def test_a_page_that_is_open_is_kept_up_to_date(browser: Browser, shown: Shown) -> None:
    """By the one module; what one copies is what one sees."""
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = sign_in(context, shown)
    page.goto(shown.url + "transfers")
    expect(page.get_by_text("later.pdf")).to_have_count(0)
    shown.transfers.append(Transfer("r5", "admin:ops", "link:l_5", "GetObject", "reports", "later.pdf", "", START, 1))
    expect(page.get_by_text("later.pdf")).to_have_count(1, timeout=10_000)
    page.goto(shown.url + "links/new")
    page.get_by_label("Place", exact=True).fill("reports/c.pdf")
    page.get_by_role("button", name="Make the link").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.get_by_label("Address", exact=True).input_value() == page.evaluate("navigator.clipboard.readText()")
    context.close()


@pytest.mark.parametrize(("place", "drawn"), [("", 1), ("transfers", 0)])
def test_nothing_moves_below_who_aims_at_a_button(browser: Browser, shown: Shown, place: str, drawn: int) -> None:
    """A list with buttons stands while one points at it; what has none goes on, wherever the mouse rests."""
    context = browser.new_context()
    page = sign_in(context, shown)
    shown.transfers.append(Transfer("r8", "admin:ops", "link:l_8", "GetObject", "reports", "eight", "", START, 1))
    page.route("**/live?page=*", lambda route: route.abort())
    page.goto(shown.url + place)
    page.locator("[data-live]").hover()
    new = {"content_type": "text/event-stream", "body": "data: <p>drawn anew</p>\n\n"}
    page.unroute_all()
    page.route("**/live?page=*", lambda route: route.fulfill(**new))
    with page.expect_event("requestfinished", lambda one: "live?page" in one.url):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(200)
    expect(page.get_by_text("drawn anew")).to_have_count(drawn)
    context.close()


def test_a_page_that_nobody_sees_hears_nothing(browser: Browser, shown: Shown) -> None:
    """A browser that has six connections to one host would show no seventh page; seen again, it is up to date again."""
    context = browser.new_context()
    page = sign_in(context, shown)
    page.goto(shown.url + "transfers")
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.unseen })")
    turn = "unseen => { window.unseen = unseen; document.dispatchEvent(new Event('visibilitychange')); }"
    with page.expect_event("requestfailed", lambda one: "live?page" in one.url):
        page.evaluate(turn, True)
    with page.expect_request("**/live?page=*"):
        page.evaluate(turn, False)
    context.close()


def test_a_page_whose_events_are_refused_asks_again(browser: Browser, shown: Shown) -> None:
    """The sixth page of a visitor, or one whose proxy had no gateway for a moment: it does not stand still for good."""
    context = browser.new_context()
    page = sign_in(context, shown)
    page.clock.install()
    page.route("**/live?page=*", lambda route: route.fulfill(status=429), times=1)
    page.goto(shown.url + "transfers")
    shown.transfers.append(Transfer("r6", "admin:ops", "link:l_6", "GetObject", "reports", "again.pdf", "", START, 1))
    page.wait_for_timeout(100)
    expect(page.get_by_text("again.pdf")).to_have_count(0)
    page.clock.fast_forward(31_000)
    expect(page.get_by_text("again.pdf")).to_have_count(1, timeout=10_000)
    context.close()


def test_a_page_whose_session_ended_asks_to_sign_in(browser: Browser, shown: Shown) -> None:
    """It does not go on showing what was; and who signs in is there again."""
    context = browser.new_context()
    page = sign_in(context, shown)
    page.clock.install()
    page.route("**/live?page=*", lambda route: route.fulfill(status=429))
    page.goto(shown.url + "transfers")
    page.wait_for_timeout(100)
    context.clear_cookies()
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    page.get_by_label("Token of an admin or of an app").fill(ADMIN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Transfers")).to_be_visible()
    context.close()


def test_a_chart_is_read_where_colours_are_the_visitors(browser: Browser, shown: Shown) -> None:
    """What its colours mean stands beside it, in the same two, where backgrounds are another's or not printed."""
    context = browser.new_context(forced_colors="active")
    page = sign_in(context, shown)
    page.goto(f"{shown.url}links/{shown.link}")
    for which in ("first", "second"):
        fill = page.locator(f"rect.{which}").first.evaluate("one => getComputedStyle(one).fill")
        key = page.locator(f".key.{which}")
        assert [fill, "exact"] == key.evaluate(
            "one => [getComputedStyle(one).backgroundColor, getComputedStyle(one).printColorAdjust]"
        )
    context.close()


def test_a_link_to_a_folder_that_is_typed_lists_it(browser: Browser, shown: Shown) -> None:
    """The box is ticked with the slash at the end, and stands as it is once it was chosen by hand."""
    context = browser.new_context()
    page = sign_in(context, shown)
    page.goto(shown.url + "links/new")
    place, box = page.get_by_label("Place", exact=True), page.get_by_label("list", exact=True)
    for text, ticked in (("reports/2027/", True), ("reports/2027/a.pdf", False), ("reports/", True)):
        place.fill(text)
        assert ticked is box.is_checked(), text
    box.uncheck()
    place.fill("reports/2028/")
    assert not box.is_checked()
    context.close()


def test_what_is_anothers_is_not_there(browser: Browser, shown: Shown) -> None:
    """Two tenants: neither in a list, nor by an address, nor in the menu."""
    context = browser.new_context()
    page = sign_in(context, shown, APP + "2")
    page.goto(shown.url + "links")
    expect(page.get_by_text("Nothing here.")).to_be_visible()
    expect(page.get_by_role("link", name="Audit trail")).to_have_count(0)
    answer = page.goto(shown.url + f"links/{shown.link}")
    never = page.goto(shown.url + "links/l_never")
    assert answer is not None
    assert never is not None
    assert (404, 404) == (answer.status, never.status)
    context.close()
