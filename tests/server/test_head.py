"""Heads read from the bytes of a connection."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.head import HeadReader, KnownHeads
from gateway.server.request import IncomingRequest

HEAD = b"PUT /a/b?c=d HTTP/1.1\r\nHost: gw\r\nX-Empty:\r\nContent-Length: 5\r\n\r\n"


remembering = pytest.mark.skipif("config.getoption('--without-plans')", reason="no head is remembered")


def reader() -> HeadReader:
    return HeadReader(KnownHeads())


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


def test_a_head_whose_end_the_parser_alone_sees_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind it would be another request to who reads it otherwise (T16)."""
    wire = b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n"
    assert HeadReader(KnownHeads()).read_head(wire)[0] is not None
    monkeypatch.setattr(HeadReader, "_find_end", lambda reader, data: -1)
    with pytest.raises(ValueError, match="in doubt"):
        HeadReader(KnownHeads()).read_head(wire)


def test_an_upgrade_to_what_is_not_spoken_is_left_alone() -> None:
    """RFC 9110, 7.8: curl offers HTTP/2 so, and goes on as before."""
    given = reader()
    head = b"GET / HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n"
    for _ in range(2):
        arrival, rest = given.read_head(head)
        assert arrival is not None
        assert (True, True, b"") == (arrival.body.whole, arrival.keep_alive, rest)


@remembering
def test_a_head_that_is_known_says_what_it_said() -> None:
    """To any reader, with what was noted of it and a body that has yet to come; and it is read by its bytes alone."""
    known = KnownHeads()
    first = HeadReader(known)
    arrival, _ = first.read_head(HEAD)
    assert arrival is not None
    arrival.note = "seen"
    arrival.body.take(b"hello")
    known.keep(first.wire, arrival)
    for wire, recalled in ((HEAD, True), (HEAD + b"he", False)):
        other = HeadReader(known)
        found = other.recall(wire)
        assert recalled is (found is not None)
        again, rest = found or other.read_head(wire)
        assert again is not None
        assert HEAD == other.wire
        assert (wire[len(HEAD) :], "seen", arrival.raw, False) == (rest, again.note, again.raw, again.body.whole)
        assert (arrival.method, arrival.target, arrival.version) == (again.method, again.target, again.version)
    unknown, _ = HeadReader(known).read_head(HEAD.replace(b"X-Empty", b"x-empty"))
    assert (None, True) == (unknown and unknown.note, unknown is not None)


@remembering
def test_a_known_head_is_found_at_the_start_of_a_request_only() -> None:
    """Behind the beginning of another head the same bytes mean something else."""
    known = KnownHeads()
    first = HeadReader(known)
    arrival, _ = first.read_head(HEAD)
    assert arrival is not None
    known.keep(first.wire, arrival)
    later = reader()
    later._known = known
    assert (None, b"") == later.read_head(b"GET / HTTP/1.1\r\nX: ")
    assert later.recall(HEAD) is None
    found, _ = later.read_head(HEAD)
    assert ("GET", "PUT /a/b?c=d HTTP/1.1") == (found and found.method, found and found.raw and found.raw.header("x"))
    assert b"" == later.wire


@remembering
def test_what_is_known_is_bounded() -> None:
    """What was unused for longest goes first; long heads, and those that came in pieces, are not kept."""
    known = KnownHeads(2)
    given = HeadReader(known)
    for name in ("a", "b", "a", "c"):
        wire = f"GET /{name} HTTP/1.1\r\nHost: gw\r\n\r\n".encode()
        arrival, _ = given.read_head(wire)
        assert arrival is not None
        arrival.note = name
        known.keep(given.wire, arrival)
    found = [known.find(f"GET /{name} HTTP/1.1\r\nHost: gw\r\n\r\n".encode()) for name in "abc"]
    assert ["a", None, "c"] == [one and one.note for one in found]
    given.read_head(b"GET / HTTP/1.1\r\nHost: gw\r\nX: " + b"x" * 2048 + b"\r\n\r\n")
    assert b"" == given.wire
    fed(given, [HEAD[:20], HEAD[20:]])
    assert b"" == given.wire


def signed(**fields: str) -> bytes:
    """As SDKs send it: anew each time."""
    lines = "".join([f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()])
    return f"GET /a HTTP/1.1\r\nHost: gw\r\n{lines}\r\n".encode()


@remembering
def test_a_head_like_one_that_is_known_is_read_by_it() -> None:
    """With that one's note, what it says itself, and no other's body; whoever says something else is read anew."""
    known = KnownHeads()
    first = HeadReader(known)
    arrival, _ = first.read_head(signed(X_Request_Id="a", X_Amz_Date="1"))
    assert arrival is not None
    first.keep_alike(arrival, "seen")
    for fields, note in (
        ({"X_Request_Id": "b", "X_Amz_Date": "2"}, "seen"),
        ({"X_Request_Id": "b", "X_Amz_Dato": "2"}, None),
        ({"X_Request_Id": "b", "Range": "byte=1-"}, None),
    ):
        wire = signed(**fields)
        again, rest = HeadReader(known).read_head(wire + b"rest")
        recalled = HeadReader(known).recall(wire)
        assert (note, None) == (recalled and recalled[0].note, HeadReader(known).recall(wire + b"rest"))
        anew, _ = HeadReader(KnownHeads(0)).read_head(wire)
        assert again is not None
        assert anew is not None
        assert (note, b"rest", anew.raw, anew.keep_alive) == (again.note, rest, again.raw, again.keep_alive)
    assert arrival.note is None


@remembering
def test_what_is_known_of_heads_that_are_alike_is_bounded() -> None:
    """What was unused for longest goes first."""
    known = KnownHeads(2)
    given = HeadReader(known)
    heads = [signed(X_Request_Id="a" * number) for number in (1, 2, 3)]
    for number in (0, 1, 0, 2):
        arrival, _ = given.read_head(heads[number])
        assert arrival is not None
        given.keep_alike(arrival, str(number))
    assert [True, False, True] == [known.find_alike(head) is not None for head in heads]


@remembering
@pytest.mark.parametrize(("many", "comes_again"), [(3, True), (4, False)])
def test_of_what_comes_in_turn_no_more_is_kept_than_comes_again_in_time(*, many: int, comes_again: bool) -> None:
    """More heads than are kept would push each other out before they come again: then none of them is worth it."""
    known = KnownHeads(3)
    heads = [signed(X_Request_Id=str(number)) for number in range(many)]
    likes = [signed(X_Request_Id="a" * number) for number in range(many)]
    assert [False] * many == [known.comes_again(head) for head in heads]
    assert [False] * many == [known.like_comes_again(head) for head in likes]
    assert [comes_again] * many == [known.comes_again(head) for head in heads]
    assert [comes_again] * many == [known.like_comes_again(head) for head in likes]
