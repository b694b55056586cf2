"""Owns one store's answer as a value that grows: bytes go in, a checked head and body chunks come out.

Refuses to own sockets, timers and tasks (`gateway.backends.connection`).

Laws: an answer that ends before its framing says so is never complete. An answer whose framing does not say where it
ends is refused (RFC 9112 section 6.3 would read until the close, which looks the same as a cut). What comes at once
is handed on at once, in however many chunks it was framed, and framing exceeds what it frames by `_OVERHEAD` at most.
llhttp judges every head: event by event here, unless it is one that `gateway.backends.head` reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import httptools

from gateway.backends.head import Framing, PlainHead, find_framing, lowered, read_head
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.wire.http.fields import CONTROL

MAX_HEAD: Final = 65536
"""Bytes of status line and headers, interim answers included; eight times what nginx allows by default."""

MAX_CHUNK: Final = 262144
"""The largest chunk handed on, in bytes (`AnswerBody`'s contract)."""

_OVERHEAD: Final = 1024 * 1024
"""Bytes of chunk sizes and trailers beyond those of the body: the same law as for callers
(`gateway.wire.http.chunked`)."""

_KEEP_ALIVE: Final = re.compile(r"timeout=(\d{1,6})", re.ASCII | re.IGNORECASE)


class Response:
    """One answer. `bodiless` says that the request was a HEAD, whose answer has no body whatever its headers say.

    `complete` is true once the framing's own end was seen, `surplus` when bytes came after it: the answer stands then,
    but its connection must not be used again. `known` and `wire` are as in
    `core.route.Answer`.
    """

    __slots__ = (
        "_bodiless",
        "_events",
        "_left",
        "buffered",
        "chunks",
        "complete",
        "failure",
        "head_done",
        "headers",
        "keep_alive",
        "known",
        "length",
        "received",
        "started",
        "status",
        "surplus",
        "wire",
    )

    def __init__(self, *, bodiless: bool = False) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.wire = b""
        self.known: PlainHead | None = None
        self.length: int | None = None
        self.chunks: list[bytes] = []  # few: who reads waits for no more while some wait here
        self.buffered = 0
        self.received = 0
        self.started = self.head_done = self.complete = self.surplus = self.keep_alive = False
        self.failure: UpstreamFailed | None = None
        self._bodiless = bodiless
        self._left: int | None = None
        self._events: _Events | None = None

    def feed(self, data: memoryview) -> None:
        """Take what arrived; `failure` says afterwards whether it can still become an answer."""
        if self._left is not None:
            self._take(data)
        elif self.started or not self._take_plain_head(data):
            self._take_events(data)

    def _take_events(self, data: memoryview) -> None:
        if not self.started:
            self.started = True
            self._events = _Events(self, bodiless=self._bodiless)
        if self._events is None:
            self.surplus = True
            return
        self._events.feed(data)
        if self.failure is None and not self.complete and self.head_done and self.length is not None:
            # From here on the rest is only counted: no second copy, no parser.
            self._left = self.length - self.received
        if self.complete or self._left is not None:
            self._events = None  # they know us, as we know them: only a collection would give both back

    def _take_plain_head(self, data: memoryview) -> bool:
        """Take it if it begins with a whole head as most are, whose body has a length; else nothing has happened."""
        found = read_head(data)
        if found is None:
            return False
        head, self.wire = found
        end = len(self.wire)
        self.started = True
        self.known, self.headers = head, head.headers
        if self._bodiless:
            self.frame(head.status, find_framing(head.version, head.status, head.headers, bodiless=True))
        else:
            self.frame(head.status, head.framing)
        if self.length:
            self._left = self.length
            if len(data) > end:
                self._take(data[end:])
        else:
            self.surplus = len(data) > end
        return True

    def frame(self, status: int, framing: Framing) -> None:
        """The head is read, and says this of the body."""
        self.status, self.head_done = status, True
        self.keep_alive, self.length = framing.keep_alive, framing.length
        if framing.fault:
            self.fail(Reason.UPSTREAM_BROKE, framing.fault)
        elif framing.length == 0:
            self.complete = True

    @property
    def left(self) -> int:
        """Bytes of the body that have not come, where they are only counted and all others were taken; else 0."""
        return 0 if self._left is None or self.chunks or self.failure is not None else self._left

    def skip(self, count: int) -> None:
        """So many bytes came, and went another way than through here. Never the last one."""
        self.received += count
        self._left = (self._left or 0) - count

    def fail(self, reason: Reason, detail: str) -> None:
        """Record why this answer will never be complete; the first cause stays."""
        self._events = None
        if self.failure is None and not self.complete:
            self.failure = UpstreamFailed(reason, detail)

    def raise_failure(self) -> None:
        """Raise why this answer will never be complete, if it will not.

        A new exception each time: one that is kept would keep every frame that it passed through.
        """
        if self.failure is not None:
            raise UpstreamFailed(self.failure.reason, self.failure.detail)

    def end(self) -> None:
        """The connection ended."""
        if not self.started:
            self.fail(Reason.UPSTREAM_BROKE, "closed before any answer")
        elif not self.head_done:
            self.fail(Reason.UPSTREAM_BROKE, "closed within the head")
        elif self.length is None:
            self.fail(Reason.UPSTREAM_BROKE, f"closed within a chunked body, after {self.received} bytes")
        else:
            self.fail(Reason.UPSTREAM_BROKE, f"closed after {self.received} of {self.length} body bytes")

    def pop(self) -> bytes:
        """The next chunk, at most `MAX_CHUNK` bytes; only when `chunks` is not empty."""
        chunk = self.chunks.pop(0)
        if len(chunk) > MAX_CHUNK:
            self.chunks.insert(0, chunk[MAX_CHUNK:])
            chunk = chunk[:MAX_CHUNK]
        self.buffered -= len(chunk)
        return chunk

    @property
    def keep_alive_seconds(self) -> int | None:
        """What the store says about its patience with an idle connection (`Keep-Alive: timeout=N`)."""
        told = self.headers.get("keep-alive")
        match = None if told is None else _KEEP_ALIVE.search(told)
        return int(match[1]) if match else None

    def _take(self, data: memoryview) -> None:
        left = self._left or 0
        if len(data) > left:
            self.surplus = True
            data = data[:left]
        size = len(data)
        if size:  # as `append`, which each answer would call
            self.chunks.append(bytes(data))
            self.buffered += size
            self.received += size
        self._left = left - size
        if not self._left:
            self._left = None
            self.complete = True

    def append(self, chunk: bytes) -> None:
        """Bytes of the body have come."""
        self.chunks.append(chunk)
        self.buffered += len(chunk)
        self.received += len(chunk)


class _Events:
    """What llhttp finds in an answer, event by event: its `on_` methods are called in the turn in which it is fed."""

    __slots__ = ("_answer", "_bodiless", "_fault", "_fields", "_head_bytes", "_interim", "_parser", "_pieces", "_spare")

    def __init__(self, answer: Response, *, bodiless: bool) -> None:
        self._answer = answer
        self._bodiless = bodiless
        self._fault = ""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._interim = False
        self._pieces: list[bytes] = []  # what is found in one piece of the wire
        self._spare = _OVERHEAD
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: memoryview) -> None:
        answer = self._answer
        if not answer.head_done:
            self._head_bytes += len(data)
        chunked = answer.head_done and answer.length is None
        self._parse(data)
        found = b"".join(self._pieces)
        self._pieces.clear()
        if found:
            answer.append(found)
        if chunked:
            self._spare = min(self._spare - len(data) + 2 * len(found), _OVERHEAD)
            if self._spare < 0 and not answer.complete:
                self._fault = self._fault or "a chunked body is hardly anything but framing"
        if not answer.head_done and self._head_bytes > MAX_HEAD:
            self._fault = self._fault or "the head is too large"
        if self._fault:
            answer.fail(Reason.UPSTREAM_BROKE, self._fault)

    def _parse(self, data: memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fault = self._fault or "switched protocols"
        except httptools.HttpParserError as error:
            if not self._answer.complete:
                self._fault = self._fault or f"malformed answer: {error}"
            self._answer.surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers come here too and are dropped."""
        if not self._answer.head_done:
            self._fields.append((name, value))

    def on_message_begin(self) -> None:
        """A second answer to one request is a fault."""
        if self._answer.head_done:
            self._answer.surplus = True

    def on_headers_complete(self) -> None:
        """Decide where the body ends, before any of it is believed."""
        answer = self._answer
        if answer.head_done:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._interim = True
            self._fields.clear()
            if status == 101:
                self._fault = "switched protocols"
            return
        answer.headers = headers = self._read_headers()
        framing = find_framing(self._parser.get_http_version(), status, headers, bodiless=self._bodiless)
        self._fault = self._fault or framing.fault
        answer.frame(status, replace(framing, fault=self._fault))

    def on_body(self, chunk: bytes) -> None:
        if self._answer.complete:
            self._answer.surplus = True
        else:
            self._pieces.append(chunk)

    def on_message_complete(self) -> None:
        """An interim answer ends here too, and the real one follows on the same parser."""
        if self._interim:
            self._interim = False
        elif not self._fault:
            self._answer.complete = True

    def _read_headers(self) -> dict[str, str]:
        found: dict[str, list[str]] = {}
        if self._head_bytes > MAX_HEAD and sum(len(name) + len(value) for name, value in self._fields) > MAX_HEAD:
            self._fault = "the head is too large"
        for raw_name, raw_value in self._fields:
            name = lowered(raw_name)
            try:
                value = raw_value.decode("utf-8")
            except UnicodeDecodeError:
                value = raw_value.decode("latin-1")
            if not value.isprintable() and CONTROL.search(value):
                continue
            found.setdefault(name, []).append(value.rstrip(" "))
        self._fields.clear()
        return {name: ", ".join(values) for name, values in found.items()}
