"""The laws of principals and of the unit that limits count addresses by."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attempt import (
    ANONYMOUS,
    Attempt,
    Principal,
    address_class,
    address_texts,
    is_address,
    is_guarded,
    is_loopback,
    read_network,
)
from gateway.core.request import Action, Operation


@given(st.sampled_from(["app", "user", "link", "admin"]), st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._@+-]{0,20}\Z"))
def test_a_principals_text_comes_back(kind: str, name: str) -> None:
    """What `str` writes, `parse` reads."""
    assert f"{kind}:{name}" == str(Principal.parse(f"{kind}:{name}"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app",
        "app:",
        "robot:x",
        "anonymous:x",
        "app:a b",
        "app:a/b",
        "app:-x",
        "app:ä",
        "app:x\n",
        "App:x",
        "app:" + "x" * 129,
    ],
)
def test_what_is_no_principal_is_refused(text: str) -> None:
    """Unknown kinds, empty names and names with separators are errors."""
    with pytest.raises(ValueError, match="not a principal"):
        Principal.parse(text)


def test_nobody_is_a_principal_too() -> None:
    """The caller without credentials has one name."""
    assert ANONYMOUS == Principal.parse("anonymous")
    assert "anonymous" == str(ANONYMOUS)


@pytest.mark.parametrize(
    ("address", "unit"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_what_one_customer_holds_counts_as_one(address: str, unit: str) -> None:
    """An IPv4 address counts alone, also in its mapped form; an IPv6 address counts with its /64."""
    assert unit == address_class(ip_address(address))


def test_a_further_effect_keeps_who_and_when() -> None:
    """A copy's source is judged for the same caller at the same time."""
    first = Attempt(
        principal=ANONYMOUS,
        operation=Operation.COPY_OBJECT,
        action=Action.WRITE,
        bucket="b",
        key="k",
        peer=None,
        now=7.0,
    )
    second = first.touching(Action.READ, "other", "source")
    assert (Action.READ, "other", "source") == (second.action, second.bucket, second.key)
    assert (first.principal, first.now) == (second.principal, second.now)


@pytest.mark.parametrize(
    ("address", "texts"),
    [
        (None, ("", "local")),
        ("192.0.2.7", ("192.0.2.7", "192.0.2.7")),
        ("2001:db8::1:2", ("2001:db8::1:2", "2001:db8::/64")),
    ],
)
def test_an_address_has_two_texts(address: str | None, texts: tuple[str, str]) -> None:
    """One is recorded, the other is what limits count by; who comes by a Unix socket has none and is local."""
    assert texts == address_texts(None if address is None else ip_address(address))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("fe80::/10", "fe80::/10"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_in_the_words_that_callers_are_known_by(text: str, meant: str) -> None:
    """One written as IPv4 within IPv6 is the IPv4 network; any other is as it stands."""
    assert ip_network(meant) == read_network(text)


@pytest.mark.parametrize(
    "text", ["fe80::1%eth0", "fe80::%eth0/64", "::ffff:10.0.0.1%eth0", "10.0.0.1%eth0", "10.0.0.1/8"]
)
def test_a_network_lets_in_no_more_than_it_says(text: str) -> None:
    """A zone is refused, as callers of every other interface would fit too; so are bits below the mask."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        read_network(text)


@pytest.mark.parametrize(
    ("host", "numeric", "loopback"),
    [
        ("127.0.0.1", True, True),
        ("::1", True, True),
        ("localhost", False, True),
        ("10.0.0.1", True, False),
        ("fe80::1%eth0", True, False),
        ("127.0.0.1.example.com", False, False),
        ("[::1]", False, False),
        ("", False, False),
    ],
)
def test_hosts_that_are_addresses_and_those_of_this_machine(host: str, numeric: bool, loopback: bool) -> None:
    """By what stands there, without asking for a name; `localhost` is the one name of this machine's own (RFC 6761)."""
    assert (numeric, loopback) == (is_address(host), is_loopback(host))


@pytest.mark.parametrize(
    ("url", "guarded"),
    [
        ("https://issuer.example/keys", True),
        ("HTTPS://issuer.example", True),
        ("http://localhost:8080/", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:1/", True),
        ("http://issuer.example/keys", False),
        ("http://localhost.example/", False),
        ("http://127.0.0.1@issuer.example/", False),
        ("ftp://localhost/", False),
        ("http:/127.0.0.1", False),
        ("", False),
    ],
)
def test_a_way_is_guarded_by_tls_or_within_this_machine(url: str, guarded: bool) -> None:
    """Anybody on the way to another host reads what goes there plainly, whatever its name looks like."""
    assert guarded == is_guarded(url)
