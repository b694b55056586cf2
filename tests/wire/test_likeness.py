"""Requests that are alike are read alike, and what says something else is not alike."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Refused
from gateway.core.request import NO_AUTH, ObjectRequest, RawRequest
from gateway.server.head import HeadReader, KnownHeads
from gateway.wire.likeness import UNREAD, AlikeHeads, common_part, differing_fields, read_in_common
from gateway.wire.parse import parse
from tests.vectors.stack import STACKS
from tests.vectors.stack import read as read_stack

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
VALUES = [
    ("", ""),
    ("a", "1"),
    ("GET", "PUT"),
    ("?0", "?1"),
    ("Basic OnNlY3JldA==", "AWS4-HMAC-SHA256 A"),
    ("20261129T120000Z", "20261129T120001Z"),
    ("a  b", "a: b"),
]
SIGNED_BY = "AWS4-HMAC-SHA256 Credential=A/20261129/us-east-1/s3/aws4_request, SignedHeaders=host, Signature="


def raw_of(method: str, path: str, query: str, headers: list[tuple[str, str]]) -> RawRequest:
    return RawRequest(method, path, query, (HOST, *headers))


def head_of(raw: RawRequest) -> bytes:
    """As clients write it."""
    lines = "".join([f"{name.title()}: {value}\r\n" for name, value in raw.headers])
    query = f"?{raw.query}" if raw.query else ""
    return f"{raw.method} {raw.path}{query} HTTP/{raw.version[0]}.{raw.version[1]}\r\n{lines}\r\n".encode("latin-1")


def read_anew(head: bytes) -> RawRequest | None:
    """By the one reader of heads."""
    try:
        arrival, _ = HeadReader(KnownHeads(0)).read_head(head)
    except ValueError:
        return None
    return None if arrival is None else arrival.raw


def read_as_alike(one: bytes, other: bytes) -> RawRequest | None:
    """What is said of the other head by who has read the one; None if they are not alike."""
    raw = read_anew(one)
    heads = None if raw is None or len(one) != len(other) else AlikeHeads.of(raw, one)
    differing = None if heads is None else heads.read(other)
    return None if heads is None or differing is None else heads.raw(differing)


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
            values = draw(st.sampled_from(VALUES).flatmap(st.permutations))
            one.append((name, values[0]))
            other.append((name, values[1]))
        else:
            one.append((name, value))
            other.append((name, value))
    if draw(st.booleans()):
        one.append(("x-amz-content-sha256", draw(st.sampled_from(HASHES))))
        other.append(("x-amz-content-sha256", draw(st.sampled_from(HASHES))))
    if draw(st.booleans()):
        one.append(("authorization", SIGNED_BY + draw(st.sampled_from(HASHES))))
        other.append(("authorization", SIGNED_BY + draw(st.sampled_from(HASHES))))
    return raw_of(method, path, query, one), raw_of(method, path, query, other)


def are_alike(one: RawRequest, other: RawRequest) -> bool:
    """Whether nothing differs that may not, nothing that may is there twice, and no secret would be kept."""
    differing = differing_fields(one)
    names = [name for name, _ in one.headers]
    common = [pair for place, pair in enumerate(one.headers) if place not in differing]
    return (
        bool(differing)
        and differing == differing_fields(other)
        and common == [pair for place, pair in enumerate(other.headers) if place not in differing]
        and all(names.count(names[place]) == 1 for place in differing)
        and {"authorization", "x-amz-security-token"}.isdisjoint(name for name, _ in common)
    )


@given(pairs_alike())
def test_what_is_alike_is_read_alike(pair: tuple[RawRequest, RawRequest]) -> None:
    """Whatever differs between the two: both readers say what is said here, or refuse both."""
    one, other = pair
    found = read_as_alike(head_of(one), head_of(other))
    anew = read_anew(head_of(other))
    if anew is not None and are_alike(one, other):
        assert anew == found
        assert anew._first == (found and found._first)
    else:
        assert found is None
    first, second = read(one), read(other)
    assert (first is None) is (second is None)
    if first is not None and second is not None and are_alike(one, other):
        assert read_in_common(second) == read_in_common(first)
        assert replace(second, auth=NO_AUTH) == replace(read_in_common(first), raw=other)


def test_a_value_that_is_read_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: were the range's value left out, two requests for two pieces would be taken for one."""
    one, other = (raw_of("GET", "/bucket/key", "", [("range", text)]) for text in ("bytes=0-1", "bytes=2-3"))
    assert read_as_alike(head_of(one), head_of(other)) is None
    monkeypatch.setattr("gateway.wire.likeness.UNREAD", UNREAD | {"range"})
    monkeypatch.setattr("gateway.wire.likeness._FIELD", re.compile(r"\r\n(Range): ([ -~]*)"))
    assert other == read_as_alike(head_of(one), head_of(other))
    assert common_part(one) == common_part(other)
    assert parse(other) != replace(read_in_common(parse(one)), raw=other)


BASE = raw_of("PUT", "/bucket/key", "", [("x-amz-content-sha256", HASHES[0]), ("x-amz-date", "20261129T120000Z")])
LINES = head_of(BASE)
DATE = b"20261129T120000Z"


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
    assert read_as_alike(head_of(BASE), head_of(other)) is None


