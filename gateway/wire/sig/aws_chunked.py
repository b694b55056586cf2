"""Owns the aws-chunked body framing: plain bytes out of the three `STREAMING-…` forms, with every signature checked.

Refuses to own sockets, HTTP's own chunked coding (the server has taken it off) and digests
(`gateway.wire.sig.checksums`).

Law: not one byte of a signed chunk leaves before that chunk's signature was found right; the closing chunk and the
trailer are checked like any other; nothing may be missing, added or left over. What only frames the body may exceed it
by no more than in HTTP's own coding (`gateway.wire.http.chunked`). The first fault is final.
Source: the S3 API reference, "Signature calculations for the Authorization header: transferring payload in multiple
chunks" and its companion on trailing headers.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import BodyFraming
from gateway.wire.http.chunked import OVERHEAD
from gateway.wire.sig.sigv4 import Verified

MAX_SIGNED_CHUNK: Final = 16 * 1024 * 1024
"""Bytes. A signed chunk is held back until it is checked, so its size is memory; SDKs use 64 KiB to 1 MiB."""

_CRLF: Final = b"\r\n"
_MAX_LINE: Final = 512
_MAX_TRAILERS: Final = 8
_NOTHING: Final = sha256()
_EMPTY_SHA256: Final = _NOTHING.hexdigest()
_SIZE: Final = rb"([0-9A-Fa-f]{1,16})"
_SIGNED_SIZE: Final = _SIZE + rb";chunk-signature=([0-9a-f]{64})"
_SIZE_LINE: Final = re.compile(_SIZE)
_SIGNED_SIZE_LINE: Final = re.compile(_SIGNED_SIZE)
_NEXT_CHUNK: Final = re.compile(rb"\r\n" + _SIZE + rb"\r\n")
_NEXT_SIGNED_CHUNK: Final = re.compile(rb"\r\n" + _SIGNED_SIZE + rb"\r\n")
"""What ends a chunk's data, and the line that follows: nearly always, both have come whole."""
_TRAILER_LINE: Final = re.compile(rb"([A-Za-z0-9-]{1,64}):[ \t]*([!-~](?:[ -~]*[!-~])?)[ \t]*")
_TRAILER_NAME: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_SIGNATURE_TRAILER: Final = "x-amz-trailer-signature"


Trailers = Mapping[str, str]
"""What came after the body, by lower-cased name; the trailers' signature is checked and not among them."""


