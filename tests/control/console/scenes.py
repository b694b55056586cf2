"""Owns every page of the console, each with the way to it: for the gallery, and for what is asked of each page.

Whoever adds a page adds it here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from playwright.sync_api import BrowserContext, Page, expect

from tests.control.console.showing import Shown
from tests.control.desk import ADMIN

__all__ = ["LEFT_OUT", "SCENES", "entrance", "sign_in"]

Scene = Callable[[Page, Shown], None]


def sign_in(context: BrowserContext, shown: Shown, token: str = ADMIN) -> Page:
    page = context.new_page()
    page.goto(shown.url)
    page.get_by_label("Token of an admin or of an app").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


def _open(place: str, page: Page, shown: Shown) -> None:
    page.goto(shown.url + place.format(link=shown.link, key=shown.key))


def _send(place: str, button: str, fields: dict[str, str], page: Page, shown: Shown) -> None:
    """A form of a page, filled by its fields' names or ids, and the page that answers it."""
    _open(place, page, shown)
    for name, text in fields.items():
        page.locator(f"main [name={name}], main [id={name}]").first.fill(text)
    _press(button, page)


def _press(button: str, page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=button).first.click()


def _tick(button: str, page: Page, shown: Shown) -> None:
    made = shown.ask("POST", "/v1/links", {"bucket": "reports", "key": "ticked.pdf", "label": "to be ticked"})
    page.goto(shown.url + "links?label=to+be+ticked&state=active")
    page.locator(f"input[value={made['id']}]").check()
    _press("Revoke…", page)
    if button:
        _press(button, page)


def _match(act: str, many: str, page: Page, shown: Shown) -> None:
    """All that a filter matches."""
    page.goto(f"{shown.url}{many}?bucket=reports&state=active")
    page.get_by_label("With", exact=True).select_option("matching")
    _press(f"{act}…", page)


def _mislabel(page: Page, shown: Shown) -> None:
    """A step whose field is wrong."""
    _match("Extend", "keys", page, shown)
    page.locator("main [name=expires_in]").fill("soon")
    _press("Extend 1", page)


def _look_longer(page: Page, shown: Shown) -> None:
    """A folder that is kept open."""
    SCENES["folder"](page, shown)
    _press("15 more minutes", page)


def _wait(page: Page, shown: Shown) -> None:
    """Somebody who is not signed in."""
    page.context.clear_cookies()
    page.goto(shown.url)


def _fail_to_sign_in(page: Page, shown: Shown) -> None:
    _wait(page, shown)
    page.locator("#token").fill("an-unknown-token")
    _press("Sign in", page)


def _keep(page: Page, shown: Shown) -> None:
    """Somebody whose session ended while they filled a form."""
    _open("links/new", page, shown)
    page.locator("#f-place").fill("reports/kept.pdf")
    page.locator("#f-label").fill("typed with care")
    shown.desk.clock.now += 1801  # longer than a session is idle
    _press("Make the link", page)
    page.locator("#token").fill(ADMIN)
    _press("Sign in", page)


def _review(page: Page, shown: Shown) -> None:
    _keep(page, shown)
    _press("Go on", page)
    expect(page.locator("#f-label")).to_have_value("typed with care")


def _enter(page: Page, shown: Shown) -> None:
    """What `gateway ui` opens."""
    page.goto(entrance(shown))
    expect(page.get_by_text("You will be signed in as")).to_be_visible()


def entrance(shown: Shown) -> str:
    """An address with a command line's code."""
    made = shown.ask("POST", "/v1/console/codes", {"url": shown.url.removesuffix("/ui/")})
    return str(made["url"])


_PLACES: Final = {
    "home": "",
    "links": "links",
    "links-filtered": "links?state=revoked",
    "links-wrong": "links?ends_within=soon",
    "link": "links/{link}",
    "link-new": "links/new",
    "link-edit": "links/{link}/edit",
    "buckets": "buckets",
    "send": "send",
    "keys": "keys",
    "key": "keys/{key}",
    "key-new": "keys/new",
    "key-edit": "keys/{key}/edit",
    "approvals": "approvals",
    "transfers": "transfers",
    "revocations": "revocations",
    "policy": "policy",
    "explain": "explain",
    "explained": "explain?who=app:billing&do=GetObject&on=reports/payroll/a",
    "backends": "backends",
    "audit": "audit",
    "sessions": "sessions",
    "failure": "nothing",
}
SCENES: Final[dict[str, Scene]] = {
    **{name: partial(_open, place) for name, place in _PLACES.items()},
    "link-wrong": partial(_send, "links/new", "Make the link", {"place": "reports/b.pdf", "expires_in": "soon"}),
    "link-made": partial(_send, "links/new", "Make the link", {"place": "reports/b.pdf"}),
    "key-made": partial(_send, "keys/new", "Make the key", {"app": "billing"}),
    "key-wrong": partial(_send, "keys/new", "Make the key", {"app": "no app"}),
    "bulk": partial(_tick, ""),
    "bulk-done": partial(_tick, "Revoke 1"),
    "bulk-label": partial(_match, "Label", "links"),
    "bulk-wrong": _mislabel,
    "buckets-wrong": partial(_send, "buckets", "Make a link to look drafts", {"folder-1": "2027"}),
    "folder": partial(_send, "buckets", "Make a link to look reports", {"folder-2": "2027"}),
    "folder-longer": _look_longer,
    "send-file": partial(_send, "send", "Next", {"place": "reports/sent.pdf"}),
    "send-wrong": partial(_send, "send", "Next", {"place": "reports/payroll/sent.pdf"}),
    "revoke": partial(_send, "revocations", "See what it hits", {"owner": "app:nobody"}),
    "revoke-wrong": partial(_send, "revocations", "See what it hits", {}),
    "examined": partial(_send, "backends", "Examine archive", {}),
    "audit-checked": partial(_send, "audit", "Check the whole trail", {}),
    "kept": _keep,
    "kept-review": _review,
    "enter-asked": _enter,
    "enter-wrong": partial(_send, "enter", "Next", {"code": "unknown"}),
    "enter": partial(_open, "enter"),
    "sign-in-wrong": _fail_to_sign_in,
    "sign-in": _wait,
}

LEFT_OUT: Final = frozenset({"console/frame.html", "console/parts.html"})
"""Templates that are parts of others."""
