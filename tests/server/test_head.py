"""Heads read from the bytes of a connection."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.head import HeadReader
from gateway.server.request import IncomingRequest

HEAD = b"PUT /a/b?c=d HTTP/1.1\r\nHost: gw\r\nX-Empty:\r\nContent-Length: 5\r\n\r\n"


def reader() -> HeadReader:
    return HeadReader()


def fed(given: HeadReader, pieces: list[bytes]) -> tuple[IncomingRequest | None, bytes]:
    """The first request of the pieces, and everything behind its head."""
    for number, piece in enumerate(pieces):
        arrival, rest = given.read_head(piece)
        if arrival is not None:
            return arrival, rest + b"".join(pieces[number + 1 :])
    return None, b""


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(wire), *(place % len(wire) for place in places)})
    return [wire[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.integers(0, 1000)))
def test_a_head_is_the_same_in_any_pieces(places: list[int]) -> None:
    """And what follows it is left alone."""
    arrival, rest = fed(reader(), cut(HEAD + b"hello" + HEAD, places))
    assert arrival is not None
    assert arrival.raw is not None
    assert ("PUT", "/a/b", "c=d") == (arrival.raw.method, arrival.raw.path, arrival.raw.query)
    assert (("host", "gw"), ("x-empty", ""), ("content-length", "5")) == arrival.raw.headers
    assert b"hello" + HEAD == rest


def test_one_reader_reads_one_request_after_another() -> None:
    """Bodiless ones, and ones with a body that was taken elsewhere."""
    given = reader()
    for head in [b"GET /1 HTTP/1.1\r\nHost: gw\r\n\r\n", HEAD, b"GET /2 HTTP/1.1\r\nHost: gw\r\n\r\n"] * 2:
        arrival, rest = given.read_head(head)
        assert (head.split()[1].decode(), b"") == (arrival and arrival.target, rest)
        assert not given.begun


MALFORMED = {
    "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a line feed alone": b"GET / HTTP/1.1\nHost: gw\n\n",
    "a line feed alone at the end": b"GET / HTTP/1.1\r\nHost: gw\r\n\nX: 1\r\n\r\n",
    "a folded field": b"GET / HTTP/1.1\r\nHost: gw\r\nX: 1\r\n 2\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : gw\r\n\r\n",
    "two lengths": b"PUT / HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "a long target": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: gw\r\n\r\n",
    "a long field": b"GET / HTTP/1.1\r\nHost: gw\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    "many fields": b"GET / HTTP/1.1\r\nHost: gw\r\n" + b"X: 1\r\n" * 600 + b"\r\n",
    "many long fields": b"GET / HTTP/1.1\r\nHost: gw\r\n" + (b"X: " + b"a" * 10_000 + b"\r\n") * 10 + b"\r\n",
}


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_request_is_refused(wire: bytes) -> None:
    """In one piece, and byte by byte."""
    for pieces in ([wire], [wire[number : number + 1] for number in range(len(wire))]):
        with pytest.raises(ValueError, match=r"request|head"):
            fed(reader(), pieces)


def test_an_upgrade_to_what_is_not_spoken_is_left_alone() -> None:
    """RFC 9110, 7.8: curl offers HTTP/2 so, and goes on as before."""
    given = reader()
    head = b"GET / HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n"
    for _ in range(2):
        arrival, rest = given.read_head(head)
        assert arrival is not None
        assert (True, True, b"") == (arrival.body.whole, arrival.keep_alive, rest)
