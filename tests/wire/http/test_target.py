"""Laws of `gateway.wire.http.target`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.wire.http.target import decode, host_name, query_pairs, raw_request

HOST = (b"Host", b"gw.example:8080")


def refused_by(target: str, *headers: tuple[bytes, bytes], version: tuple[int, int] = (1, 1)) -> Reason:
    with pytest.raises(Refused) as caught:
        raw_request("GET", target, headers or (HOST,), version)
    return caught.value.reason


@pytest.mark.parametrize(
    "target",
    [
        "",
        "*",
        "bucket/key",
        "/b/k#fragment",
        "/b/%zz",
        "/b/%4",
        "/b/k?x=%",
        "/b/a b",
        "/b/\x00",
        "/b/\x7f",
        "/b/caf\u00e9",
        "http://other.example/b/k",
        "http://gw.example/b/k",
        "gw.example:443",
        "ftp://gw.example:8080/b/k",
    ],
)
def test_target_that_parsers_read_differently_is_refused(target: str) -> None:
    """Fragments, broken escapes, raw control and non-ASCII bytes and foreign authorities are never repaired."""
    assert refused_by(target) is Reason.BAD_REQUEST


def test_absolute_target_is_reduced_to_its_path() -> None:
    """An absolute-form target that names the Host header's authority means the same as its path."""
    raw = raw_request("GET", "http://GW.example:8080/b/k?x=1", (HOST,))
    assert ("/b/k", "x=1") == (raw.path, raw.query)
    assert raw_request("GET", "http://gw.example:8080", (HOST,)).path == "/"
    for authority, host in (("gw.example", b"gw.example:80"), ("gw.example:443", b"gw.example")):
        assert "/b" == raw_request("GET", f"http://{authority}/b", ((b"Host", host),)).path


def test_metadata_names_have_no_aliases() -> None:
    """An underscore is refused in a name that is read here, and kept in the name of an object's metadata."""
    names = [b"x-amz-meta-a_b", b"x-amz-meta-a-b", b"x-amz-meta-_"]
    raw = raw_request("PUT", "/b/k", [HOST, *((name, b"1") for name in names)])
    assert [name.decode() for name in names] == [name for name, _ in raw.headers[1:]]
    for name in (b"x_amz_meta_a", b"x-amz_meta-a", b"x_amz-copy-source", b"content_length"):
        with pytest.raises(Refused) as caught:
            raw_request("PUT", "/b/k", [HOST, (name, b"1")])
        assert caught.value.reason is Reason.BAD_REQUEST


