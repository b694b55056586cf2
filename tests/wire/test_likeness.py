"""Requests that are alike are read alike, and what says something else is not alike."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Refused
from gateway.core.request import ObjectRequest, RawRequest
from gateway.wire.likeness import UNREAD, likeness, read_alike
from gateway.wire.parse import parse

HOST = ("host", "s3.example")
HASHES = [sha256(bytes([number])).hexdigest() for number in range(3)]
MEANT = [
    ("range", "bytes=0-1"),
    ("content-type", "text/plain"),
    ("if-match", '"a"'),
    ("content-length", "5"),
    ("content-encoding", "aws-chunked"),
    ("x-amz-decoded-content-length", "4"),
    ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ("x-amz-copy-source", "/bucket/other"),
    ("x-http-method", "GET"),
    ("upload-length", "5"),
    ("tus-resumable", "1.0.0"),
    ("x-amz-meta-a", "b"),
]
VALUES = ["", "GET", "a", "1", "Basic OnNlY3JldA==", "AWS4-HMAC-SHA256 Credential=A", "20261129T120000Z", "?0", "?1"]


def raw_of(method: str, path: str, query: str, headers: list[tuple[str, str]]) -> RawRequest:
    return RawRequest(method, path, query, (HOST, *headers))


def read(raw: RawRequest) -> ObjectRequest | None:
    try:
        return parse(raw, ("example",))
    except Refused:
        return None


@st.composite
def pairs_alike(draw: st.DrawFn) -> tuple[RawRequest, RawRequest]:
    """Two requests that differ in what is left out of the comparison."""
    method = draw(st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]))
    path = draw(st.sampled_from(["/", "/bucket", "/bucket/key", "/s/token", "/s/token/a"]))
    query = draw(st.sampled_from(["", "x-id=GetObject", "list-type=2", "uploads", "X-Amz-Date=1&X-Amz-Signature=2"]))
    one, other = [], []
    for name, value in draw(st.lists(st.sampled_from(MEANT) | st.tuples(st.sampled_from(sorted(UNREAD)), st.just("")))):
        if name in UNREAD:
            one.append((name, draw(st.sampled_from(VALUES))))
            other.append((name, draw(st.sampled_from(VALUES))))
        else:
            one.append((name, value))
            other.append((name, value))
    if draw(st.booleans()):
        one.append(("x-amz-content-sha256", draw(st.sampled_from(HASHES))))
        other.append(("x-amz-content-sha256", draw(st.sampled_from(HASHES))))
    return raw_of(method, path, query, one), raw_of(method, path, query, other)


@given(pairs_alike())
def test_what_is_alike_is_read_alike(pair: tuple[RawRequest, RawRequest]) -> None:
    """Whatever differs between the two: `parse` says what is said here, or refuses both."""
    one, other = pair
    assert likeness(one) == likeness(other)
    first, second = read(one), read(other)
    assert (first is None) is (second is None)
    if first is not None:
        assert second == read_alike(first, other)


def test_a_value_that_is_read_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: were the range's value left out, two requests for two pieces would be taken for one."""
    one, other = (raw_of("GET", "/bucket/key", "", [("range", text)]) for text in ("bytes=0-1", "bytes=2-3"))
    monkeypatch.setattr("gateway.wire.likeness.UNREAD", UNREAD | {"range"})
    assert likeness(one) == likeness(other)
    assert parse(other) != read_alike(parse(one), other)


BASE = raw_of("PUT", "/bucket/key", "", [("x-amz-content-sha256", HASHES[0]), ("x-amz-date", "20261129T120000Z")])


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, method="GET"),
        replace(BASE, path="/bucket/Key"),
        replace(BASE, query="tagging"),
        replace(BASE, version=(1, 0)),
        replace(BASE, headers=BASE.headers[:-1]),
        replace(BASE, headers=(*BASE.headers, ("authorization", "a"))),
        replace(BASE, headers=(*BASE.headers, BASE.headers[-1])),
        replace(BASE, headers=(*BASE.headers, ("if-match", '"a"'))),
        replace(BASE, headers=(*BASE.headers, ("x-amz-grant-read", "a"))),
        replace(BASE, headers=(("host", "bucket.example"), *BASE.headers[1:])),
        raw_of("PUT", "/bucket/key", "", [("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), BASE.headers[-1]]),
        raw_of("PUT", "/bucket/key", "", [("x-amz-content-sha256", HASHES[0].upper()), BASE.headers[-1]]),
    ],
)
def test_what_says_something_else_is_not_alike(other: RawRequest) -> None:
    """Line, query, host, every header that may mean something, and which headers came, and how often."""
    assert likeness(BASE) != likeness(other)


@pytest.mark.parametrize("name", ["authorization", "x-amz-security-token"])
def test_no_secret_is_part_of_it(name: str) -> None:
    """What is kept by it holds no credential out of a header."""
    assert "secret" not in repr(likeness(raw_of("GET", "/bucket/key", "", [(name, "secret")])))