def test_what_says_the_same_is_alike() -> None:
    """Another date, another hash."""
    other = LINES.replace(DATE, b"20261129T120001Z").replace(HASHES[0].encode(), HASHES[1].encode())
    assert read_anew(other) == read_as_alike(LINES, other)


@pytest.mark.parametrize(
    "other",
    [
        b"20261129\r\nA: bcd",
        b"20261129\r\n 20000Z",
        b"20261129\n120000Z",
        b"20261129\t120000Z",
        b"20261129\x00120000Z",
        b"20261129\xff120000Z",
        b"20261129\x7f120000Z",
        b" 0261129T120000Z",
        b"20261129T120000 ",
        b"\t0261129T120000Z",
    ],
)
def test_what_may_be_more_than_a_value_is_read_anew(other: bytes) -> None:
    """Ends of lines, all that is not printable ASCII, and blanks at either end, which are no part of a value; also the
    other way round."""
    assert read_as_alike(LINES, LINES.replace(DATE, other)) is None
    assert read_as_alike(LINES.replace(DATE, other), LINES) in {None, read_anew(LINES)}


@pytest.mark.parametrize(("colon", "alike"), [(b":", True), (b": ", True), (b":  ", False), (b":\t", False)])
def test_a_field_is_alike_as_most_write_it(colon: bytes, *, alike: bool) -> None:
    """With one space behind the colon or none."""
    one = LINES.replace(b"X-Amz-Date: ", b"X-Amz-Date" + colon)
    other = one.replace(DATE, b"20261129T120001Z")
    assert (read_anew(other) if alike else None) == read_as_alike(one, other)


def test_what_is_the_same_in_all_is_kept_nowhere() -> None:
    """A head without a field that may differ has none that is alike."""
    head = head_of(raw_of("GET", "/bucket/key", "", []))
    assert read_as_alike(head, head) is None


@pytest.mark.parametrize(("name", "begins"), [("authorization", SIGNED_BY), ("x-amz-security-token", "")])
def test_no_secret_is_part_of_it(name: str, begins: str) -> None:
    """What is kept by it holds no credential out of a header."""
    raw = raw_of("GET", "/bucket/key", "", [(name, begins + HASHES[0])])
    heads = AlikeHeads.of(raw, head_of(raw))
    assert heads is not None
    assert HASHES[0] not in repr([getattr(heads, slot) for slot in heads.__slots__] + [heads._raw.headers])
    common = read_in_common(parse(raw))
    assert HASHES[0] not in repr([common.raw.headers, common.auth.headers])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", "Basic OnNlY3JldA=="),
        ("authorization", f"Bearer {HASHES[0]}"),
        ("authorization", f"{SIGNED_BY}{HASHES[0][:-1]}"),
        ("authorization", f"{SIGNED_BY}{HASHES[0][:-1]}G"),
        ("x-amz-security-token", "held  twice"),
    ],
)
def test_a_secret_that_would_be_kept_has_nothing_alike(name: str, value: str) -> None:
    """Whatever is presented in another way than most do is read anew each time."""
    head = head_of(raw_of("GET", "/bucket/key", "", [("x-amz-date", "20261129T120000Z"), (name, value)]))
    assert read_as_alike(head, head) is None


SIGNED = head_of(raw_of("GET", "/bucket/key", "", [("authorization", SIGNED_BY + HASHES[0])]))


def test_of_an_authorization_the_signature_alone_may_differ() -> None:
    """Who signs, for which day and place, and what, is compared; and the signature is hexadecimal digits."""
    hashed = HASHES[0].encode()
    other = SIGNED.replace(hashed, HASHES[1].encode())
    assert read_anew(other) == read_as_alike(SIGNED, other)
    for part in (b"=A/", b"20261129", b"us-east-1", b"=host"):
        assert read_as_alike(SIGNED, SIGNED.replace(part, part[:-1] + b"~")) is None
    for end in (b"G", b"A", b" ", b"\xe9", b"\0"):
        assert read_as_alike(SIGNED, SIGNED.replace(hashed, hashed[:-1] + end)) is None


def _mutations(head: bytes, chance: Random) -> list[bytes]:
    """The head with some bytes changed, moved or doubled; as long as before, or it could not be taken for like it."""
    found = []
    for _ in range(12):
        one, other = sorted(chance.sample(range(len(head)), 2))
        byte = bytes([chance.choice(b"\r\n\0 \t:;,0fgAz~\x7f\xe9")])
        found += [
            head[:one] + byte + head[one + 1 :],
            head[:one] + b"\r\n" + head[one + 2 :],
            head[:one] + head[one + 1 : other] + byte + head[other:],
            head[:one] + head[other : other + 1] + head[one + 1 : other] + head[one : one + 1] + head[other + 1 :],
        ]
    return [each for each in found if len(each) == len(head) and each != head]


def test_what_clients_send_is_read_as_alike_only_as_it_is_read_anew() -> None:
    """Of each recorded head of each client, with anything in it changed: what is taken for like it says what the one
    reader says of it."""
    chance, alike, heads = Random(1), 0, 0
    for file in sorted(STACKS.glob("*.json")):
        for request in read_stack(file).requests:
            head = "\r\n".join([*request.head, "", ""]).encode("latin-1")
            heads += 1
            for other in _mutations(head, chance):
                found = read_as_alike(head, other)
                if found is not None:
                    assert read_anew(other) == found
                    alike += 1
    assert (True, True) == (heads > 1000, alike > 500)
