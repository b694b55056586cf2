"""Laws of `gateway.wire.http.cookies`."""

from __future__ import annotations

from gateway.core.request import RawRequest
from gateway.wire.http.cookies import read_cookies


def raw(*cookies: str) -> RawRequest:
    return RawRequest("GET", "/", "", tuple(("cookie", text) for text in cookies))


def test_cookies_are_read_in_the_order_in_which_they_came() -> None:
    """From one field or several, with equals signs in their values, each as often as it came."""
    assert [("a", "1"), ("b", "x=y="), ("a", "2")] == read_cookies(raw("a=1;b=x=y=", "a=2"))
    assert [] == read_cookies(raw())


def test_what_has_no_value_is_no_cookie() -> None:
    """Blanks and empty parts are left out; an empty value is one."""
    assert [("c", "")] == read_cookies(raw(" ; a ;  c= ;"))
