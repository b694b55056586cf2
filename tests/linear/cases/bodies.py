"""Bodies, as a client frames, signs and sums them up."""

from __future__ import annotations

from base64 import b64encode

from gateway.core.request import BodyFraming
from gateway.server.request import IncomingBody
from gateway.wire.http.chunked import Chunks
from gateway.wire.sig import sigv4
from gateway.wire.sig.aws_chunked import ChunkedDecoder, read_trailers
from gateway.wire.sig.checksums import BodyChecks, crc32c, crc64nvme
from tests.linear.case import Case, Thunk, byte_by_byte, collect, fed
from tests.linear.inputs import STAMP, TAIL

CASES: list[Case] = []
case = collect(CASES)


@case("wire.http.chunked:Chunks server.request:IncomingBody", 200)
def chunks_of_one_byte(n: int) -> Thunk:
    body = IncomingBody(None)
    wire = b"1\r\nx\r\n" * n + b"%x\r\n" % (TAIL * n) + bytes(TAIL * n)
    return lambda: body.take(wire)


@case("wire.http.chunked:Chunks", 150)
def trailers_and_extensions(n: int) -> Thunk:
    chunks, wire = Chunks(), b"1;a=b;c=d\r\nx\r\n" * n + b"0\r\n" + b"a:b\r\n" * n + b"\r\n"
    return lambda: chunks.feed(wire)


@case("wire.http.chunked:Chunks", 600)
def a_trailer_byte_by_byte(n: int) -> Thunk:
    return byte_by_byte(Chunks(), b"0\r\na: " + b"x" * n)


def chunked(framing: BodyFraming, length: int) -> ChunkedDecoder:
    verified = sigv4.Verified("A", b"k" * 32, "s", STAMP, "5" * 64, framing.value)
    return ChunkedDecoder(framing, length, None if framing is BodyFraming.UNSIGNED_CHUNKS_TRAILER else verified)


@case("wire.sig.aws_chunked:ChunkedDecoder", 150)
def unsigned_chunks_of_one_byte(n: int) -> Thunk:
    decoder = chunked(BodyFraming.UNSIGNED_CHUNKS_TRAILER, 65 * n)
    return fed(decoder, b"1\r\nx\r\n" * n + b"%x\r\n" % (TAIL * n) + bytes(TAIL * n), 10**9)


@case("wire.sig.aws_chunked:ChunkedDecoder", 600)
def a_signed_chunk_byte_by_byte(n: int) -> Thunk:
    head = b"%x;chunk-signature=%b\r\n" % (n, b"0" * 64)
    return byte_by_byte(chunked(BodyFraming.SIGNED_CHUNKS, n), head + b"x" * (n - 1))


@case("wire.sig.aws_chunked:read_trailers", 300)
def many_trailers_declared(n: int) -> Thunk:
    text = ",".join(f"t{number}" for number in range(n))
    return lambda: read_trailers(text)


@case("wire.sig.checksums:BodyChecks wire.sig.checksums:crc32c wire.sig.checksums:crc64nvme", 3000)
def a_body_with_checksums(n: int) -> Thunk:
    checks = BodyChecks.from_request({"x-amz-checksum-sha1": b64encode(bytes(20)).decode()}, "0" * 64)
    data = bytes(n)

    def run() -> None:
        checks.update(data)
        crc32c(data)
        crc64nvme(data)
        checks.finish()

    return run
