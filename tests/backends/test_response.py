"""The answer as a value: framing is believed only where it is unambiguous, and a short body is never whole."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.backends.head import _OF_ONE
from gateway.backends.response import MAX_CHUNK, MAX_HEAD, Response, _Events
from gateway.core.reasons import Reason


def fed(*pieces: bytes, bodiless: bool = False, ended: bool = False) -> Response:
    response = Response(bodiless=bodiless)
    for piece in pieces:
        response.feed(memoryview(piece))
    if ended:
        response.end()
    return response


def body(response: Response) -> bytes:
    return b"".join(response.chunks)


def cut(whole: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(whole) + 1) for cut in cuts} | {0, len(whole)})
    return [whole[a:b] for a, b in itertools.pairwise(places)]


def chunked(content: bytes, sizes: list[int]) -> bytes:
    framed = b""
    rest = content
    for size in sizes:
        part, rest = rest[:size], rest[size:]
        if part:
            framed += b"%x\r\n%s\r\n" % (len(part), part)
    if rest:
        framed += b"%x\r\n%s\r\n" % (len(rest), rest)
    return framed + b"0\r\n\r\n"


@given(st.binary(max_size=3000), st.lists(st.integers(0, 5000)))
def test_body_with_length_is_what_was_sent(content: bytes, cuts: list[int]) -> None:
    """Whatever the pieces in which it arrives, a body with a length is delivered as sent."""
    response = fed(*cut(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content), cuts))
    assert (True, False, None) == (response.complete, response.surplus, response.failure)
    assert content == body(response)


@given(st.binary(max_size=3000), st.lists(st.integers(1, 900)), st.lists(st.integers(0, 5000)))
def test_chunked_body_is_what_was_sent(content: bytes, sizes: list[int], cuts: list[int]) -> None:
    """Whatever the chunks and the pieces, a chunked body is delivered as sent."""
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(content, sizes)
    response = fed(*cut(wire, cuts))
    assert (True, False, None) == (response.complete, response.surplus, response.failure)
    assert content == body(response)


@given(st.binary(min_size=1, max_size=500), st.booleans(), st.data())
def test_a_cut_answer_is_never_complete(content: bytes, as_chunks: bool, data: st.DataObject) -> None:
    """An answer cut anywhere before its end fails and is not complete, with either framing."""
    if as_chunks:
        wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(content, [7] * 100)
    else:
        wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)
    at = data.draw(st.integers(0, len(wire) - 1))
    response = fed(wire[:at], ended=True)
    assert not response.complete
    assert response.failure is not None
    assert Reason.UPSTREAM_BROKE is response.failure.reason


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nbody",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00c\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\nContent-Length: 4\n\nbody",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbody\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_ambiguous_or_malformed_answers_fail(head: bytes) -> None:
    """Framing that two readers could take differently, or that is no HTTP/1 at all, is refused."""
    response = fed(head)
    assert not response.complete
    assert response.failure is not None
    assert Reason.UPSTREAM_BROKE is response.failure.reason


def test_interim_answers_are_skipped() -> None:
    """100 and 103 are not the answer, and leave no header behind."""
    response = fed(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    assert (200, {"content-length": "2"}, b"ok") == (response.status, response.headers, body(response))


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"206 Partial Content"])
def test_a_head_answer_has_no_body(status: bytes) -> None:
    """After HEAD the declared length is a fact about the object, not about the wire."""
    response = fed(b"HTTP/1.1 " + status + b"\r\nContent-Length: 1000\r\n\r\n", bodiless=True)
    assert (True, 0, True) == (response.complete, response.length, response.keep_alive)
    assert "1000" == response.headers["content-length"]


def test_not_modified_has_no_body() -> None:
    """A 304 ends with its head whatever length it states."""
    assert fed(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").complete


@pytest.mark.parametrize(
    ("wire", "bodiless"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", False),
    ],
)
@pytest.mark.parametrize("at", [0, 40, 45])
def test_bytes_after_the_end_are_noticed_and_not_delivered(wire: bytes, bodiless: bool, at: int) -> None:
    """A second answer that nobody asked for changes nothing in the first one, and is told as surplus."""
    response = fed(*filter(None, (wire[:at], wire[at:])), bodiless=bodiless)
    assert (True, True, 200) == (response.complete, response.surplus, response.status)
    assert body(response) in {b"", b"ok"}


def test_bytes_beyond_a_counted_body_are_cut_off() -> None:
    """Once the rest is only counted, what exceeds the count is surplus too."""
    response = fed(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo", b"dyMORE")
    assert (True, True, b"body") == (response.complete, response.surplus, body(response))


@pytest.mark.parametrize("piece", [b"A: " + b"x" * 1000 + b"\r\n", b"x" * 1000])
def test_an_endless_head_fails(piece: bytes) -> None:
    """A head is at most 64 KiB, as many lines or as one."""
    response = Response()
    response.feed(memoryview(b"HTTP/1.1 200 OK\r\nB: "))
    for _ in range(MAX_HEAD // 1000 + 2):
        response.feed(memoryview(piece))
    assert response.failure is not None


def test_a_long_head_fails_even_if_it_comes_at_once() -> None:
    """A head above 64 KiB that is whole in one read is refused too."""
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(70))
    assert fed(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n").failure is not None


def test_repeated_headers_are_joined_and_names_lowered() -> None:
    """Names come in lower case, repetitions joined by a comma, bytes that are no UTF-8 as Latin-1."""
    response = fed(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nX-B: caf\xe9\r\nX-C: \xc3\xa9\r\nContent-Length: 0\r\n\r\n")
    assert {"x-a": "1, 2", "x-b": "café", "x-c": "é", "content-length": "0"} == response.headers


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_keep_alive_follows_the_version_and_the_header(head: bytes, keeps: bool) -> None:
    """RFC 9112, section 9.3."""
    assert keeps is fed(head).keep_alive


@pytest.mark.parametrize("framing", [b"Content-Length: 3", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("cut", [0, 20])
def test_spaces_behind_a_value_are_no_part_of_it(framing: bytes, cut: int) -> None:
    """RFC 9110, section 5.5: in whatever pieces the head comes, a store may pad its fields, those of framing too. A tab
    behind a coding is none that llhttp takes off, so it is in doubt."""

    def read(blanks: bytes) -> Response:
        head = b'HTTP/1.1 200 OK\r\nETag: "a"%b\r\n%b%b\r\n\r\n' % (blanks, framing, blanks)
        wire = head + (b"abc" if b"Length" in framing else b"3\r\nabc\r\n0\r\n\r\n")
        return fed(wire[:cut], wire[cut:]) if cut else fed(wire)

    for blanks in (b" ", b"   "):
        response = read(blanks)
        assert (None, True, b"abc") == (response.failure, response.complete, body(response))
        assert '"a"' == response.headers["etag"]
    assert read(b" \t").failure is not None


def test_the_stores_patience_is_read() -> None:
    """`Keep-Alive: timeout=5` is five seconds; without it nothing is known."""
    assert 5 == fed(b"HTTP/1.1 200 OK\r\nKeep-Alive: max=9, timeout=5\r\nContent-Length: 0\r\n\r\n").keep_alive_seconds
    assert None is fed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive_seconds


def test_chunks_are_never_larger_than_promised() -> None:
    """One large piece is handed on in chunks of at most 256 KiB."""
    content = bytes(MAX_CHUNK * 2 + 5)
    response = fed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), content)
    sizes = []
    while response.chunks:
        sizes.append(len(response.pop()))
    assert [MAX_CHUNK, MAX_CHUNK, 5] == sizes
    assert 0 == response.buffered


def test_small_chunks_that_come_at_once_are_handed_on_at_once() -> None:
    """Each piece that is handed on costs a write to the client: how a store frames them is no matter."""
    wire = b"1\r\nx\r\n" * 10_000
    response = fed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + wire, wire + b"0\r\n\r\n")
    assert ([10_000, 10_000], True) == (list(map(len, response.chunks)), response.complete)


@pytest.mark.parametrize("wire", [b"1\r\nx\r\n" * 60_000, b"1;a=b\r\nx\r\n" * 30_000], ids=["chunks", "extensions"])
def test_a_body_of_hardly_anything_but_framing_breaks(wire: bytes) -> None:
    """A megabyte of framing beyond the body's bytes."""
    response = fed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[wire] * 4)
    assert response.failure is None
    response.feed(memoryview(wire))
    assert response.failure is not None


