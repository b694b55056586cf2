"""Laws of `gateway.wire.http.negotiate`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.http.negotiate import prefers_html, prefers_json


@pytest.mark.parametrize(
    ("accept", "html", "json"),
    [
        (None, False, False),
        ("*/*", False, False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True, False),
        ("application/json", False, True),
        ("application/json, text/html;q=0.5", False, True),
        ("text/html;q=0.5, application/json;q=0.4", True, False),
        ("text/html;q=0", False, False),
        ("TEXT/HTML", True, False),
        ("text/html;q=x", False, False),
    ],
)
def test_who_wants_what(accept: str | None, html: bool, json: bool) -> None:
    """A page needs HTML to be named; JSON needs to be named and to weigh more."""
    assert (prefers_html(accept), prefers_json(accept)) == (html, json)


@given(st.text())
def test_never_both(accept: str) -> None:
    """Whatever is sent, at most one of them is preferred."""
    assert not (prefers_html(accept) and prefers_json(accept))
