"""The small types: a value that exists is valid, and a refusal says what to write instead."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.settings import fields
from gateway.settings.fields import ListenAddress, base_url
from gateway.settings.secret import SecretReader


def sentence(kind: Any, value: object, context: object = None) -> str:
    """What a type says against a value."""
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(kind).validate_python(value, context=context)
    return raised.value.errors()[0]["msg"].removeprefix("Value error, ")


def parsed(kind: Any, value: object) -> object:
    return TypeAdapter(kind).validate_python(value)


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
    assert url == base_url(value)


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
        base_url(value)


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (fields.Duration, "1h30m", 5400.0),
        (fields.Duration, 90, 90.0),
        (fields.ByteSize, "5GiB", 5 * 1024**3),
        (fields.ByteSize, 0, 0),
        (fields.ByteRate, "200MiB/s", 200 * 1024**2),
        (fields.ByteRate, "1kB / s", 1000),
        (fields.ByteRate, 1024, 1024),
        (fields.Network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (fields.Network, "2001:db8::1", ip_network("2001:db8::1/128")),
        (fields.HostName, "S3.Example.com", "s3.example.com"),
        (fields.Count, 1, 1),
    ],
)
def test_values_are_read_into_their_units(kind: Any, value: object, result: object) -> None:
    """Seconds, bytes, bytes per second, networks."""
    assert result == parsed(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (fields.Duration, True, "a duration is a number of seconds or a text like 30d"),
        (fields.Duration, [1], "must be a duration: seconds or a text like 90s, 15m, 12h, 30d, 2w"),
        (fields.Duration, "soon", "'soon' is not a duration: write seconds or a text like 90s, 15m, 12h, 30d, 2w"),
        (fields.ByteSize, 1.5, "must be a size: bytes or a text like 64KiB, 200MB, 5GiB"),
        (fields.ByteSize, True, "a size is a number of bytes or a text like 5GiB"),
        (fields.ByteRate, "5MiB/min", "'5MiB/min' is not a bandwidth: write bytes per second, like 200MiB/s"),
        (fields.ByteRate, 0, "a bandwidth is at least 1 byte per second"),
        (fields.Network, "10.0.0.1/8", "'10.0.0.1/8' has address bits below its mask (did you mean '10.0.0.0/8'?)"),
        (fields.Network, "all", "'all' is not a network: write CIDR form like 10.0.0.0/8, or one address"),
        (fields.Network, 8, "must be a network like 10.0.0.0/8, or one address"),
        (fields.HostName, "*.example.com", "must be a host name like s3.example.com, without scheme, port or wildcard"),
        (fields.HostName, False, "must be a host name like s3.example.com, without scheme, port or wildcard"),
        (fields.PrincipalName, "bob", "'bob' is not a principal: write app:NAME, link:ID, admin:NAME or anonymous"),
        (fields.PrincipalName, 7, "must be a principal: app:NAME, link:ID, admin:NAME or anonymous"),
        (fields.FilePath, "", "must be the path of a file"),
    ],
)
def test_what_is_not_of_the_type_is_told(kind: Any, value: object, why: str) -> None:
    """With what to write instead."""
    assert why == sentence(kind, value)


def test_a_truth_value_is_no_count() -> None:
    """`max_transfers: true` must not mean 1."""
    for value in (True, "5", 1.0, 0):
        with pytest.raises(ValidationError):
            parsed(fields.Count, value)


def test_a_file_has_to_be_there_and_is_watched(tmp_path: Path) -> None:
    """A certificate that is missing is found at start, and one that arrives later is noticed."""
    reader = SecretReader({}, tmp_path)
    assert f"there is no file {tmp_path}/x.pem" == sentence(fields.FilePath, "x.pem", reader)
    (tmp_path / "x.pem").touch()
    assert tmp_path / "x.pem" == TypeAdapter(fields.FilePath).validate_python("x.pem", context=reader)
    assert {tmp_path / "x.pem"} == reader.files


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.text()))
def test_no_value_gives_anything_but_a_value_or_a_sentence(value: object) -> None:
    """Whatever stands in a file, each type ends in a value or in a validation error."""
    for kind in (
        *(fields.Duration, fields.ByteSize, fields.ByteRate, fields.Network, fields.HostName, fields.BaseUrl),
        *(ListenAddress, fields.PrincipalName, fields.Count, fields.Text),
    ):
        try:
            parsed(kind, value)
        except ValidationError:
            continue
