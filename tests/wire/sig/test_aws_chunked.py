"""aws-chunked bodies as transcripts: built here by hand, cut everywhere, and damaged in every part."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.core.request import BodyFraming
from gateway.wire.http.chunked import OVERHEAD
from gateway.wire.sig.aws_chunked import MAX_SIGNED_CHUNK, ChunkedDecoder, read_trailers
from gateway.wire.sig.sigv4 import SigningKey, SigningKeys, Verified
from tests.wire import peer

SIGNED = BodyFraming.SIGNED_CHUNKS
SIGNED_TRAILER = BodyFraming.SIGNED_CHUNKS_TRAILER
UNSIGNED = BodyFraming.UNSIGNED_CHUNKS_TRAILER
CRC = "x-amz-checksum-crc32"
TRAILERS = {CRC: "AAAAAA=="}
VERIFIED = Verified(
    access_key_id="AKIDEXAMPLE",
    signing_key=SigningKey(b"k" * 32),
    scope="20150830/us-east-1/s3/aws4_request",
    timestamp="20150830T123600Z",
    signature="5" * 64,
    payload_hash=SIGNED.value,
)
PIECES = st.lists(st.binary(min_size=1, max_size=20), max_size=5)
FRAMINGS = st.sampled_from([SIGNED, SIGNED_TRAILER, UNSIGNED])


def link(kind: str, previous: str, content: str) -> str:
    text = "\n".join([kind, VERIFIED.timestamp, VERIFIED.scope, previous, content])
    return hmac.new(b"k" * 32, text.encode(), hashlib.sha256).hexdigest()


def encode(framing: BodyFraming, pieces: list[bytes], trailers: dict[str, str] | None = None) -> bytes:
    """A body as a client sends it."""
    parts, previous = [], VERIFIED.signature
    for piece in [*pieces, b""]:
        extension = ""
        if framing is not UNSIGNED:
            content = f"{hashlib.sha256().hexdigest()}\n{hashlib.sha256(piece).hexdigest()}"
            previous = link("AWS4-HMAC-SHA256-PAYLOAD", previous, content)
            extension = f";chunk-signature={previous}"
        parts.append(f"{len(piece):x}{extension}\r\n".encode() + piece + (b"\r\n" if piece else b""))
    lines = "".join(f"{name}:{value}\n" for name, value in (trailers or {}).items())
    parts.append(lines.replace("\n", "\r\n").encode())
    if framing is SIGNED_TRAILER:
        signature = link("AWS4-HMAC-SHA256-TRAILER", previous, hashlib.sha256(lines.encode()).hexdigest())
        parts.append(f"x-amz-trailer-signature:{signature}\r\n".encode())
    return b"".join(parts) + b"\r\n"


def case(framing: BodyFraming, pieces: list[bytes]) -> tuple[bytes, dict[str, str]]:
    trailers = {} if framing is SIGNED else TRAILERS
    return encode(framing, pieces, trailers), trailers


def decoder(framing: BodyFraming, length: int | None, trailers=()) -> ChunkedDecoder:
    return ChunkedDecoder(framing, length, None if framing is UNSIGNED else VERIFIED, tuple(trailers))


def decode(chunked: ChunkedDecoder, *data: bytes | memoryview) -> tuple[bytes, dict[str, str]]:
    plain = b"".join(b"".join(chunked.feed(piece)) for piece in data)
    return plain, dict(chunked.finish())


@given(FRAMINGS, PIECES, st.data())
def test_of_a_view_come_the_same_bytes(framing: BodyFraming, pieces: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere."""
    body, trailers = case(framing, pieces)
    at = data.draw(st.integers(0, len(body)))
    plain, told = decode(
        decoder(framing, len(b"".join(pieces)), trailers), memoryview(body)[:at], memoryview(body)[at:]
    )
    assert (b"".join(pieces), trailers) == (plain, told)


def refusal(chunked: ChunkedDecoder, *data: bytes) -> Reason:
    with pytest.raises(Refused) as caught:
        decode(chunked, *data)
    return caught.value.reason


@given(FRAMINGS, PIECES, st.data())
def test_every_cut_gives_the_same_bytes(framing, pieces, data):
    """However the network cuts the body, the plain bytes and the trailers are the same."""
    body, trailers = case(framing, pieces)
    plain = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert decode(decoder(framing, len(plain), trailers), *parts) == (plain, trailers)


