"""The console in a real Chromium: for everybody, on small screens, in the dark, by keyboard, and without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from gateway.control.deps import Transfer
from tests.control.console.showing import Shown, showing
from tests.control.desk import ADMIN, APP, START
from tests.e2e.conftest import browser
from tests.pages.__main__ import SCREENS
from tests.pages.test_in_a_browser import findings, fits

pytestmark = pytest.mark.browser

__all__ = ["browser"]

PAGES = (
    *("", "links", "links?state=revoked", "links?ends_within=soon", "links/new", "links/{link}", "links/{link}/edit"),
    *("keys", "keys/new", "keys/{key}", "keys/{key}/edit", "transfers", "revocations", "policy", "explain"),
    *("explain?who=app:billing&do=GetObject&on=reports/payroll/a", "backends", "audit", "sessions", "nothing"),
)


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    with showing() as opened:
        yield opened


def sign_in(context: BrowserContext, shown: Shown, token: str = ADMIN) -> Page:
    page = context.new_page()
    page.goto(shown.url)
    page.get_by_label("Token of an admin or of an app").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


def listening(page: Page) -> list[str]:
    """What the browser complains of from now on: what a policy forbids, among others."""
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


@pytest.mark.parametrize("screen", SCREENS)
def test_each_page_is_for_everybody(browser: Browser, shown: Shown, screen: str, tmp_path: Path) -> None:
    """axe-core finds nothing, the browser complains of nothing, and nothing has to be scrolled sideways."""
    context = browser.new_context(**SCREENS[screen])
    page = context.new_page()
    page.goto(shown.url)
    assert [] == findings(page), "sign-in"
    assert fits(page)
    page = sign_in(context, shown)
    for place in PAGES:
        complaints = listening(page)
        answer = page.goto(shown.url + place.format(link=shown.link, key=shown.key))
        assert answer is not None
        assert [] == findings(page), place
        assert fits(page), place
        refused = [] if answer.ok else [f"the server responded with a status of {answer.status}"]
        assert [] == [one for one in complaints if not any(text in one for text in refused)], place
    context.close()


def test_forms_and_secrets_are_for_everybody(browser: Browser, shown: Shown) -> None:
    """What answers a form, too: what is made, what is wrong, what will be hit, what was done."""
    context = browser.new_context(**SCREENS["phone"])
    page = sign_in(context, shown)

    def look() -> None:
        assert [] == findings(page), page.title()
        assert fits(page), page.title()

    page.goto(shown.url + "links/new")
    page.get_by_label("Ends after").fill("soon")
    page.get_by_label("Place", exact=True).fill("reports/b.pdf")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look()
    page.get_by_label("Ends after").fill("7d")
    page.get_by_role("button", name="Make the link").click()
    assert page.get_by_label("Address", exact=True).input_value().startswith("https://files.example/s/gl_")
    look()
    page.goto(shown.url + "keys/new")
    page.get_by_label("App", exact=True).fill("billing")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_label("Secret access key")).to_be_visible()
    look()
    page.goto(shown.url + "links")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Revoke…").click()
    look()
    page.get_by_role("button", name="Revoke 1").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    look()
    page.goto(shown.url + "revocations")
    page.get_by_label("Owner").fill("app:nobody")
    page.get_by_role("button", name="See what it hits").click()
    look()
    page.goto(shown.url + "audit")
    page.get_by_role("button", name="Check the whole trail").click()
    expect(page.get_by_role("status")).to_contain_text("The whole trail fits together")
    look()
    context.close()


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


@pytest.mark.parametrize("place", ["", "links", "links/new", "links/{link}", "transfers", "explain"])
def test_everything_is_reached_by_the_keyboard(browser: Browser, shown: Shown, place: str) -> None:
    """Each link, button and field, in the order of the page; the first step leads past the menu."""
    context = browser.new_context()
    page = sign_in(context, shown)
    page.goto(shown.url + place.format(link=shown.link))
    reached = "a[href], button:not([hidden]), input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
    wanted = [number for number, one in enumerate(page.locator(reached).all()) if one.is_visible()]
    where = "Array.from(document.querySelectorAll(selector)).indexOf(document.activeElement)"
    seen: list[int] = []
    page.keyboard.press("Tab")
    assert "To the content" == page.evaluate("document.activeElement.textContent")
    for _ in range(len(wanted) + 30):
        seen.append(page.evaluate(f"selector => {where}", reached))
        page.keyboard.press("Tab")
    found = [number for number in seen if number >= 0]
    assert set(wanted) <= set(found)
    first = found[: len(set(wanted))]
    assert sorted(first) == first
    context.close()


def test_what_is_anothers_is_not_there(browser: Browser, shown: Shown) -> None:
    """Two tenants: neither in a list, nor by an address, nor in the menu."""
    context = browser.new_context()
    page = sign_in(context, shown, APP)
    page.goto(shown.url + "links")
    expect(page.get_by_text("Nothing here.")).to_be_visible()
    expect(page.get_by_role("link", name="Audit trail")).to_have_count(0)
    answer = page.goto(shown.url + f"links/{shown.link}")
    never = page.goto(shown.url + "links/l_never")
    assert answer is not None
    assert never is not None
    assert (404, 404) == (answer.status, never.status)
    context.close()
