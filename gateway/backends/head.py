"""Owns the reading of a store's head that came whole: what it says, and where its body ends.

Refuses to own the answer that it begins, and heads that are odd or come in pieces (`gateway.backends.response`).

Laws: llhttp judges every head. One that is plain text is then split at its lines, which says the same as llhttp's own
reading of it would, event by event. What was read once would be read again: a head is known when it is the same but for
the fields of one answer alone, which are printable text and change nothing.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from itertools import zip_longest
from struct import Struct
from typing import Final

import httptools

from gateway.core.values import dataclass

_LENGTH: Final = re.compile(rb"\d{1,18}")

_PLAIN_HEAD: Final = 4096
"""Bytes of a read in which a head may end that is split."""

_OF_ONE: Final = frozenset(
    {
        "cf-ray",
        "date",
        "x-amz-id-2",
        "x-amz-request-id",
        "x-guploader-uploadid",
        "x-ms-request-id",
        "x-oss-request-id",
        "x-trans-id",
    }
)
"""The fields that are said of one answer alone: when it was made, and under which number."""

_FOR_ONCE: Final = re.compile(rb"(\r\n(?:%b): *)([!-~ ]*)(?=\r\n)" % "|".join(sorted(_OF_ONE)).encode(), re.IGNORECASE)
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_MOST_KNOWN: Final = 1024
_LONGEST_KNOWN: Final = 1024


_FIELD: Final = re.compile(r"\r\n([^:\r]*): *([^\r]*)")


class _NoEvents:
    """For a parser that is asked for its judgement only."""

    __slots__ = ()


_NO_EVENTS: Final = _NoEvents()


@dataclass(frozen=True, slots=True)
class Framing:
    """Where a body ends, and whether another answer may follow it. `fault` is what is wrong with that, if anything.

    `length` is None if the body's own end will tell.
    """

    fault: str = ""
    keep_alive: bool = False
    length: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlainHead:
    """What a plain head says, without the fields of one answer: one object for all that say it, while it is known.

    `framing` is that of an answer to anything but HEAD.
    """

    version: str
    status: int
    headers: Mapping[str, str]
    framing: Framing


class _KnownHeads:
    """Heads by their bytes, without the fields of one answer: those that came last."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[bytes, ...], PlainHead] = OrderedDict()
        self._last: dict[int, tuple[Struct, tuple[bytes, ...], PlainHead]] = {}
        """By the length of a head, the last one of it: the lengths of its pieces, every second of them a value of one
        answer; all others of them; and what it says."""

    def recall(self, wire: bytes) -> PlainHead | None:
        """What it says, if it is known and laid out as the last one of its length, as those of one store mostly are."""
        last = self._last.get(len(wire))
        if last is None:
            return None
        pieces = last[0].unpack(wire)
        if b"".join(pieces[1::2]).translate(None, _PRINTABLE):
            return None
        kept = pieces[::2]
        if kept == last[1]:
            return last[2]
        known = self._found.get(kept)
        if known is not None:
            self._found.move_to_end(kept)
        return known

    def read(self, wire: bytes) -> PlainHead | None:
        """What it says; None if it is not one as most are."""
        parts = _FOR_ONCE.split(wire)  # text, name, value, text, name, value, text
        kept = (*(text + name for text, name in zip(parts[:-1:3], parts[1::3], strict=True)), parts[-1])
        head = self._found.get(kept) or _read_plain(b"".join(kept))
        if head is not None and len(wire) <= _LONGEST_KNOWN:
            lengths = [len(piece) for pair in zip_longest(kept, parts[2::3], fillvalue=b"") for piece in pair]
            self._last[len(wire)] = Struct("".join([f"{length}s" for length in lengths])), kept, head
            self._found[kept] = head
            self._found.move_to_end(kept)
            if len(self._found) > _MOST_KNOWN:
                self._found.popitem(last=False)
        return head


_KNOWN: Final = _KnownHeads()


def read_head(data: memoryview) -> tuple[PlainHead, bytes] | None:
    """What the head says that `data` begins with, and its bytes.

    None if it is not a whole one as most are, whose body has a length.
    """
    start = bytes(data[:_PLAIN_HEAD])
    end = start.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    wire = start[:end]
    head = _KNOWN.recall(wire) or _KNOWN.read(wire)
    return None if head is None else (head, wire)


def _read_plain(wire: bytes) -> PlainHead | None:
    text = _plain_text(wire)
    if text is None:
        return None
    judge = httptools.HttpResponseParser(_NO_EVENTS)
    try:
        judge.feed_data(wire)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    fields = [(name.lower(), value.rstrip(" ")) for name, value in _FIELD.findall(text)]  # RFC 9110, 5.5
    fields = [field for field in fields if field[0] not in _OF_ONE]
    headers = dict(fields)
    if len(headers) != len(fields):
        headers.clear()
        for name, value in fields:  # one that comes again goes on in the same line (RFC 9110, 5.2)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    status, version = judge.get_status_code(), judge.get_http_version()
    if status < 200 or "transfer-encoding" in headers:
        return None
    return PlainHead(version, status, headers, find_framing(version, status, headers, bodiless=False))


def find_framing(version: str, status: int, headers: Mapping[str, str], *, bodiless: bool) -> Framing:
    """Where the body of an answer with these fields ends. `bodiless` says that the request was a HEAD."""
    if version not in {"1.1", "1.0"}:
        return Framing("the answer is neither HTTP/1.1 nor HTTP/1.0")
    options = headers.get("connection", "").lower()
    keep_alive = "close" not in options if version == "1.1" else "keep-alive" in options
    if bodiless or status in {204, 304}:
        return Framing("", keep_alive, 0)
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or version == "1.0" or length is not None:
            return Framing("transfer-encoding that cannot be trusted", keep_alive)
        return Framing("", keep_alive)
    if length is None:
        return Framing("the answer says neither its length nor that it is chunked", keep_alive)
    if not _LENGTH.fullmatch(length.encode()):
        return Framing("content-length is not a number", keep_alive)
    return Framing("", keep_alive, int(length))


def _plain_text(head: bytes) -> str | None:
    """A head, with its status line, that is nothing but text and line ends; else None."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not text.startswith("HTTP/") or not text.replace("\r\n", "").isprintable() or "\r\n " in text:
        return None
    return text


@lru_cache(1024)
def lowered(name: bytes) -> str:
    return name.decode("latin-1").lower()
