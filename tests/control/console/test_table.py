"""The table of the console's pages."""

from __future__ import annotations

from gateway.control.console.table import PAGES


def test_each_page_stands_once() -> None:
    """And those for who is not signed in yet are those of the sign-in alone."""
    assert len(PAGES) == len({(page.method, page.path) for page in PAGES})
    assert {"/sign-in", "/issuer", "/callback", "/enter", "/sign-out"} == {page.path for page in PAGES if page.open}


def test_what_changes_something_is_posted() -> None:
    """A link in a mail, and a browser that looks ahead, do nothing."""
    changing = ("make", "edit_", "act_", "end", "cut", "drain", "sign_out", "revoke_", "verify")
    named = [page for page in PAGES if page.handler.__name__.startswith(changing)]
    assert len(named) > 8
    assert {"POST"} == {page.method for page in named}