class _Step(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    LAST_LINES = auto()
    DONE = auto()
    BROKEN = auto()


# By names of this module: an enumeration's are looked up in several calls each, many times a chunk.
_AT_SIZE: Final = _Step.SIZE
_IN_DATA: Final = _Step.DATA
_AT_DATA_END: Final = _Step.DATA_END
_IN_LAST_LINES: Final = _Step.LAST_LINES
_DONE: Final = _Step.DONE
_BROKEN: Final = _Step.BROKEN


def read_trailers(header: str | None) -> tuple[str, ...]:
    """The names in an `x-amz-trailer` header, lower-cased.

    Raises:
        Refused: BAD_REQUEST for an empty, malformed or repeated name.
    """
    if header is None:
        return ()
    names = tuple(name.strip(" \t").lower() for name in header.split(","))
    if not all(map(_TRAILER_NAME.fullmatch, names)) or len(set(names)) != len(names):
        raise Refused(Reason.BAD_REQUEST, "x-amz-trailer is malformed")
    return names


class ChunkedDecoder:
    """One body. `decoded_length` is `x-amz-decoded-content-length` in bytes.

    `verified` is what the request's own signature proved; without it only unsigned chunks can be read. Memory is
    bounded by `MAX_SIGNED_CHUNK`, and by the piece fed for unsigned chunks.

    Raises:
        Refused: at construction, BAD_REQUEST for signed chunks in a request that was not signed with SigV4,
            MISSING_LENGTH without a decoded length.
    """

    def __init__(
        self,
        framing: BodyFraming,
        decoded_length: int | None,
        verified: Verified | None,
        trailer_names: Sequence[str] = (),
    ) -> None:
        if framing is BodyFraming.PLAIN:
            raise ValueError("a plain body has no chunks")
        self._signed = framing is not BodyFraming.UNSIGNED_CHUNKS_TRAILER
        self._size_line = _SIGNED_SIZE_LINE if self._signed else _SIZE_LINE
        self._next_chunk = _NEXT_SIGNED_CHUNK if self._signed else _NEXT_CHUNK
        if self._signed and verified is None:
            raise Refused(Reason.BAD_REQUEST, "signed chunks in a request without a SigV4 signature")
        if decoded_length is None:
            raise Refused(Reason.MISSING_LENGTH, "aws-chunked without x-amz-decoded-content-length")
        if framing is BodyFraming.SIGNED_CHUNKS and trailer_names:
            raise Refused(Reason.BAD_REQUEST, "x-amz-trailer with a form that has no trailer")
        self._trailer_signed = framing is BodyFraming.SIGNED_CHUNKS_TRAILER
        self._verified = verified
        self._previous = verified.signature if verified is not None else ""
        self._decoded_length = decoded_length
        self._declared = frozenset(trailer_names)
        self._step = _AT_SIZE
        self._line = b""  # what has come of one
        self._left = 0
        self._spare = OVERHEAD
        self._blank_ahead = False
        self._total = 0
        self._chunk_signature = ""
        self._chunk_hash = _NOTHING
        self._held = bytearray()
        self._trailers: dict[str, str] = {}
        self._trailer_signature: str | None = None

    def feed(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        """The plain bytes that the next piece of the body sets free, possibly none; of a view, mostly views.

        Raises:
            Refused: BAD_REQUEST (framing), BAD_SIGNATURE, TOO_LARGE (a signed chunk), INCOMPLETE_BODY (more bytes
                than declared). Nothing can be fed afterwards.
        """
        step, self._step = self._step, _BROKEN
        out: list[bytes | memoryview] = []
        position, end = 0, len(data)
        while position < end:
            if step is _IN_DATA:
                piece = data[position : position + self._left]
                position += len(piece)
                step = self._take(piece, out)
            elif step is _AT_DATA_END:
                position, step = self._end_data(data, position)
            elif step is _DONE:
                raise Refused(Reason.BAD_REQUEST, "bytes after the end of the body")
            elif step is _BROKEN:
                raise Refused(Reason.BAD_REQUEST, "the body was refused already")
            else:
                position, line = self._read_line(data, position, last=step is _IN_LAST_LINES)
                if line is not None:
                    step = self._follow(step, line)
        self._step = step
        return out

    def finish(self) -> Trailers:
        """To be called when the body's bytes have ended.

        Raises:
            Refused: INCOMPLETE_BODY for a body that ended early or is shorter than declared.
        """
        if self._step is not _DONE:
            raise Refused(Reason.INCOMPLETE_BODY, "the body ended before its closing chunk")
        return MappingProxyType(self._trailers)

    def _read_line(self, data: bytes | memoryview, position: int, *, last: bool) -> tuple[int, bytes | None]:
        """The next position, and the line without its CRLF once it is whole.

        One library (minio-go) ends a trailer's line with LF alone and leaves a blank line behind it, before what ends
        the body.
        """
        ahead = bytes(data[position : position + _MAX_LINE])
        end = ahead.find(b"\n") + 1
        line = self._line + (ahead[:end] if end else ahead)
        stop = position + (end or len(ahead))
        if len(line) >= _MAX_LINE:
            raise Refused(Reason.BAD_REQUEST, "a line between chunks is too long")
        if not end:
            self._line = line
            return stop, None
        self._line = b""
        self._count_framing(len(line))
        if line.endswith(b"\r\n"):
            return stop, line[:-2]
        if not last or line == b"\n":
            raise Refused(Reason.BAD_REQUEST, "a line between chunks does not end in CRLF")
        self._blank_ahead = True
        return stop, line[:-1]

    def _count_framing(self, size: int) -> None:
        self._spare -= size
        if self._spare < 0:
            raise Refused(Reason.BAD_REQUEST, "the chunks are hardly anything but framing")

    def _end_data(self, data: bytes | memoryview, position: int) -> tuple[int, _Step]:
        """The next position and step: two bytes and nothing else end a chunk's data, which may come one by one. With
        the next chunk's line behind them, that is read, too."""
        following = None if self._line else self._next_chunk.match(data, position)
        if following is not None:
            self._count_framing(following.end() - position)
            return following.end(), self._begin_chunk(following)
        stop = position + 2 - len(self._line)
        ending = self._line + data[position:stop]
        if ending == _CRLF:
            self._line = b""
            self._spare -= 2
            return stop, _AT_SIZE
        if ending != _CRLF[:1]:
            raise Refused(Reason.BAD_REQUEST, "a chunk is longer than its size")
        self._line = ending
        return position + 1, _AT_DATA_END

    def _follow(self, step: _Step, line: bytes) -> _Step:
        if step is _AT_SIZE:
            return self._begin_chunk(self._size_line.fullmatch(line))
        if line:
            self._add_trailer(line)
            return _IN_LAST_LINES
        if self._blank_ahead:
            self._blank_ahead = False
            return _IN_LAST_LINES
        self._close()
        return _DONE

    def _begin_chunk(self, match: re.Match[bytes] | None) -> _Step:
        if match is None:
            raise Refused(Reason.BAD_REQUEST, "a chunk's first line is malformed")
        size = int(match[1], 16)
        if self._signed:
            self._chunk_signature = match[2].decode()
            self._chunk_hash = sha256()
            if size > MAX_SIGNED_CHUNK:
                raise Refused(Reason.TOO_LARGE, f"a signed chunk of {size} bytes")
        self._left = size
        self._total += size
        if self._total > self._decoded_length:
            raise Refused(Reason.INCOMPLETE_BODY, "the chunks hold more than x-amz-decoded-content-length")
        if size:
            return _IN_DATA
        if self._signed:
            self._check_chunk()
        return _IN_LAST_LINES

    def _take(self, piece: bytes | memoryview, out: list[bytes | memoryview]) -> _Step:
        self._left -= len(piece)
        self._spare = min(self._spare + len(piece), OVERHEAD)
        if not self._signed:
            out.append(piece)
            return _IN_DATA if self._left else _AT_DATA_END
        self._held += piece
        self._chunk_hash.update(piece)
        if self._left:
            return _IN_DATA
        self._check_chunk()
        out.append(bytes(self._held))
        self._held.clear()
        return _AT_DATA_END

    def _check_chunk(self) -> None:
        self._check(
            "AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY_SHA256}\n{self._chunk_hash.hexdigest()}", self._chunk_signature
        )

    def _check(self, kind: str, content: str, given: str) -> None:
        """Compare one link of the chain of signatures and step on to it."""
        if self._verified is None:
            raise Refused(Reason.BAD_SIGNATURE, "no signature to hang a chunk on")
        text = f"{kind}\n{self._verified.timestamp}\n{self._verified.scope}\n{self._previous}\n{content}"
        expected = self._verified.signing_key.sign(text.encode())
        if not hmac.compare_digest(expected, given):
            raise Refused(Reason.BAD_SIGNATURE, "a chunk's or the trailer's signature is wrong")
        self._previous = expected

    def _add_trailer(self, line: bytes) -> None:
        match = _TRAILER_LINE.fullmatch(line)
        if match is None:
            raise Refused(Reason.BAD_REQUEST, "a trailer is malformed")
        name, value = match[1].decode().lower(), match[2].decode()
        if self._trailer_signature is not None:
            raise Refused(Reason.BAD_REQUEST, "a trailer after the trailer's signature")
        if name == _SIGNATURE_TRAILER and self._trailer_signed:
            self._trailer_signature = value
        elif name not in self._declared or name in self._trailers or len(self._trailers) >= _MAX_TRAILERS:
            raise Refused(Reason.BAD_REQUEST, f"the trailer {name} was not declared, or came twice")
        else:
            self._trailers[name] = value

    def _close(self) -> None:
        if self._total != self._decoded_length:
            raise Refused(Reason.INCOMPLETE_BODY, "the chunks hold less than x-amz-decoded-content-length")
        missing = self._declared - self._trailers.keys()
        if missing:
            raise Refused(Reason.BAD_REQUEST, f"declared and missing: {', '.join(sorted(missing))}")
        if self._trailer_signed:
            lines = "".join([f"{name}:{value}\n" for name, value in self._trailers.items()])
            content = sha256(lines.encode()).hexdigest()
            self._check("AWS4-HMAC-SHA256-TRAILER", content, self._trailer_signature or "")
