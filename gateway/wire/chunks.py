"""Owns HTTP's own chunked coding, on the way in: bytes of the wire to bytes of a body (RFC 9112, 7.1).

Refuses to own S3's chunks inside of it (`gateway.wire.chunked`), and what a trailer says: nobody here asks for one.

Law: read strictly. A size in hexadecimal digits, a carriage return with every line feed, and nothing between a chunk
and its end: whatever two readers could see differently ends the body as broken.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["Chunks"]

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_EXTENSION: Final = rb';%b(?:=(?:%b|"[\t\x20\x21\x23-\x5b\x5d-\x7e]*"))?' % (_TOKEN, _TOKEN)
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16}|0{17,64})(?:%b)*\r\n" % _EXTENSION)
_TRAILER: Final = re.compile(rb"(%b):[\t\x20-\x7e\x80-\xff]*\r\n" % _TOKEN)
_FRAMING: Final = frozenset({b"content-length", b"host", b"transfer-encoding"})
_SIZE_LIMIT: Final = 128
_TRAILERS_LIMIT: Final = 16 * 1024


class Chunks:
    """Decodes one body. `whole` once its end has come."""

    __slots__ = ("_closing", "_left", "_line", "_trailers", "whole")

    def __init__(self) -> None:
        self._line = b""  # of a size or a trailer that is not whole yet
        self._left = 0  # bytes of the chunk at hand
        self._closing = False  # whether the line end behind a chunk is due
        self._trailers = -1  # bytes of trailers, once the last chunk has come
        self.whole = False

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The body's bytes in `data`, and what stands behind the body's end.

        Raises:
            ValueError: this is no chunked coding.
        """
        pieces: list[bytes] = []
        while data and not self.whole:
            if self._left:
                piece, data = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
                pieces.append(piece)
                self._left -= len(piece)
                self._closing = not self._left
                continue
            end = data.find(b"\n") + 1
            line = self._line + (data[:end] if end else data)
            if len(line) > (_SIZE_LIMIT if self._trailers < 0 else _TRAILERS_LIMIT):
                raise ValueError("a line of a chunked body is too long")
            if not end:
                self._line = line
                return pieces, b""
            self._line, data = b"", data[end:]
            self._read(line)
        return pieces, data

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