@pytest.mark.parametrize("version", [(0, 9), (1, 2), (2, 0), (3, 0)])
def test_other_versions_are_refused(version: tuple[int, int]) -> None:
    """Only HTTP/1.0 and HTTP/1.1 are spoken."""
    assert refused_by("/", version=version) is Reason.BAD_REQUEST


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, (b"Host", b"gw.example:8080")],
        [HOST, (b"Content-Length", b"1"), (b"content-length", b"1")],
        [HOST, (b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")],
        [HOST, (b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")],
        [HOST, (b"Transfer-Encoding", b"gzip, chunked")],
        [HOST, (b"Transfer-Encoding", b"identity")],
        [HOST, (b"Content-Length", b"+1")],
        [HOST, (b"Content-Length", b"1, 1")],
        [HOST, (b"Content-Length", b"-1")],
        [HOST, (b"Content-Length", b"")],
        [HOST, (b"Content_Length", b"1")],
        [HOST, (b"x_amz-copy-source", b"/b/k")],
        [HOST, (b"bad name", b"1")],
        [HOST, (b"", b"1")],
        [HOST, (b"x", b"a\rb")],
        [HOST, (b"x", b"a\x00b")],
        [(b"Host", b"0.0.0.0=5000")],
        [(b"Host", b"a/b")],
        [(b"Host", b"")],
        [(b"Accept", b"*/*")],
    ],
)
def test_ambiguous_headers_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """Framing and authority have one reading, or the request has none."""
    assert refused_by("/", *headers) is Reason.BAD_REQUEST


def test_chunked_on_http_1_0_is_refused() -> None:
    """HTTP/1.0 has no transfer codings."""
    assert refused_by("/", (b"Transfer-Encoding", b"chunked"), version=(1, 0)) is Reason.BAD_REQUEST


def test_http_1_0_may_have_no_host() -> None:
    """Host is required from HTTP/1.1 on."""
    assert host_name(raw_request("GET", "/", (), (1, 0))) == ""


@pytest.mark.parametrize(
    ("value", "name"),
    [(b"GW.Example:80", "gw.example"), (b"gw.example.", "gw.example"), (b"[::1]:8080", "[::1]"), (b"h_1", "h_1")],
)
def test_host_name_is_bare(value: bytes, name: str) -> None:
    """The host's name has no port, no closing dot and no capitals."""
    assert host_name(raw_request("GET", "/", ((b"Host", value),))) == name


@given(st.binary(max_size=40).filter(lambda value: not set(value) & set(range(32)) - {9} and 127 not in value))
def test_header_bytes_come_back(value: bytes) -> None:
    """A signature check gets back the very bytes of a header's value."""
    raw = raw_request("GET", "/", (HOST, (b"X-Any", value)))
    assert (raw.header("x-any") or "").encode("utf-8", "surrogateescape") == value.strip(b" \t")


@given(st.text())
def test_decode_is_the_inverse_of_one_encoding(text: str) -> None:
    """What was encoded once is decoded once: an escape within a name stays an escape."""
    encoded = "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))
    assert decode(encoded, Reason.BAD_KEY) == text.encode("utf-8", "replace").decode()


def test_decode_leaves_a_plus_alone() -> None:
    """A plus is a plus, and a doubly encoded name is decoded to its singly encoded form."""
    assert decode("a+b%20c%252e", Reason.BAD_KEY) == "a+b c%2e"


def test_decode_refuses_bytes_that_are_not_utf8() -> None:
    """A name that is not UTF-8 has the reason that its place asks for."""
    with pytest.raises(Refused) as caught:
        decode("%ff", Reason.BAD_KEY)
    assert caught.value.reason is Reason.BAD_KEY


def test_query_pairs_keep_order_and_empty_values() -> None:
    """A parameter without a value has the empty one; empty parts say nothing."""
    assert query_pairs("b&a=1=2&&c=%26") == [("b", ""), ("a", "1=2"), ("c", "&")]


def test_a_plus_in_a_query_is_a_space() -> None:
    """As S3 reads it; an escaped plus is one."""
    assert [("a b", "c +d")] == query_pairs("a+b=c+%2Bd")


def test_the_same_said_twice_is_let_by() -> None:
    """No reader could choose differently; who allows it once only, as for a signature, still sees both."""
    assert [("a", "1 2"), ("b", ""), ("a", "1 2"), ("b", "")] == query_pairs("a=1+2&b&a=1%202&b=")


@pytest.mark.parametrize("query", ["a=1&a=2", "a&A", "a=1&%61=2"])
def test_repeated_parameters_are_refused(query: str) -> None:
    """Two readers would take different ones of two values."""
    with pytest.raises(Refused) as caught:
        query_pairs(query)
    assert caught.value.reason is Reason.BAD_REQUEST


def test_names_of_objects_may_have_control_characters() -> None:
    """What a listing gave as a name or a marker is taken back, but for NUL, which no name has."""
    for name in ("prefix", "delimiter", "marker", "start-after", "key-marker", "continuation-token", "cursor"):
        assert [(name, "a\x01\r\n\x7f")] == query_pairs(f"{name}=a%01%0d%0a%7f")
        with pytest.raises(Refused):
            query_pairs(f"{name}=a%00")


@pytest.mark.parametrize("query", ["a=%00", "a%0d%0a=1", "a=%01", "a=%ff", "%ff"])
def test_control_bytes_in_parameters_are_refused(query: str) -> None:
    """No parameter can bring a line break or a broken text inwards."""
    with pytest.raises(Refused) as caught:
        query_pairs(query)
    assert caught.value.reason is Reason.BAD_ARGUMENT
