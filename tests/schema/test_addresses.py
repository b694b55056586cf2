"""Addresses, networks, hosts and URLs: a value that exists is valid, and a refusal says what to write instead."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.schema import addresses
from gateway.schema.addresses import ListenAddress, parse_base_url
from tests.schema.conftest import no_surprise, parsed, sentence

HOST = "must be a host name like s3.example.com, without scheme, port or wildcard"


@pytest.mark.parametrize(
    ("text", "address", "local"),
    [
        ("127.0.0.1:8080", ListenAddress("127.0.0.1", 8080), True),
        ("localhost:0", ListenAddress("localhost", 0), True),
        ("0.0.0.0:65535", ListenAddress("0.0.0.0", 65535), False),
        ("[::1]:80", ListenAddress("::1", 80), True),
        ("[::]:80", ListenAddress("::", 80), False),
        ("Gateway.Example.com:80", ListenAddress("gateway.example.com", 80), False),
        ("unix:/run/gateway.sock", ListenAddress(path="/run/gateway.sock"), True),
    ],
)
def test_a_listener_binds_a_host_and_port_or_a_socket(text: str, address: ListenAddress, local: bool) -> None:
    """The three forms are read, and written back as they are meant."""
    found = ListenAddress.parse(text)
    assert address == found
    assert local is found.is_local
    assert text.lower() == str(found)
    assert address == ListenAddress.parse(str(found)) == ListenAddress.parse(address)


@pytest.mark.parametrize(
    "text",
    [
        *("8080", ":8080", "h:", "h:port", "h:65536", "h:-1", "h:٣", "::1:80", "[::1]80", "[1.2.3.4]:80", "h_st:1"),
        *("http://h:80", "h :80", "unix:", "unix:run.sock", "unix:/" + "x" * 200, "", "[]:1", "h:1:2", "-h:1"),
    ],
)
def test_what_cannot_be_bound_is_refused(text: str) -> None:
    """With a sentence that shows the forms."""
    with pytest.raises(ValueError, match=r"write|HOST:PORT"):
        ListenAddress.parse(text)


def test_an_address_is_a_text() -> None:
    """`listen: 8080` is the commonest slip."""
    assert "must be an address: write HOST:PORT like 127.0.0.1:8080 or [::1]:8080, or unix:/PATH" == sentence(
        ListenAddress, 8080
    )


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://s3.example.com", "https://s3.example.com"),
        ("https://s3.example.com/", "https://s3.example.com"),
        ("HTTP://S3.Example.com:9000", "http://s3.example.com:9000"),
        ("http://[2001:db8::1]:9000", "http://[2001:db8::1]:9000"),
        ("http://192.0.2.1", "http://192.0.2.1"),
    ],
)
def test_a_base_url_is_scheme_host_and_port(value: str, url: str) -> None:
    """It is normalised once, so that joining it with a path never doubles a slash."""
    assert url == parse_base_url(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("s3.example.com", "is not a URL"),
        ("ftp://h", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://h:port", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://h h", "is not a URL"),
        ("https://h\n", "is not a URL"),
        ("https://u@h", "holds a user name or password"),
        ("https://u:p@h", "holds a user name or password"),
        ("https://h/bucket", "has a path"),
        ("https://h/?", "has a path"),
        ("https://h#", "has a path"),
        ("https://h_h", "has a host that is no name"),
        (7, "must be a URL"),
    ],
)
def test_a_url_with_more_than_that_is_refused(value: object, why: str) -> None:
    """Paths, queries and user names never reach a signed request by way of the settings."""
    with pytest.raises(ValueError, match=why):
        parse_base_url(value)


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (addresses.Network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (addresses.Network, "2001:db8::1", ip_network("2001:db8::1/128")),
        (addresses.Network, "::ffff:10.1.0.0/112", ip_network("10.1.0.0/16")),  # callers of IPv4 are known as that
        (addresses.Network, "::ffff:10.1.2.3", ip_network("10.1.2.3/32")),
        (addresses.Network, "::ffff:0:0/96", ip_network("0.0.0.0/0")),
        (addresses.Network, "::/0", ip_network("::/0")),
        (addresses.Network, "::fffe:0:0/95", ip_network("::fffe:0:0/95")),
        (addresses.Peer, "::ffff:10.1.2.3", ip_address("10.1.2.3")),
        (addresses.Peer, "10.1.2.3", ip_address("10.1.2.3")),
        (addresses.HostName, "S3.Example.com", "s3.example.com"),
        (addresses.Origin, "https://*.example.com:8443", "https://*.example.com:8443"),
        (addresses.Origin, "*", "*"),
    ],
)
def test_places_are_read_into_what_they_mean(kind: Any, value: object, result: object) -> None:
    """A host name has no case; one address is a network of one."""
    assert result == parsed(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (addresses.Network, "10.0.0.1/8", "'10.0.0.1/8' has address bits below its mask (did you mean '10.0.0.0/8'?)"),
        (addresses.Network, "all", "'all' is not a network: write CIDR form like 10.0.0.0/8, or one address"),
        (addresses.Network, 8, "must be a network like 10.0.0.0/8, or one address"),
        (addresses.Network, "1" * 65, "must be a network like 10.0.0.0/8, or one address"),
        (addresses.Network, "fe80::1%eth0", "must be a network like 10.0.0.0/8, or one address"),
        (addresses.Network, "fe80::%eth0/64", "must be a network like 10.0.0.0/8, or one address"),
        (addresses.Network, "::ffff:10.0.0.1%eth0", "must be a network like 10.0.0.0/8, or one address"),
        (addresses.Peer, "fe80::1%eth0", "must be an IP address like 10.1.2.3"),
        (addresses.Peer, "10.0.0.0/8", "must be an IP address like 10.1.2.3"),
        (addresses.Peer, 7, "must be an IP address like 10.1.2.3"),
        (addresses.HostName, "*.example.com", HOST),
        (addresses.HostName, False, HOST),
        (addresses.Origin, "app.example.com", "must be an origin like https://app.example.com, or *"),
        (addresses.Origin, "https://a.example/\r\nX: y", "must be an origin like https://app.example.com, or *"),
    ],
)
def test_what_is_no_such_place_is_told(kind: Any, value: object, why: str) -> None:
    """With what to write instead."""
    assert why == sentence(kind, value)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.text()))
def test_no_value_gives_anything_but_a_value_or_a_sentence(value: object) -> None:
    """Whatever is written, each type ends in a value or in a validation error."""
    no_surprise(addresses, value)
    with suppress(ValidationError):
        parsed(ListenAddress, value)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.example", "https://a.example"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example:8443/gw/", "https://a.example:8443/gw"),
        ("http://[::1]:80/a/b-c_d~e.f", "http://[::1]:80/a/b-c_d~e.f"),
    ],
)
def test_a_url_may_have_a_path(text: str, url: str) -> None:
    """Without a slash at its end."""
    assert url == parsed(addresses.PathUrl, text)


@pytest.mark.parametrize(
    "text",
    [
        7,
        "",
        "a.example/gw",
        "https://a.example/a b",
        "https://a.example/../x",
        "https://a/b//c",
        "https://a.example/gw?x",
        "https://a.example/gw#x",
        "https://u:p@a.example/gw",
        "ftp://a/b",
    ],
)
def test_a_path_url_is_plain(text: Any) -> None:
    """No query, no steps up, nothing to decode, no user."""
    with pytest.raises(ValidationError):
        parsed(addresses.PathUrl, text)
