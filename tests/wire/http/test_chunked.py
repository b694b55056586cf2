"""HTTP's own chunked coding."""

from __future__ import annotations

from itertools import pairwise

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.http.chunked import OVERHEAD, Chunks


def coded(chunks: list[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks if chunk)
    return body + b"0\r\n" + trailers + b"\r\n"


def decoded(pieces: list[bytes]) -> tuple[bytes, bytes, bool]:
    """The body, what stands behind it, and whether its end came."""
    chunks, body, rest = Chunks(), b"", b""
    for piece in pieces:
        if chunks.whole:
            rest += piece
            continue
        found, behind = chunks.feed(piece)
        body += b"".join(found)
        rest += behind
    return body, rest, chunks.whole


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(wire), *(place % (len(wire) + 1) for place in places)})
    return [wire[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.binary(max_size=40), max_size=6), st.binary(max_size=40), st.lists(st.integers(0, 500)))
def test_a_body_comes_out_as_it_went_in(chunks: list[bytes], behind: bytes, places: list[int]) -> None:
    """In any pieces, with extensions and trailers passed over and what follows left alone."""
    wire = coded(chunks, b';a;b=c;d="e f"', b"X-Trailer: 1\r\n") + behind
    assert (b"".join(chunks), behind, True) == decoded(cut(wire, places))


class _Oracle:
    """What llhttp makes of the same bytes."""

    def __init__(self) -> None:
        self.body, self.whole = b"", False

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.whole = True


ALPHABET = st.sampled_from(
    [b"0", b"1", b"5", b"a", b"F", b"\r\n", b"\r", b"\n", b";", b"=", b'"', b" ", b"x", b":", b"hello"]
)


@given(st.lists(ALPHABET, max_size=14).map(b"".join))
def test_what_is_accepted_is_read_as_llhttp_reads_it(wire: bytes) -> None:
    """Stricter, never different: no body is whole here that is another one, or none, there."""
    try:
        body, behind, whole = decoded([wire])
    except ValueError:
        return
    if not whole:
        return
    oracle = _Oracle()
    parser = httptools.HttpRequestParser(oracle)
    parser.feed_data(b"PUT / HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n")
    parser.feed_data(wire[: len(wire) - len(behind)])
    assert (oracle.body, True) == (body, oracle.whole)


MALFORMED = [
    b"\r\n",
    b"g\r\n",
    b"+5\r\nhello\r\n",
    b"0x5\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b"5\nhello\n",
    b"5\r\nhello!\r\n",
    b"5\r\nhello\n",
    b"5;\r\nhello\r\n",
    b"5;a=\x00\r\nhello\r\n",
    b"5;" + b"a" * 200 + b"\r\n",
    b"f" * 17 + b"\r\n",
    b"0" * 200,
    b"0\r\nno trailer\r\n",
    b"0\r\nX: a\n\r\n",
    b"0\r\nContent-Length: 5\r\n\r\n",
    b"0\r\ntransfer-encoding: chunked\r\n\r\n",
    b"0\r\nX: " + b"a" * 20_000,
    b"0\r\n" + b"X: a\r\n" * 5000,
]


@pytest.mark.parametrize("wire", MALFORMED)
def test_what_two_readers_could_read_differently_is_refused(wire: bytes) -> None:
    """At once, and byte by byte."""
    for pieces in ([wire], [wire[number : number + 1] for number in range(len(wire))]):
        with pytest.raises(ValueError, match=r"chunk|trailer"):
            decoded(pieces)


def test_a_body_without_its_last_chunk_is_not_whole() -> None:
    """Nor is one that ends inside a chunk or before the last line."""
    wire = coded([b"hello"])
    for end in range(len(wire)):
        assert not decoded([wire[:end]])[2]


def fed(wire: bytes, size: int = 65536) -> int:
    """How many bytes of a body come out of this wire, in pieces of `size`."""
    chunks, count = Chunks(), 0
    for start in range(0, len(wire), size):
        pieces, _ = chunks.feed(wire[start : start + size])
        count += sum(map(len, pieces))
    return count


@pytest.mark.parametrize("chunk", [b"x", b"xy"])
def test_a_body_of_hardly_anything_but_framing_is_refused(chunk: bytes) -> None:
    """The framing that is read exceeds what it frames by no more than its allowance."""
    one = b"%x\r\n%b\r\n" % (len(chunk), chunk)
    most = OVERHEAD // (len(one) - 2 * len(chunk))
    assert (most - 4) * len(chunk) == fed(one * (most - 4))
    with pytest.raises(ValueError, match="framing"):
        fed(one * (most + 4))


def test_the_allowance_does_not_grow_with_the_body() -> None:
    """Gigabytes in large chunks pay for no more small ones than an empty body does."""
    large = b"%x\r\n%b\r\n" % (OVERHEAD, bytes(OVERHEAD)) * 2
    most = OVERHEAD // 4 - 4
    assert 2 * OVERHEAD + most == fed(large + b"1\r\nx\r\n" * most)
    with pytest.raises(ValueError, match="framing"):
        fed(large + b"1\r\nx\r\n" * (most + 8))


@pytest.mark.parametrize(("chunk", "count"), [(1, 100_000), (5, 120_000), (100, 20_000), (8192, 200)])
def test_clients_that_send_what_they_have_are_heard_out(chunk: int, count: int) -> None:
    """Whoever flushes each write is genuine: byte by byte for a long time, and a few bytes at a time for ever."""
    one = b"%x\r\n%b\r\n" % (chunk, bytes(chunk))
    assert chunk * count == fed(one * count)


def test_extensions_are_framing_too() -> None:
    """A chunk that says much of itself and brings nothing is no better than many chunks."""
    one = b"1;%b\r\nx\r\n" % (b"e" * 100)
    with pytest.raises(ValueError, match="framing"):
        fed(one * (OVERHEAD // 100))