@pytest.mark.parametrize("framing", [SIGNED, SIGNED_TRAILER, UNSIGNED])
def test_each_single_cut_and_byte_by_byte(framing):
    """A cut at any one position, and at all of them, changes nothing."""
    body, trailers = case(framing, [b"hello\r\n", b"\r\n0\r\n\r\n"])
    expected = (b"hello\r\n\r\n0\r\n\r\n", trailers)
    for cut in range(len(body) + 1):
        assert decode(decoder(framing, 14, trailers), body[:cut], body[cut:]) == expected
    assert decode(decoder(framing, 14, trailers), *[bytes([octet]) for octet in body]) == expected


@pytest.mark.parametrize(("framing", "chunk"), [(UNSIGNED, 1), (SIGNED, 1), (SIGNED_TRAILER, 16)])
def test_a_body_of_hardly_anything_but_framing_is_refused(framing, chunk):
    """However much it says it will bring: each chunk is work for us, each signature more."""
    one = len(encode(framing, [bytes(chunk)] * 2)) - len(encode(framing, [bytes(chunk)]))
    most = OVERHEAD // (one - 2 * chunk)
    body = encode(framing, [bytes(chunk)] * (most + 8), {} if framing is SIGNED else TRAILERS)
    chunked = decoder(framing, chunk * (most + 8), () if framing is SIGNED else TRAILERS)
    assert refusal(chunked, body) is Reason.BAD_REQUEST


@pytest.mark.parametrize(
    ("framing", "chunk", "count"),
    [(UNSIGNED, 1, 100_000), (UNSIGNED, 5, 200_000), (SIGNED, 1, 5000), (SIGNED, 96, 9000)],
)
def test_clients_that_sign_what_they_have_are_heard_out(framing, chunk, count):
    """Whoever makes a chunk of each small write is genuine, for as long as the body is worth its frame."""
    body, trailers = case(framing, [bytes(chunk)] * count)
    assert decode(decoder(framing, chunk * count, trailers), body) == (bytes(chunk * count), trailers)


@pytest.mark.parametrize("form", peer.vectors("chunked.json")["forms"], ids=lambda form: form["framing"])
def test_published_chunk_figures(form):
    """The chunk and trailer signatures printed in the S3 reference are accepted; any other is refused."""
    key = SigningKeys(1).derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")
    verified = replace(
        VERIFIED,
        signing_key=key,
        scope="20130524/us-east-1/s3/aws4_request",
        timestamp="20130524T000000Z",
        signature=form["seed"],
    )
    body = b""
    for size, signature in form["chunks"]:
        body += f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + (b"\r\n" if size else b"")
    body += "".join(f"{name}:{value}\r\n" for name, value in form["trailers"]).encode() + b"\r\n"
    names = [name for name, _ in form["trailers"] if name != "x-amz-trailer-signature"]
    framing = BodyFraming(form["framing"])
    plain, trailers = decode(ChunkedDecoder(framing, 66560, verified, names), body)
    assert (plain, list(trailers)) == (b"a" * 66560, names)
    for signature in re.findall(rb"signature[=:]([0-9a-f]{64})", body):
        wrong = body.replace(signature, signature[1:] + signature[:1])
        assert refusal(ChunkedDecoder(framing, 66560, verified, names), wrong) is Reason.BAD_SIGNATURE


@given(st.sampled_from([SIGNED, SIGNED_TRAILER]), PIECES, st.data())
def test_any_changed_byte_of_a_signed_body_is_refused(framing, pieces, data):
    """One changed byte anywhere in a signed body ends in a refusal, and no damaged byte was let out before it."""
    body, trailers = case(framing, pieces)
    plain = b"".join(pieces)
    place = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda number: number != body[place]))
    damaged = body[:place] + bytes([other]) + body[place + 1 :]
    # The case of a name or of a size's digit, and blanks around a trailer's value, mean nothing.
    if damaged.lower() == body.lower() or damaged[place : place + 1] in b" \t":
        return
    chunked = decoder(framing, len(plain), trailers)
    out: list[bytes] = []

    def feed_all() -> None:
        for octet in damaged:
            out.extend(chunked.feed(bytes([octet])))
        chunked.finish()

    with pytest.raises(Refused):
        feed_all()
    assert plain.startswith(b"".join(out))


