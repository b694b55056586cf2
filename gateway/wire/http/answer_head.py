"""Owns the head of an answer as bytes: status line, fields, framing (RFC 9112, 4 to 6).

Refuses to own which fields an answer has (`gateway.wire.s3.response_headers`, `gateway.wire.replies`).

Laws: a field is one line, and a value that would end its line early is a fault of ours and is never sent. Nothing with
a body leaves without a type, without `nosniff`, or without a policy for who opens it as a page: where an answer brings
none, it is the one that lets nothing run and nothing load.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from http import HTTPStatus
from typing import Final

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_INTERIM: Final = {104: "HTTP/1.1 104 Upload Resumption Supported\r\n"}

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NO_LENGTH: Final = frozenset({204, 304})
_TYPE: Final = frozenset({"Content-Type", "content-type"})
_NOSNIFF: Final = "X-Content-Type-Options"
_POLICY: Final = "Content-Security-Policy"


_MADE: Final[dict[int, tuple[object, object, str]]] = {}
"""What was made of the very same fields: of one object they are one object, and the look costs less than comparing."""
_MOST_MADE: Final = 2048


def interim_head(status: int, fields: Collection[tuple[str, str]]) -> bytes:
    """An interim answer, which is a head alone (RFC 9110, 15.2). Raises ValueError as `answer_head`."""
    return f"{_INTERIM[status]}{_lines(fields)}\r\n".encode("utf-8", "surrogateescape")


def has_no_body(method: str, status: int) -> bool:
    """Whether an answer ends with its head, whatever its fields say (RFC 9112, 6.3)."""
    return method == "HEAD" or status in _NO_LENGTH


def answer_head(
    status: int,
    fields: Collection[tuple[str, str]],
    more: tuple[tuple[str, str], ...] = (),
    *,
    length: int | None,
    date: str,
    chunked: bool = False,
    connection: str | None = None,
    own: Collection[tuple[str, str]] = (),
) -> bytes:
    """The bytes up to the empty line. `more` are further fields, and `own` those which no other answer has.

    `length` in bytes is sent unless it is None or the status forbids it; `connection` is sent if it is not None. A body
    without a type of its own is declared as bytes (RFC 9110, 8.3), one without a policy of its own is sandboxed. Values
    are sent as UTF-8, bytes that came as surrogates as they came.

    Raises:
        ValueError: a name or a value has a line break or a NUL.
    """
    said = (status, more, length, connection, chunked)
    made = _MADE.get(id(fields))
    if made is not None and made[0] is fields and made[1] == said:
        start = made[2]
    else:
        start = _start(status, (*fields, *more), length, connection, chunked=chunked)
        if type(fields) is tuple:  # which does not change, as a list may
            if len(_MADE) >= _MOST_MADE:
                _MADE.clear()
            _MADE[id(fields)] = fields, said, start
    return f"{start}{_lines(own) if own else ''}Date: {date}\r\n\r\n".encode("utf-8", "surrogateescape")


@lru_cache(512)
def _start(
    status: int, fields: tuple[tuple[str, str], ...], length: int | None, connection: str | None, *, chunked: bool
) -> str:
    """All but what no other answer has: of one object, it is the same again and again."""
    typed = sniffed = opened = length == 0 or status in _NO_LENGTH
    for name, _ in fields:
        typed = typed or name in _TYPE
        sniffed = sniffed or name == _NOSNIFF
        opened = opened or name == _POLICY
    more = []
    if not typed:
        more.append(("Content-Type", "application/octet-stream"))
    if not sniffed:
        more.append((_NOSNIFF, "nosniff"))
    if not opened:
        more.append((_POLICY, "default-src 'none'; sandbox"))
    if chunked:
        more.append(("Transfer-Encoding", "chunked"))
    elif length is not None and status not in _NO_LENGTH:
        more.append(("Content-Length", str(length)))
    if connection is not None:
        more.append(("Connection", connection))
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    return line + _lines([*fields, *more])


def _lines(fields: Collection[tuple[str, str]]) -> str:
    text = "".join([f"{name}: {value}\r\n" for name, value in fields])
    if text.count("\r") != len(fields) or text.count("\n") != len(fields) or "\0" in text:
        raise ValueError("a field of an answer has a line break or a NUL")
    return text
