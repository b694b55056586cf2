"""Laws of `gateway.wire.http.cors`."""

from __future__ import annotations

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.route import Cors
from gateway.wire.http.cors import actual_headers, preflight_headers
from gateway.wire.http.target import raw_request

RULES = (
    Cors(origins=("https://app.example",), methods=("GET", "PUT"), headers=("content-type", "x-amz-*"), max_age=60),
    Cors(origins=("https://*.pages.example",), methods=("GET",)),
)
OPEN = (Cors(origins=("*",), headers=("*",)),)


def asked(method: str, origin: str | None, wanted: str | None = None, headers: str | None = None) -> RawRequest:
    pairs = [("Host", "gw"), ("Origin", origin), ("Access-Control-Request-Method", wanted)]
    pairs.append(("Access-Control-Request-Headers", headers))
    return raw_request(method, "/bucket/k", [(n.encode(), v.encode()) for n, v in pairs if v is not None])


def test_preflight_is_answered_by_the_rule_that_covers_it() -> None:
    """Origin, method and every header have to be covered by one rule; credentials are never allowed."""
    fields = dict(preflight_headers(RULES, asked("OPTIONS", "https://app.example", "PUT", "Content-Type, X-Amz-Acl")))
    assert fields == {
        "Access-Control-Allow-Origin": "https://app.example",
        "Access-Control-Allow-Methods": "GET, PUT",
        "Access-Control-Allow-Headers": "content-type, x-amz-acl",
        "Access-Control-Max-Age": "60",
        "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        ("https://evil.example", "GET", None),
        ("http://app.example", "GET", None),
        ("https://app.example.evil", "GET", None),
        ("https://app.example:8443", "GET", None),
        ("https://app.example", "DELETE", None),
        ("https://app.example", "PUT", "authorization"),
        ("https://pages.example", "GET", None),
        ("https://.pages.example", "GET", None),
        ("https://a.pages.example.evil", "GET", None),
        ("https://a.pages.example", "PUT", None),
        ("null", "GET", None),
    ],
)
def test_uncovered_preflights_are_refused(origin: str, method: str, headers: str | None) -> None:
    """Who is not named by a rule is not let in, however close the name is."""
    with pytest.raises(Refused) as caught:
        preflight_headers(RULES, asked("OPTIONS", origin, method, headers))
    assert caught.value.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [(None, "GET", None), ("https://a", None, None), ("https://a", "GET", "x\u00e9")],
)
def test_what_is_no_preflight_is_a_bad_request(origin: str | None, method: str | None, headers: str | None) -> None:
    """A preflight names an origin, a method and well-formed headers, even where everybody is let in."""
    with pytest.raises(Refused) as caught:
        preflight_headers(OPEN, asked("OPTIONS", origin, method, headers))
    assert caught.value.reason is Reason.BAD_REQUEST


def test_wildcards() -> None:
    """A star inside stands for at least one character; alone it is anybody, and is answered as a star."""
    assert ("Access-Control-Allow-Origin", "https://a.pages.example") in actual_headers(
        RULES, asked("GET", "https://a.pages.example")
    )
    assert dict(preflight_headers(OPEN, asked("OPTIONS", "null", "GET", "x-any")))["Access-Control-Allow-Origin"] == "*"


def test_actual_answers() -> None:
    """An answer names the origin it is for and what may be read, and varies with it."""
    assert actual_headers(RULES, asked("PUT", "https://app.example")) == (
        ("Access-Control-Allow-Origin", "https://app.example"),
        ("Vary", "Origin"),
        ("Access-Control-Expose-Headers", "ETag"),
    )
    assert actual_headers(RULES, asked("GET", "https://evil.example")) == (("Vary", "Origin"),)
    assert actual_headers(RULES, asked("DELETE", "https://app.example")) == (("Vary", "Origin"),)
    assert actual_headers(RULES, asked("GET", None)) == (("Vary", "Origin"),)
    assert actual_headers((), asked("GET", "https://app.example")) == ()


@pytest.mark.parametrize("origin", ["https://\u00e9.pages.example", "https://a b.pages.example"])
def test_odd_origins_are_never_echoed(origin: str) -> None:
    """An origin is printable ASCII or is not answered."""
    assert actual_headers(RULES, asked("GET", origin)) == (("Vary", "Origin"),)


def test_credentials_are_never_allowed() -> None:
    """No answer ever lets a page use ambient credentials."""
    for rules in (RULES, OPEN):
        fields = (
            *actual_headers(rules, asked("GET", "https://app.example")),
            *preflight_headers(rules, asked("OPTIONS", "https://app.example", "GET")),
        )
        assert "access-control-allow-credentials" not in {name.lower() for name, _ in fields}
