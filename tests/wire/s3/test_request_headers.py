"""Laws of `gateway.wire.s3.request_headers`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.wire.s3.request_headers import (
    AUTH_HEADERS,
    DROPPED,
    KEPT,
    KEPT_BY_LINKS,
    accept_headers,
    hoist_header,
    single_range,
    write_range,
)

GOLDEN_KEPT = """
cache-control content-disposition content-encoding content-language content-md5 content-type expires if-match
if-modified-since if-none-match if-range if-unmodified-since range x-amz-checksum-algorithm x-amz-checksum-crc32
x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5 x-amz-checksum-mode x-amz-checksum-sha1
x-amz-checksum-sha256 x-amz-checksum-sha512 x-amz-checksum-type x-amz-checksum-xxhash128 x-amz-checksum-xxhash3
x-amz-checksum-xxhash64 x-amz-copy-source x-amz-copy-source-if-match x-amz-copy-source-if-modified-since
x-amz-copy-source-if-none-match x-amz-copy-source-if-unmodified-since x-amz-copy-source-range
x-amz-decoded-content-length x-amz-max-parts x-amz-metadata-directive x-amz-mp-object-size x-amz-object-attributes
x-amz-part-number-marker x-amz-sdk-checksum-algorithm x-amz-storage-class x-amz-tagging x-amz-tagging-directive
x-amz-trailer
"""
GOLDEN_DROPPED = """
x-amz-acl x-amz-cf-id x-amz-expected-bucket-owner x-amz-id-2 x-amz-optional-object-attributes x-amz-request-id
x-amz-request-payer x-amz-source-expected-bucket-owner x-amz-te x-amz-user-agent
"""
GOLDEN_LINKS = """
content-encoding content-md5 content-type if-match if-modified-since if-none-match if-range if-unmodified-since range
"""


def test_request_allow_list_is_this_one() -> None:
    """Whoever adds a header to what is understood changes this list too, and says why."""
    assert sorted(GOLDEN_KEPT.split()) == sorted(KEPT)
    assert sorted(GOLDEN_DROPPED.split()) == sorted(DROPPED)
    assert sorted(AUTH_HEADERS) == ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]
    assert sorted(GOLDEN_LINKS.split()) == sorted(KEPT_BY_LINKS)


@pytest.mark.parametrize(
    "name",
    [
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-grant-read",
        "x-amz-object-lock-mode",
        "x-amz-bypass-governance-retention",
        "x-amz-website-redirect-location",
        "x-amz-rename-source",
        "x-amz-write-offset-bytes",
        "x-amz-mfa",
        "x-amz-anything",
        "x-amz-meta",
    ],
)
def test_unknown_amz_header_is_refused(name: str) -> None:
    """A header that asks for something which would not happen refuses the request."""
    with pytest.raises(Refused) as caught:
        accept_headers([(name, "v")])
    assert caught.value.reason is Reason.UNSUPPORTED_OPERATION


@pytest.mark.parametrize(
    ("name", "neutral"), [("x-amz-bucket-object-lock-enabled", "false"), ("x-amz-api-version", "2006-03-01")]
)
def test_a_header_may_be_neutral_with_one_value_only(name: str, neutral: str) -> None:
    """No lock and this version are what there is; asking for anything else is refused."""
    assert accept_headers([(name, neutral)]) == {}
    for value, link in (("true", False), ("", False), (neutral, True)):
        with pytest.raises(Refused) as caught:
            accept_headers([(name, value)], link=link)
        assert caught.value.reason is Reason.UNSUPPORTED_OPERATION


@pytest.mark.parametrize("name", ["x-amz-copy-source", "x-amz-meta-a", "x-amz-acl", "x-amz-content-sha256"])
def test_links_know_no_amz_header(name: str) -> None:
    """Who holds a link writes plain bytes and nothing else."""
    with pytest.raises(Refused) as caught:
        accept_headers([(name, "v")], link=True)
    assert caught.value.reason is Reason.UNSUPPORTED_OPERATION


def test_other_headers_are_ignored() -> None:
    """Headers without a meaning here vanish, whatever they say."""
    assert accept_headers([("x-forwarded-for", "1.2.3.4"), ("cookie", "a=b"), ("accept", "*/*")]) == {}


def test_link_keeps_no_stored_headers_but_the_type() -> None:
    """An upload by a stranger cannot choose its disposition or its caching."""
    sent = [("content-type", "text/plain"), ("content-disposition", "inline"), ("cache-control", "max-age=1")]
    assert accept_headers(sent, link=True) == {"content-type": "text/plain"}


def test_aws_chunked_is_no_content_encoding() -> None:
    """Framing is taken out of the encoding; what is left is the object's own."""
    assert accept_headers([("content-encoding", "aws-chunked")]) == {}
    assert accept_headers([("content-encoding", "aws-chunked,gzip")]) == {"content-encoding": "gzip"}


def test_repeated_headers() -> None:
    """A list may come in pieces, anything else only once."""
    pairs = [("if-match", '"a"'), ("if-match", '"b"')]
    assert accept_headers(pairs) == {"if-match": '"a", "b"'}
    with pytest.raises(Refused) as caught:
        accept_headers([("content-type", "a/b"), ("content-type", "c/d")])
    assert caught.value.reason is Reason.BAD_REQUEST


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\x7f", "a\x85b", "\udcff"])
def test_control_bytes_are_refused(value: str) -> None:
    """No kept value has control bytes, or bytes that are not UTF-8."""
    with pytest.raises(Refused) as caught:
        accept_headers([("x-amz-meta-a", value)])
    assert caught.value.reason is Reason.BAD_ARGUMENT


