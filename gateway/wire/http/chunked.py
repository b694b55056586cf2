"""Owns HTTP's own chunked coding, on the way in: bytes of the wire to bytes of a body (RFC 9112, 7.1).

Refuses to own S3's chunks inside of it (`gateway.wire.sig.aws_chunked`), and what a trailer says: no
reader here uses one.

Laws: read strictly. A size in hexadecimal digits, a carriage return with every line feed, and nothing between a chunk
and its end: whatever two parsers could read differently ends the body as broken. Each byte is looked at once, and what
only frames the body may exceed it by `OVERHEAD` bytes in any stretch of it: a chunk is the same work for us whether it
brings one byte or thousands. (Go's server bounds the same, in `net/http/internal.NewChunkedReader`.)
"""

from __future__ import annotations

import re
from typing import Final

from gateway.wire.http.fields import FIELD_NAME

OVERHEAD: Final = 512 * 1024
"""Bytes of framing beyond those of the body: a hundred thousand chunks of one byte pass, and of five any number."""

_TOKEN: Final = FIELD_NAME.encode()
_EXTENSION: Final = rb';%b(?:=(?:%b|"[\t\x20\x21\x23-\x5b\x5d-\x7e]*"))?' % (_TOKEN, _TOKEN)
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16}|0{17,64})(?:%b)*\r\n" % _EXTENSION)
_TRAILER: Final = re.compile(rb"(%b):[\t\x20-\x7e\x80-\xff]*\r\n" % _TOKEN)
_FRAMING: Final = frozenset({b"content-length", b"host", b"transfer-encoding"})
_SIZE_LIMIT: Final = 128
_TRAILERS_LIMIT: Final = 16 * 1024


class Chunks:
    """Decodes one body. `whole` once its end has come."""

    __slots__ = ("_closing", "_left", "_line", "_spare", "_trailers", "whole")

    def __init__(self) -> None:
        self._line = bytearray()  # of a size or a trailer that is not whole yet
        self._left = 0  # bytes of the chunk at hand
        self._closing = False  # whether the line end behind a chunk is due
        self._trailers = -1  # bytes of trailers, once the last chunk has come
        self._spare = OVERHEAD  # bytes of framing that may still come before more of the body does
        self.whole = False

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The body's bytes in `data`, and what stands behind the body's end.

        Raises:
            ValueError: this is no chunked coding, or hardly anything but framing.
        """
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.whole:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._closing = not self._left
                self._spare = min(self._spare + len(piece), OVERHEAD)
                continue
            stop = data.find(b"\n", at) + 1
            line = self._whole_line(data, at, stop or end, ended=stop > 0)
            at = stop or end
            if line is not None:
                self._read(line)
        return pieces, data[at:]

    def _whole_line(self, data: bytes, start: int, stop: int, *, ended: bool) -> bytes | None:
        """The line that ends there; None if it does not end yet."""
        kept = self._line
        size = len(kept) + stop - start
        if size > (_SIZE_LIMIT if self._trailers < 0 else _TRAILERS_LIMIT):
            raise ValueError("a line of a chunked body is too long")
        if ended and not kept:
            return self._paid(data[start:stop])
        kept += data[start:stop]
        if not ended:
            return None
        line = bytes(kept)
        kept.clear()
        return self._paid(line)

    def _paid(self, line: bytes) -> bytes:
        self._spare -= len(line)
        if self._spare < 0:
            raise ValueError("a chunked body is hardly anything but framing")
        return line

    def _read(self, line: bytes) -> None:
        if self._closing:
            if line != b"\r\n":
                raise ValueError("a chunk is longer than its size")
            self._closing = False
        elif self._trailers >= 0:
            self._trailers += len(line)
            self.whole = line == b"\r\n"
            if not self.whole:
                self._check_trailer(line)
        else:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise ValueError("the size of a chunk is malformed")
            self._left = int(size[1], 16)
            if not self._left:
                self._trailers = 0

    def _check_trailer(self, line: bytes) -> None:
        found = _TRAILER.fullmatch(line)
        if found is None or found[1].lower() in _FRAMING or self._trailers > _TRAILERS_LIMIT:
            raise ValueError("a trailer is malformed, or says what only a head may")