def test_a_trailer_without_an_end_breaks() -> None:
    """The parser would keep all of it."""
    response = fed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nbody\r\n0\r\na: ")
    for _ in range(31):
        response.feed(memoryview(b"x" * 32_768))
    assert response.failure is None
    response.feed(memoryview(b"x" * 65_536))
    assert response.failure is not None


@pytest.mark.parametrize("size", [5, 100, 8192])
def test_a_store_may_frame_as_it_likes(size: int) -> None:
    """The twin: writes of a few bytes each go on for ever, as long as they are worth their frame."""
    wire = b"%x\r\n%b\r\n" % (size, bytes(size)) * (200_000 // size)
    response = fed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[wire] * 20, b"0\r\n\r\n")
    assert (None, True) == (response.failure, response.complete)


LINES = st.sampled_from(
    [
        b"Content-Length: 3",
        b"Content-Length: 0",
        b"content-length:3  ",
        b"Content-Length: 5",
        b"Content-Length: x",
        b"Content-Length: 3\r\n 4",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Keep-Alive: timeout=5",
        b'ETag:  "a" ',
        b"X-Same: 1",
        b"x-same: 2",
        b"X-Empty:",
        b"X-Tab:\t1",
        b"X-Inner: a\tb",
        b"X-Folded: a\r\n b",
        b"X-Folded: a\r\n\tb",
        b"X-Space : 1",
        b" X-Leading: 1",
        b"X-Latin: \xe9",
        b"X-Text: \xc3\xa9\xe2\x80\x8b\xc2\xa0",
        b"X-Control: \x01",
        b"X-Bare: a\rb",
        b"X-Bare: a\nb",
        b"X-Bare: 1\n",
        b"no colon",
        b": no name",
        b"X-N\xc3\xa9: 1",
        b"X-Zero: \0",
        b"Upgrade: h2c",
        b"Date: now",
        b"x-amz-request-id: 1 ",
        b"x-amz-id-2:\t1",
        b"X-Amz-Request-Id: a\tb",
    ]
)
STATUSES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 204 No",
        b"HTTP/1.1 304 Same",
        b"HTTP/1.1 404",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 101 Up",
        b"HTTP/2.0 200 OK",
        b"HTTP/1.1 99 Low",
        b"XHTTP/1.1 200 OK",
        b"\r\nHTTP/1.1 200 OK",
    ]
)
ANOTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
RESTS = st.sampled_from([b"", b"abc", b"ab", b"abcd", b"3\r\nabc\r\n0\r\n\r\n", ANOTHER])