@given(FRAMINGS, st.binary(max_size=120), st.integers(0, 50))
def test_garbage_is_refused_and_nothing_else(framing, body, length):
    """Whatever is fed, decoding ends with bytes or with a refusal."""
    chunked = decoder(framing, length)
    try:
        plain, _ = decode(chunked, body)
    except Refused:
        return
    assert len(plain) == length


@pytest.mark.parametrize("framing", [SIGNED, SIGNED_TRAILER, UNSIGNED])
def test_a_body_that_ends_early_is_never_whole(framing):
    """Cut off anywhere, even after its last plain byte, a body is incomplete."""
    body, trailers = case(framing, [b"hello", b"world"])
    for end in range(len(body)):
        assert refusal(decoder(framing, 10, trailers), body[:end]) is Reason.INCOMPLETE_BODY


@pytest.mark.parametrize("framing", [SIGNED, SIGNED_TRAILER, UNSIGNED])
@pytest.mark.parametrize("length", [0, 9, 11, 10**12])
def test_the_declared_length_is_exact(framing, length):
    """More or fewer plain bytes than x-amz-decoded-content-length are refused."""
    body, trailers = case(framing, [b"hello", b"world"])
    assert refusal(decoder(framing, length, trailers), body) is Reason.INCOMPLETE_BODY


def test_more_than_declared_is_refused_before_it_is_let_out():
    """A chunk that would pass the declared length is refused at its first line."""
    chunked = decoder(UNSIGNED, 4, TRAILERS)
    assert chunked.feed(b"4\r\nabcd\r\n") == [b"abcd"]
    with pytest.raises(Refused):
        chunked.feed(b"1\r\n")


def test_a_signed_chunk_is_let_out_whole_or_not_at_all():
    """Nothing of a signed chunk leaves before its last byte came and its signature was found right."""
    body = encode(SIGNED, [b"x" * 100])
    chunked = decoder(SIGNED, 100)
    start = body.index(b"\r\n") + 2
    assert chunked.feed(body[: start + 99]) == []
    assert chunked.feed(body[start + 99 : start + 100]) == [b"x" * 100]


def test_an_unsigned_chunk_is_let_out_as_it_comes():
    """An unsigned chunk of any size passes through without being kept."""
    chunked = decoder(UNSIGNED, 2**40)
    assert chunked.feed(b"10000000000\r\nabc") == [b"abc"]
    assert chunked.feed(b"def") == [b"def"]


def test_a_signed_chunk_has_a_largest_size():
    """A signed chunk that would have to be held in more memory than allowed is refused at its first line."""
    for size, reason in ((MAX_SIGNED_CHUNK, None), (MAX_SIGNED_CHUNK + 1, Reason.TOO_LARGE)):
        line = f"{size:x};chunk-signature={'0' * 64}\r\n".encode()
        chunked = decoder(SIGNED, 10**12)
        if reason is None:
            assert chunked.feed(line) == []
        else:
            assert refusal(chunked, line) is reason


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_chunk_is_verified(place):
    """A wrong signature on the first, a middle or the closing chunk is refused alike."""
    body = encode(SIGNED, [b"one", b"two"])
    signatures = re.findall(rb"chunk-signature=([0-9a-f]{64})", body)
    wrong = body.replace(signatures[place], b"0" * 64)
    assert refusal(decoder(SIGNED, 6), wrong) is Reason.BAD_SIGNATURE


def test_chunks_hang_on_each_other():
    """Two rightly signed chunks in the other order, or one left out or repeated, are refused."""
    body = encode(SIGNED, [b"one", b"two"])
    first, second = body.index(b"one\r\n") + 5, body.index(b"two\r\n") + 5
    one, two, last = body[:first], body[first:second], body[second:]
    for parts, length in (((two, one, last), 6), ((one, last), 3), ((one, one, two, last), 9), ((last,), 0)):
        assert refusal(decoder(SIGNED, length), *parts) is Reason.BAD_SIGNATURE


