"""The head of a store's answer: read once, and known when it comes again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends import head as heads
from gateway.backends.head import PlainHead, find_framing, read_head
from gateway.core.request import BucketPlace, LinkPlace, ObjectRequest, Operation
from gateway.core.route import Answer
from gateway.wire.http.target import raw_request
from gateway.wire.s3.response_headers import response_headers

PLAIN = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 3\r\n\r\n'
FOR_ONCE = [
    b"Date: Sun, 22 Nov 2026 05:00:00 GMT",
    b"date:Sun",
    b"x-amz-request-id: 1",
    b"X-Amz-Request-Id: 2",
    b"x-amz-id-2:  a b= ",
    b"x-oss-request-id: 3",
    b"X-Trans-Id: tx4",
    b"CF-RAY: 5-FRA",
    b"X-GUploader-UploadID: 6",
]
"""As stores write them."""


@pytest.fixture(autouse=True)
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the tests run without memory, these have theirs."""
    monkeypatch.setattr(heads, "_LONGEST_KNOWN", 1024)


def known(wire: bytes) -> PlainHead:
    found = read_head(memoryview(wire))
    assert found is not None
    return found[0]


def with_lines(*lines: bytes) -> bytes:
    return PLAIN.replace(b"ETag", b"\r\n".join([*lines, b"ETag"]), 1)


def test_a_head_is_as_long_as_it_is() -> None:
    """What follows is the body's; without its end there is no head yet."""
    found = read_head(memoryview(PLAIN + b"abc"))
    assert found is not None
    assert ({"etag": '"a"', "content-length": "3"}, PLAIN) == (found[0].headers, found[1])
    assert read_head(memoryview(PLAIN[:-1])) is None


@pytest.mark.parametrize("line", FOR_ONCE)
def test_a_head_is_known_again_whatever_is_said_of_one_answer(line: bytes) -> None:
    """When an answer was made, and under which number, makes it no other one, laid out alike or not; it is told beside
    it, and not in its fields."""
    first = known(with_lines(line))
    for value in (line, line[:-1] + b"~", line + b" and more", line[: -len(line.partition(b":")[2].lstrip(b" "))]):
        assert first is known(with_lines(value))
        assert first is known(with_lines(value))
    assert line.partition(b":")[0].decode().lower() not in first.headers


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace(b'"a"', b'"b"'),
        PLAIN.replace(b"200 OK", b"206 Part"),
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b": 3", b": 4"),
        with_lines(b"X-Amz-Meta-Date: today"),
        with_lines(b"Last-Modified: Sun, 22 Nov 2026 05:00:00 GMT"),
    ],
)
def test_a_head_that_says_something_else_is_another(other: bytes) -> None:
    """Whatever a caller may be shown, or the framing rests on, tells heads apart."""
    assert known(PLAIN) is not known(other)


@pytest.mark.parametrize(
    "line", [b"Date: a\tb", b"Date: \x01", b"Date: \xc3\xa9", b"Date: a\r\n b", b"Date : a", b"Date"]
)
def test_what_is_odd_is_not_passed_over(line: bytes) -> None:
    """A field of one answer is left out only as plain text in one line; else the whole head is judged, each time."""
    known(PLAIN)
    good = with_lines(b"Date: ~~")
    known(good)
    found = read_head(memoryview(with_lines(line)))
    assert found is None or found[0] is not known(good)


def test_a_layout_says_nothing_of_what_stands_there() -> None:
    """What would be known without the bytes at the places of the last head's values is another head all the same."""
    dated = b'HTTP/1.1 200 OK\r\nDate: aa\r\nETag: "a"\r\nContent-Length: 3\r\n\r\n'
    bare = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 3\r\nX: bbb\r\n\r\n'
    at = dated.index(b"aa")
    other = bare[:at] + b"zz" + bare[at:]
    assert (len(dated), {"etag": 'zz"a"'}) == (len(other), {"etag": known(other).headers["etag"]})
    heads._KNOWN._found.clear()
    first = known(bare)
    known(dated)
    assert first is not known(other)


def test_heads_of_several_lengths_are_known_in_turns() -> None:
    """Objects differ in the digits of their sizes: none is searched for what is said of one answer alone, but once."""
    wires = [with_lines(b"Date: ~~").replace(b": 3", b": %d" % length) for length in (3, 4096, 10**9)]
    before = [known(wire) for wire in wires]
    assert before == [heads._KNOWN.recall(wire.replace(b"~~", b"!!")) for wire in wires]


def test_fields_of_one_name_are_joined() -> None:
    """Two of one name are one line (RFC 9110, 5.2)."""
    assert "1, 2" == known(with_lines(b"X-Same: 1", b"Date: a", b"x-same: 2")).headers["x-same"]


def test_no_caller_is_shown_a_field_of_one_answer() -> None:
    """What is shown is kept for all answers with the same head: it never has what is said of one of them."""
    of_one = dict.fromkeys(heads._OF_ONE, "said")
    assert {line.partition(b":")[0].decode().lower() for line in FOR_ONCE} <= of_one.keys()
    raw = raw_request("GET", "/reports/a", [(b"Host", b"gw")])
    for place in (BucketPlace("reports", "a"), LinkPlace("token", "a")):
        request = ObjectRequest(raw=raw, operation=Operation.GET_OBJECT, place=place)
        for link in (False, True):
            shown = response_headers(Answer(200, of_one, 3), request, link=link, key="a")
            assert of_one.keys().isdisjoint(name.lower() for name, _ in shown)


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heads that came last are known, the others are read again; long ones always are."""
    monkeypatch.setattr(heads, "_MOST_KNOWN", 2)
    monkeypatch.setattr(heads, "_KNOWN", heads._KnownHeads())
    first, second, third = (PLAIN.replace(b'"a"', b'"%d"' % number) for number in range(3))
    before = known(first)
    known(second)
    assert before is known(first)
    known(third)
    assert before is known(first)
    known(second)
    known(third)
    assert before is not known(first)
    long = with_lines(b"X-Long: " + b"y" * heads._LONGEST_KNOWN)
    assert known(long) is not known(long)


@given(st.sampled_from(["1.1", "1.0", "2.0"]), st.sampled_from([200, 204, 304, 404]), st.booleans(), st.booleans())
def test_a_body_ends_where_its_framing_says(version: str, status: int, bodiless: bool, measured: bool) -> None:
    """A length, or no body at all; what says neither is a fault, and so is a version that nobody speaks."""
    framing = find_framing(version, status, {"content-length": "5"} if measured else {}, bodiless=bodiless)
    if version == "2.0":
        assert framing.fault
    elif bodiless or status in {204, 304}:
        assert ("", 0) == (framing.fault, framing.length)
    else:
        assert (measured, 5 if measured else None) == (not framing.fault, framing.length)
