"""What a browser's request says beside its path."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.control.console.browser import Browser
from gateway.core.reasons import Refused
from gateway.core.request import RawRequest
from tests.control.desk import CONSOLE

VALUE = "a" * 43
PROXY = replace(CONSOLE, proxies=(ip_network("10.0.0.0/8"),))


def browser(
    *headers: tuple[str, str], rules: Any = CONSOLE, peer: str = "127.0.0.1", encrypted: bool = False
) -> Browser:
    address = ip_address(peer)
    exchange: Any = SimpleNamespace(peer=address, encrypted=encrypted, private=encrypted or address.is_loopback)
    return Browser(RawRequest("POST", "/ui/links", "", headers), exchange, rules)


def entropy(count: int) -> bytes:
    return bytes(count)


@pytest.mark.parametrize(
    ("more", "secure"),
    [
        ({}, False),
        ({"encrypted": True}, True),
        ({"rules": replace(CONSOLE, public_url="https://gw.example")}, True),
        ({"rules": PROXY, "peer": "10.1.2.3", "headers": [("x-forwarded-proto", "https")]}, True),
        ({"rules": PROXY, "peer": "10.1.2.3", "headers": [("x-forwarded-proto", "https, http")]}, False),
        ({"rules": PROXY, "peer": "192.0.2.1", "headers": [("x-forwarded-proto", "https")]}, False),
    ],
)
def test_over_tls_the_cookie_is_of_this_host_alone(more: dict[str, Any], secure: bool) -> None:
    """By our own TLS, by what the settings say, or by what a proxy of ours says; not by what anybody says."""
    headers = more.pop("headers", [])
    found = browser(*headers, **more)
    found.renew_cookie(entropy)
    assert found.set_cookie is not None
    assert secure is found.set_cookie[1].startswith("__Host-gateway=")
    assert secure is found.set_cookie[1].endswith("; Secure")
    assert "; Path=/;" in found.set_cookie[1]
    assert "Domain" not in found.set_cookie[1]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (f"gateway={VALUE}", VALUE),
        (f"a=b; gateway={VALUE}; c=d", VALUE),
        (f"gateway={VALUE}; gateway={'b' * 43}", ""),
        (f"gateway={VALUE}x", ""),
        (f"xgateway={VALUE}", ""),
        (f"__Host-gateway={VALUE}", ""),
        ("gateway", ""),
        ("", ""),
    ],
)
def test_one_cookie_of_ours_is_read(sent: str, read: str) -> None:
    """Of two, which another host of the domain may have set one of, none counts."""
    assert read == browser(("cookie", sent)).cookie
    secure = sent.replace("gateway=", "__Host-gateway=").replace("__Host-__Host-", "")
    if "xgate" not in sent and "__Host" not in sent:
        assert read == browser(("cookie", secure), encrypted=True).cookie


@pytest.mark.parametrize(
    ("headers", "more", "base"),
    [
        ([("host", "gw.example:8081")], {}, "http://gw.example:8081"),
        ([("host", "gw.example")], {"encrypted": True}, "https://gw.example"),
        ([("host", "x")], {"rules": replace(CONSOLE, public_url="https://a.example/gw")}, "https://a.example/gw"),
        ([("host", "x"), ("x-forwarded-host", "a.example"), ("x-forwarded-prefix", "/gw/")], {}, "http://x"),
        (
            [
                ("host", "x"),
                ("x-forwarded-host", "a.example"),
                ("x-forwarded-prefix", "/gw/"),
                ("x-forwarded-proto", "https"),
            ],
            {"rules": PROXY, "peer": "10.1.2.3"},
            "https://a.example/gw",
        ),
    ],
)
def test_where_a_browser_is(headers: list[tuple[str, str]], more: dict[str, Any], base: str) -> None:
    """By the settings, else by a proxy of ours, else by its own word."""
    assert base == browser(*headers, **more).base


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "a:x", "evil.example/ui?"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    """It would stand in an address."""
    with pytest.raises(Refused):
        _ = browser(("host", host)).base


OWN = ("host", "gw.example"), ("cookie", f"gateway={VALUE}")


@pytest.mark.parametrize(
    "headers",
    [
        [("origin", "http://gw.example")],
        [("origin", "https://gw.example")],
        [("sec-fetch-site", "same-origin")],
        [("sec-fetch-site", "same-origin"), ("origin", "http://gw.example")],
    ],
)
def test_a_form_of_ours_is_taken(headers: list[tuple[str, str]]) -> None:
    """By either word of the browser. (What ends TLS before us may not say that it does: the host decides.)"""
    found = browser(*OWN, *headers)
    found.require_own_form(found.form_token)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("origin", "null")],
        [("origin", "http://evil.example")],
        [("origin", "http://gw.example:8080")],
        [("origin", "http://gw.example"), ("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "none")],
    ],
)
def test_any_other_form_is_refused(headers: list[tuple[str, str]]) -> None:
    """However right its text is."""
    found = browser(*OWN, *headers)
    with pytest.raises(Refused):
        found.require_own_form(found.form_token)


def test_a_forms_text_is_of_the_cookie() -> None:
    """Another's text, none, or that of no cookie at all is refused."""
    own, origin = browser(*OWN, ("origin", "http://gw.example")), ("origin", "http://gw.example")
    other = browser(("host", "gw.example"), ("cookie", f"gateway={'b' * 43}"), origin)
    nobody = browser(("host", "gw.example"), origin)
    for found, token in ((own, other.form_token), (own, ""), (own, "\ud800"), (nobody, nobody.form_token)):
        with pytest.raises(Refused):
            found.require_own_form(token)
    assert len({own.derive(purpose) for purpose in ("form", "state", "nonce")}) == 3
    assert VALUE not in own.form_token


def test_over_tls_the_scheme_counts_too() -> None:
    """A page that came in clear is not ours where ours come over TLS."""
    rules = replace(CONSOLE, public_url="https://gw.example/p")
    for origin, taken in (("https://gw.example", True), ("http://gw.example", False)):
        found = browser(("cookie", f"__Host-gateway={VALUE}"), ("origin", origin), rules=rules)
        if taken:
            found.require_own_form(found.form_token)
        else:
            with pytest.raises(Refused):
                found.require_own_form(found.form_token)