def test_the_trailers_signature_is_verified():
    """A signed trailer without its signature, with a wrong one, or with another value is refused."""
    body = encode(SIGNED_TRAILER, [b"one"], TRAILERS)
    signature = re.search(rb"x-amz-trailer-signature:([0-9a-f]{64})", body)
    wrong = body.replace(signature[1], b"0" * 64)
    without = body.replace(signature[0] + b"\r\n", b"")
    other = body.replace(b"AAAAAA==", b"AAAAAQ==")
    for changed in (wrong, without, other):
        assert refusal(decoder(SIGNED_TRAILER, 3, TRAILERS), changed) is Reason.BAD_SIGNATURE
    after = body.removesuffix(b"\r\n") + b"x-amz-checksum-sha1:a\r\n\r\n"
    assert refusal(decoder(SIGNED_TRAILER, 3, [*TRAILERS, "x-amz-checksum-sha1"]), after) is Reason.BAD_REQUEST


@pytest.mark.parametrize("framing", [SIGNED_TRAILER, UNSIGNED])
def test_trailers_are_those_declared(framing):
    """A declared trailer that is missing, an undeclared one, and one that comes twice are refused."""
    assert refusal(decoder(framing, 3, [CRC]), encode(framing, [b"one"])) is Reason.BAD_REQUEST
    assert refusal(decoder(framing, 3), encode(framing, [b"one"], TRAILERS)) is Reason.BAD_REQUEST
    twice = encode(framing, [b"one"], TRAILERS).replace(
        b"x-amz-checksum", b"x-amz-checksum-crc32:A\r\nx-amz-checksum", 1
    )
    assert refusal(decoder(framing, 3, [CRC]), twice) is Reason.BAD_REQUEST
    if framing is UNSIGNED:
        signed = encode(framing, [b"one"], {"x-amz-trailer-signature": "0" * 64})
        assert refusal(decoder(framing, 3), signed) is Reason.BAD_REQUEST


def test_a_form_without_trailers_has_none():
    """Signed chunks without the trailer form refuse declared trailers, and trailers."""
    with pytest.raises(Refused):
        decoder(SIGNED, 3, [CRC])
    body = encode(SIGNED, [b"one"]).removesuffix(b"\r\n") + f"{CRC}:AAAAAA==\r\n\r\n".encode()
    assert refusal(decoder(SIGNED, 3), body) is Reason.BAD_REQUEST


@pytest.mark.parametrize("more", [b"x", b"\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n"])
@pytest.mark.parametrize("apart", [True, False])
def test_nothing_may_follow(more, apart):
    """Bytes after the end are refused, in the same piece or in a later one."""
    body, trailers = case(UNSIGNED, [b"one"])
    parts = [body, more] if apart else [body + more]
    assert refusal(decoder(UNSIGNED, 3, trailers), *parts) is Reason.BAD_REQUEST


@pytest.mark.parametrize(
    "line",
    [
        b"\r\n",
        b"3\n",
        b"3\r",
        b" 3\r\n",
        b"3 \r\n",
        b"+3\r\n",
        b"-3\r\n",
        b"0x3\r\n",
        b"3;\r\n",
        b"3;ext=1\r\n",
        b"3;chunk-signature=" + b"0" * 64 + b"\r\n",
        b"3_0\r\n",
        b"g\r\n",
        b"10000000000000000\r\n",
        "٣\r\n".encode(),
        b"3" * 600,
    ],
)
def test_a_size_line_is_grammar_strict(line):
    """Only bare hexadecimal digits and CRLF are the first line of an unsigned chunk, of the first one and the next."""
    assert refusal(decoder(UNSIGNED, 3), line + b"one\r\n0\r\n\r\n") in {Reason.BAD_REQUEST}
    assert refusal(decoder(UNSIGNED, 6), b"3\r\none\r\n" + line + b"two\r\n0\r\n\r\n") in {Reason.BAD_REQUEST}


@pytest.mark.parametrize(
    "line",
    [
        b"3",
        b"3;",
        b"3;chunk-signature=",
        b"3;chunk-signature=" + b"0" * 63,
        b"3;Chunk-Signature=" + b"0" * 64,
        b"3; chunk-signature=" + b"0" * 64,
        b"3;chunk-signature=" + b"0" * 64 + b";a=b",
    ],
)
def test_a_signed_size_line_is_grammar_strict(line):
    """A signed chunk's first line has its signature and nothing else, the first one's and the next one's."""
    assert refusal(decoder(SIGNED, 3), line + b"\r\none\r\n") is Reason.BAD_REQUEST
    before = encode(SIGNED, [b"one"]).partition(b"\r\n0;")[0] + b"\r\n"
    assert refusal(decoder(SIGNED, 6), before + line + b"\r\ntwo\r\n") is Reason.BAD_REQUEST


