"""One request as it arrives."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.request import IncomingBody, IncomingRequest


def arrival(*fields: tuple[bytes, bytes], version: tuple[int, int] = (1, 1)) -> IncomingRequest:
    return IncomingRequest("PUT", "/a/b", ((b"Host", b"gw"), *fields), version, keep_alive=True)


async def drained(body: IncomingBody) -> bytes:
    pieces = []
    while piece := await body.read():
        pieces.append(piece)
    return b"".join(pieces)


@given(st.binary(min_size=1), st.binary(), st.data())
async def test_a_body_of_known_length_ends_there(content: bytes, behind: bytes, data: st.DataObject) -> None:
    """However it was cut into pieces, what stands behind it is given back."""
    body, wire, rest = IncomingBody(len(content)), content + behind, b""
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        piece, wire = wire[:size], wire[size:]
        rest += piece if body.whole else body.take(piece)
    assert (content, behind) == (await drained(body), rest)


async def test_a_body_that_breaks_off_is_never_whole() -> None:
    """What came is read, then the reader is told."""
    body = IncomingBody(10)
    body.take(b"half")
    body.break_off()
    assert b"half" == await body.read()
    with pytest.raises(ConnectionError):
        await body.read()


async def test_what_ends_a_request_without_a_body_ends_no_other() -> None:
    """They have one body, which stays whole when a connection is lost."""
    first, other = arrival(), arrival()
    first.body.break_off()
    assert first is first.again()
    assert (True, False, b"") == (other.body.whole, other.body.broken, await other.body.read())


async def test_a_reader_waits_for_more() -> None:
    """And is woken by it."""
    body = IncomingBody(8)
    reading = asyncio.get_running_loop().create_task(body.read())
    await asyncio.sleep(0)
    body.take(b"more")
    body.notify()
    assert b"more" == await reading


async def test_a_reader_that_has_taken_all_wants_more() -> None:
    """And only then."""
    wanted: list[bool] = []
    body = IncomingBody(9)
    body.on_want = lambda: wanted.append(True)
    for piece in (b"abc", b"def"):
        body.take(piece)
    assert (True, False) == (body.unread, body.wanted)
    assert (b"abc", b"def", []) == (await body.read(), await body.read(), wanted)
    reading = asyncio.get_running_loop().create_task(body.read())
    await asyncio.sleep(0)
    assert ([True], True) == (wanted, body.wanted)
    body.take(b"ghi")
    assert not body.unread
    body.notify()
    assert (b"ghi", True) == (await reading, body.whole)


async def test_a_chunked_body_ends_where_it_says() -> None:
    """What stands behind it is given back; one that is malformed breaks off."""
    body = IncomingBody(None)
    assert b"rest" == body.take(b"5\r\nhello\r\n0\r\n\r\nrest")
    assert (True, b"hello") == (body.whole, await drained(body))
    broken = IncomingBody(None)
    broken.take(b"5\r\nhello\r\nnonsense\r\n")
    assert (False, True) == (broken.whole, broken.broken)


FRAMINGS = [
    ((), b""),
    (((b"Content-Length", b"0"),), b""),
    (((b"Content-Length", b"5"),), b"hello"),
    (((b"Transfer-Encoding", b"chunked"),), b"5\r\nhello\r\n0\r\n\r\n"),
]


@pytest.mark.parametrize(("fields", "taken"), FRAMINGS)
async def test_the_head_says_how_the_body_ends(fields: tuple[tuple[bytes, bytes], ...], taken: bytes) -> None:
    """RFC 9112, 6.3: none without a length, so many bytes, or chunks."""
    body = arrival(*fields).body
    assert (not fields or fields[0][1] == b"0") == body.whole
    if not body.whole:
        assert b"rest" == body.take(taken + b"rest")
    assert body.whole
    assert body.empty is not bool(taken)
    assert (b"hello" if taken else b"") == await drained(body)


def test_a_head_that_http_forbids_ends_its_connection() -> None:
    """Its body has no end that anybody could be sure of."""
    doubtful = arrival((b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked"))
    assert (None, False, False) == (doubtful.raw, doubtful.keep_alive, doubtful.body.whole)
    assert doubtful.fault is not None
    assert {} == doubtful.headers


def test_who_asks_before_sending_is_known() -> None:
    """In any case of letters, and only from HTTP/1.1 on."""
    expect = (b"Expect", b"100-Continue")
    assert arrival(expect).asks_first
    assert not arrival().asks_first
    old = arrival(expect, (b"Content-Length", b"5"), version=(1, 0))
    assert (None, False) == (old.fault, old.asks_first)


async def test_small_chunks_are_one_piece() -> None:
    """What came at once is read at once, however its sender cut it."""
    body = IncomingBody(None)
    body.take(b"2\r\nxy\r\n" * 5000)
    assert (b"xy" * 5000, False) == (await body.read(), body.unread)


def test_a_head_that_names_a_client_is_told_from_others() -> None:
    """So is each later one with the same head; any other needs no look for who its client is."""
    named, other = arrival((b"X-Forwarded-For", b"192.0.2.1"), (b"Content-Length", b"1")), arrival()
    assert (True, True, False) == (named.forwarded, named.again().forwarded, other.forwarded)
