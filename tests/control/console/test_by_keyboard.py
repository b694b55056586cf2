"""The console without a mouse: whatever one does there is done with Tab, Space, Enter and what one types."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.control.deps import Transfer
from tests.control.console.showing import Shown, showing
from tests.control.desk import ADMIN, START
from tests.e2e.conftest import browser

pytestmark = pytest.mark.browser

__all__ = ["browser"]

_NAME = """() => {
    const one = document.activeElement, label = one.labels && one.labels[0];
    const named = one.getAttribute("aria-label") || (label ? label.textContent : one.textContent);
    return named.trim().replace(/\\s+/g, " ");
}"""


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    with showing() as opened:
        yield opened


class Typist:
    """Somebody who has a keyboard, and nothing else."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def go_to(self, name: str) -> None:
        """The tab key, until whatever is called so has the focus."""
        for _ in range(200):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(_NAME) == name:
                return
        raise AssertionError(f"the tab key does not lead to {name!r}")

    def fill(self, name: str, text: str) -> None:
        self.go_to(name)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def press(self, name: str, key: str = "Enter") -> None:
        """And wait for the page that answers."""
        self.go_to(name)
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def tick(self, name: str) -> None:
        self.go_to(name)
        self.page.keyboard.press("Space")


@pytest.fixture
def typist(browser: Browser, shown: Shown) -> Iterator[Typist]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(shown.url)
    found = Typist(page)
    found.fill("Token of an admin or of an app", ADMIN)
    found.press("Sign in")
    yield found
    context.close()


def test_a_link_lives_by_the_keyboard(typist: Typist) -> None:
    """It is made, edited, extended, given a new address, suspended, resumed and revoked."""
    page = typist.page
    typist.press("Links")
    typist.press("New link")
    typist.fill("Place", "reports/typed.pdf")
    typist.tick("Limits")
    typist.fill("Uses", "3")
    typist.press("Make the link")
    assert page.get_by_label("Address", exact=True).input_value().startswith("https://files.example/s/gl_")
    typist.press("reports/typed.pdf")
    typist.press("Edit")
    typist.fill("Label", "typed")
    typist.press("Save")
    expect(page.get_by_role("heading", name="typed")).to_be_visible()
    typist.fill("From now on, for", "7d")
    typist.press("Extend")
    typist.press("New address")
    expect(page.get_by_label("Address", exact=True)).to_be_visible()
    typist.press("typed")
    for button, state in (("Suspend", "suspended"), ("Resume", "active")):
        typist.press(button, "Space")
        expect(page.locator(f".state.{state}")).to_be_visible()
    typist.fill("Reason", "no more")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator(".state.revoked")).to_be_visible()


def test_many_links_are_revoked_by_the_keyboard(typist: Typist) -> None:
    """Found by a filter, ticked, looked at, and only then revoked."""
    page = typist.page
    typist.press("Links")
    typist.tick("Filters")
    typist.fill("Label", "file 2")
    typist.press("Filter")
    typist.tick("Choose file 2")
    typist.press("Revoke…")
    typist.press("Revoke 1")
    expect(page.get_by_role("heading", name="Done")).to_be_visible()


def test_a_key_lives_by_the_keyboard(typist: Typist) -> None:
    """It is made, narrowed and revoked."""
    page = typist.page
    typist.press("Keys")
    typist.press("New key")
    typist.fill("App", "billing")
    typist.fill("Label", "typed key")
    typist.press("Make the key")
    expect(page.get_by_label("Secret access key")).to_be_visible()
    typist.press("typed key")
    typist.press("Narrow")
    typist.tick("read")
    typist.press("Save")
    expect(page.get_by_text("reports/").or_(page.get_by_text(": read"))).to_be_visible()
    typist.press("Revoke")
    expect(page.locator(".state.revoked")).to_be_visible()


def test_an_operator_works_by_the_keyboard(typist: Typist, shown: Shown) -> None:
    """A transfer is cut, what waits is approved, a backend is drained, the trail is checked, and one signs out."""
    page = typist.page
    shown.transfers.append(Transfer("r7", "admin:ops", "link:l_7", "GetObject", "reports", "seven", "", START, 1))
    typist.press("Transfers")
    typist.press("Cut r7")
    expect(page.get_by_text("seven")).to_have_count(0)
    typist.press("Approvals")
    typist.press("Approve Invoices for Anna")
    expect(page.locator(".state.active")).to_be_visible()
    typist.press("Backends")
    typist.press("Drain archive")
    typist.press("Audit trail")
    typist.press("Check the whole trail")
    expect(page.get_by_role("status")).to_contain_text("The whole trail fits together")
    typist.press("Sign out")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def test_what_no_key_reaches_is_found(typist: Typist) -> None:
    """The control."""
    typist.press("Keys")
    typist.page.evaluate("document.querySelector('a.button').tabIndex = -1")
    with pytest.raises(AssertionError, match="does not lead to 'New key'"):
        typist.go_to("New key")