@pytest.mark.parametrize("after", [b"", b"x\r\n", b"\n", b"\rx\r\n", b"xx"])
def test_a_chunk_ends_where_its_size_says(after):
    """A chunk's data is followed by CRLF at once."""
    assert refusal(decoder(UNSIGNED, 3), b"3\r\none" + after + b"0\r\n\r\n") is Reason.BAD_REQUEST


def test_what_ends_a_chunk_is_counted_over_its_pieces():
    """A CR that came before is part of it, though the next piece alone would do."""
    assert refusal(decoder(UNSIGNED, 6), b"3\r\none\r", b"\r\n3\r\ntwo") is Reason.BAD_REQUEST


def test_a_line_has_a_longest_length():
    """A line that does not end is refused while it arrives, so that it is never collected."""
    chunked = decoder(UNSIGNED, 3)
    assert chunked.feed(b"3" * 500) == []
    with pytest.raises(Refused):
        chunked.feed(b"3" * 100)


@pytest.mark.parametrize("line", [b"novalue", b":a", b"a b:c", b"a:", b"a:\x00", b" a:b", b"a:b\xff", b"a" * 600])
def test_a_trailer_is_grammar_strict(line):
    """A trailer has a name, a colon and a printable value."""
    assert refusal(decoder(UNSIGNED, 0, ["a"]), b"0\r\n" + line + b"\r\n\r\n") is Reason.BAD_REQUEST


def test_the_first_fault_is_final():
    """After a refusal nothing is let out, however right the rest is."""
    chunked = decoder(UNSIGNED, 3)
    body = encode(UNSIGNED, [b"one"])
    assert refusal(chunked, b"zz\r\n") is Reason.BAD_REQUEST
    assert refusal(chunked, body) is Reason.BAD_REQUEST
    with pytest.raises(Refused):
        chunked.finish()


def test_signed_chunks_need_a_signed_request():
    """The body's form never decides whether a signature is needed: signed chunks without a seed are refused."""
    for framing in (SIGNED, SIGNED_TRAILER):
        with pytest.raises(Refused):
            ChunkedDecoder(framing, 3, None)


def test_a_decoded_length_is_needed():
    """aws-chunked without x-amz-decoded-content-length is refused as a body without a length."""
    with pytest.raises(Refused) as caught:
        decoder(UNSIGNED, None)
    assert caught.value.reason is Reason.MISSING_LENGTH


def test_declared_trailers_are_read():
    """The names of x-amz-trailer are read in lower case."""
    assert read_trailers(None) == ()
    assert read_trailers(" X-Amz-Checksum-CRC32 , a") == ("x-amz-checksum-crc32", "a")


@pytest.mark.parametrize("header", ["", ",", "a,", "a,,b", "a b", "a,A", "ä"])
def test_declared_trailers_are_grammar_strict(header):
    """Empty, repeated and malformed names are refused."""
    with pytest.raises(Refused):
        read_trailers(header)


@pytest.mark.parametrize("framing", [SIGNED_TRAILER, UNSIGNED])
def test_a_trailer_whose_line_ends_in_lf_alone_has_a_blank_line_behind_it(framing):
    """minio-go ends its trailer so, in both of its framings; without the blank line, or with it elsewhere, the body is
    broken, and chunks never end their lines like that."""
    body, trailers = encode(framing, [b"hello"], TRAILERS), TRAILERS
    last = "".join(f"{name}:{value}\r\n" for name, value in list(trailers.items())[-1:]).encode()
    told = body.replace(last, last.replace(b"\r\n", b"\n") + b"\r\n")
    assert (b"hello", trailers) == decode(decoder(framing, 5, trailers), told)
    assert (b"hello", trailers) == decode(decoder(framing, 5, trailers), *(bytes([byte]) for byte in told))
    for broken in (body.replace(last, last.replace(b"\r\n", b"\n")), told + b"\r\n", body.replace(b"\r\n", b"\n")):
        assert refusal(decoder(framing, 5, trailers), broken) in {Reason.BAD_REQUEST, Reason.INCOMPLETE_BODY}
