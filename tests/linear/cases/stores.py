"""Answers of stores, and uploads to them."""

from __future__ import annotations

from gateway.backends.response import Response
from gateway.wire.links.tus import parts_fields
from tests.linear.case import Case, Thunk, collect

CASES: list[Case] = []
case = collect(CASES)


def answer_head(inner: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + inner + b"\r\n"


def answered(wire: bytes, step: int = 10**9) -> Thunk:
    response = Response()

    def run() -> None:
        for start in range(0, len(wire), step):
            response.feed(memoryview(wire[start : start + step]))
        while response.chunks:
            response.pop()

    return run


@case("backends.response:Response", 300)
def a_store_with_one_header_many_times(n: int) -> Thunk:
    return answered(answer_head((b"a:" + b"b" * 8 + b"\r\n") * n))


@case("backends.response:Response", 500)
def a_store_with_chunks_of_one_byte(n: int) -> Thunk:
    return answered(answer_head(b"") + b"1\r\nx\r\n" * n + b"%x\r\n" % (64 * n) + bytes(64 * n) + b"\r\n0\r\n\r\n")


@case("backends.response:Response", 400)
def a_store_that_sends_byte_by_byte(n: int) -> Thunk:
    return answered(answer_head(b"a: " + b"b" * n + b"\r\n") + b"%x\r\n" % n + bytes(n), 1)


@case("wire.links.tus:parts_fields", 2000)
def an_upload_with_every_other_part(n: int) -> Thunk:
    ahead = range(1, 2 * n, 2)
    return lambda: parts_fields(1000, ahead)