def test_tabs_reach_no_store() -> None:
    """Some sign a tab as a blank and some as itself; blanks in a row are kept, as all sign them as one."""
    assert {"x-amz-meta-a": "a b  c"} == accept_headers([("x-amz-meta-a", "a\tb  c")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=5-", (5, None)),
        ("bytes=-262144", (None, 262144)),
        ("bytes= 1-2", (1, 2)),
        ("bytes=,3-4 ,", (3, 4)),
        ("Bytes=3-4", (3, 4)),
        ("bytes=3-9223372036854775807", (3, None)),
        ("bytes=3-18446744073709551615", (3, None)),
        ("bytes=0-1,3-4", None),
        ("bytes=1 2-34", None),
        ("bytes=0 - 4", None),
        ("bytes=3-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_single_range(text: str, expected: tuple[int | None, int | None] | None) -> None:
    """One valid byte range is understood; anything else is as if it had not come."""
    assert single_range(text) == expected
    assert ("range" in accept_headers([("range", text)])) is (expected is not None)
    if expected is not None:
        assert expected == single_range(write_range(expected))
        assert {"range": write_range(expected)} == accept_headers([("range", text)], link=True)


@given(st.text(max_size=30))
def test_single_range_never_raises(text: str) -> None:
    """A range is a wish, never an error."""
    single_range("bytes=" + text)


def test_hoisted_headers() -> None:
    """A presigner's parameter is the header it was made from, whatever its capitals."""
    assert hoist_header("X-Amz-Acl", "private") == ("x-amz-acl", "private")
    assert hoist_header("prefix", "a") is None


def test_metadata_has_any_name_that_http_allows() -> None:
    """Names that differ in one character are two; a name that comes twice has both values; no other name is kept."""
    names = [f"x-amz-meta-a{mark}b" for mark in "!#$%&'*+.^_`|~-"]
    pairs = [(name, str(number)) for number, name in enumerate(names)]
    assert dict(pairs) == accept_headers(pairs)
    assert {"x-amz-meta-a": "1,2"} == accept_headers([("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")])
    assert {"x-amz-meta-a": ""} == accept_headers([("x-amz-meta-a", "")])


@pytest.mark.parametrize(
    "name", ["x-amz-meta-", "x-amz-meta-a b", "x-amz-meta-a:b", "x-amz-meta-é", "x-amz-meta-a\r\nb"]
)
def test_a_name_that_no_header_could_have_is_refused(name: str) -> None:
    """A form's field or a parameter becomes a header's name, and so must be one."""
    with pytest.raises(Refused) as caught:
        accept_headers([(name, "1")])
    assert caught.value.reason is Reason.BAD_ARGUMENT


def test_a_property_without_a_value_is_none() -> None:
    """An empty header says as much as an absent one, and is not stored."""
    empty = ["cache-control", "content-disposition", "content-language", "content-type", "expires"]
    assert {} == accept_headers([(name, "") for name in [*empty, "x-amz-storage-class", "x-amz-tagging"]])
    assert dict.fromkeys(empty, "x") == accept_headers([(name, "x") for name in empty])


def test_what_a_store_does_anyway_may_be_asked_for() -> None:
    """Headers that ask for nothing pass, with the value that asks for nothing and no other."""
    harmless = [("x-amz-bypass-governance-retention", "false"), ("x-amz-object-lock-legal-hold", "OFF")]
    assert {} == accept_headers([*harmless, ("x-amz-te", "append-md5"), ("x-amz-request-id", "1")])
    for name, _ in harmless:
        with pytest.raises(Refused):
            accept_headers([(name, "true")])


@pytest.mark.parametrize("link", [False, True])
def test_tags_that_became_weak_on_the_way_are_compared(*, link: bool) -> None:
    """Who asks whether something changed is compared weakly, who guards what is there is not (RFC 9110, 13.1)."""
    assert {"if-none-match": '"a", "W/b"'} == accept_headers([("if-none-match", 'W/"a", "W/b"')], link=link)
    assert {"if-match": 'W/"a"'} == accept_headers([("if-match", 'W/"a"')], link=link)


@pytest.mark.parametrize("name", ["if-modified-since", "if-unmodified-since"])
@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=100",
    ],
)
def test_a_store_is_told_dates_in_one_form(name: str, text: str) -> None:
    """Whichever form of HTTP's a date has, stores get the one that all of them read."""
    assert {name: "Sun, 06 Nov 1994 08:49:37 GMT"} == accept_headers([(name, text)], link=True)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-30T03:22:23Z"])
def test_a_date_that_nobody_reads_saves_nothing_and_guards(text: str) -> None:
    """Without its date a transfer is only not saved; a guard that nobody can read is not passed over."""
    assert {} == accept_headers([("if-modified-since", text)])
    with pytest.raises(Refused) as caught:
        accept_headers([("if-unmodified-since", text)])
    assert Reason.BAD_ARGUMENT is caught.value.reason