@example(b"\r\nHTTP/1.1 200 OK", [], b"", True)
@given(STATUSES, st.lists(LINES, max_size=5), RESTS, st.booleans())
def test_a_head_that_came_whole_says_what_it_says_in_pieces(
    status: bytes, lines: list[bytes], rest: bytes, bodiless: bool
) -> None:
    """Split at its lines or read event by event: the same answer, or the same failure, and not one more that passes."""
    head = b"\r\n".join([status, *lines]) + b"\r\n\r\n"

    def seen(response: Response) -> tuple[object, ...]:
        if response.failure is not None:
            return response.failure.reason, response.failure.detail
        headers = {name: value for name, value in response.headers.items() if name not in _OF_ONE}
        said = (response.status, headers, response.length, response.keep_alive)
        return said, body(response), response.complete, response.surplus, response.left

    whole = seen(fed(head + rest, bodiless=bodiless))
    assert seen(fed(head[:3], head[3:] + rest, bodiless=bodiless)) == whole


def test_plain_heads_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stores send is split; only what is odd is read event by event."""
    events: list[bytes] = []
    monkeypatch.setattr(_Events, "on_header", lambda self, name, value: events.append(name))
    plain = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nx-amz-meta-a: b\r\nContent-Length: 3\r\n\r\nabc'
    assert ({"etag": '"a"', "x-amz-meta-a": "b", "content-length": "3"}, []) == (fed(plain).headers, events)
    fed(plain.replace(b"ETag:", b"ETag:\t"))
    assert [b"ETag", b"x-amz-meta-a", b"Content-Length"] == events
