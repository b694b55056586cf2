"""Owns one request as it arrives: what its head said, and the bytes after it, piece by piece.

Refuses to own the socket (`gateway.server.connection`) and what the request means (`gateway.wire.parse`).

Law: a body ends whole or broken, and its reader learns which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Final

from gateway.core.reasons import Refused
from gateway.core.request import RawRequest
from gateway.eager import Signal
from gateway.server.client_address import FORWARDING
from gateway.wire.http.chunked import Chunks
from gateway.wire.http.target import raw_request
from gateway.wire.likeness import AlikeHeads


class IncomingBody:
    """The bytes after a head. One reader.

    `left` is how many are still to come, None when their end is marked by the chunked coding. `on_want`, if it is set,
    is called when the reader has taken all that came, and waits for more.
    """

    __slots__ = ("_came", "_coding", "_left", "_pieces", "broken", "empty", "on_want", "whole")

    def __init__(self, left: int | None) -> None:
        self._pieces: list[bytes] = []  # few: no more is read while some wait here
        self.on_want: Callable[[], None] | None = None
        self._came = Signal()
        self._left = left or 0
        self._coding = Chunks() if left is None else None
        self.whole = left == 0
        self.empty = True  # as far as it has come
        self.broken = False

    @property
    def wanted(self) -> bool:
        """Whether the reader waits for more right now."""
        return self._came.awaited

    @property
    def unread(self) -> bool:
        """Whether some of it waits for a reader that has not asked for it, and more is to come."""
        return not self.whole and bool(self._pieces) and not self._came.awaited

    @property
    def left(self) -> int:
        """Bytes that have not come, 0 if unknown."""
        return self._left

    @property
    def taken(self) -> bool:
        """Whether all that came was read, and more may come."""
        return not self._pieces and not self.broken

    def skip(self, count: int) -> None:
        """So many bytes came, and went another way than through here. Never the last one."""
        self._left -= count

    def take(self, data: bytes) -> bytes:
        """Keep what of `data` belongs to the body; returns what follows it. A coding that is malformed breaks off.

        A waiting reader goes on at `notify`.
        """
        if self._coding is not None:
            try:
                pieces, data = self._coding.feed(data)
            except ValueError:
                self.broken = True
                return b""
            self.whole = self._coding.whole
            if pieces:
                self._put(b"".join(pieces))
            return data
        piece, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        self._left -= len(piece)
        self.whole = not self._left
        self._put(piece)
        return rest

    def break_off(self) -> None:
        """Nothing more will come; what is whole already stays so."""
        self.broken = not self.whole
        self.notify()

    def notify(self) -> None:
        """Let a waiting reader go on with what was taken: the last thing that is done in a turn."""
        self._came.give()

    async def read(self) -> bytes:
        """The next bytes as they came, b"" once the body is whole and read.

        Raises:
            ConnectionError: the client broke off.
        """
        while not self._pieces:
            if self.whole:
                return b""
            if self.broken:
                raise ConnectionError("the body broke off")
            if self.on_want is not None:
                self.on_want()
            await self._came
        return self._pieces.pop(0)

    def take_all(self) -> bytes:
        """What came and was not read yet, all at once."""
        pieces = self._pieces
        if len(pieces) == 1:
            return pieces.pop()
        whole = b"".join(pieces)
        pieces.clear()
        return whole

    def _put(self, piece: bytes) -> None:
        self.empty = False
        self._pieces.append(piece)


class Pieces:
    """A body piece by piece, as `read` gives it. None is kept here while its reader has it, who may stall."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], Awaitable[bytes]]) -> None:
        self._read = read

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._read()
        if not piece:
            raise StopAsyncIteration
        return piece


_NO_BODY: Final = IncomingBody(0)
"""That of all requests without one: it is whole, so that nothing is taken, awaited or broken off."""


class IncomingRequest:
    """One request. `raw` is its head as HTTP allows it, or `fault` is why HTTP does not. A head that is like known
    `heads` is read by them: `differing` is in what it differs, and what it says is put together (`said`) once somebody
    asks.

    `keep_alive` is whether the client means to go on with the connection afterwards. `note` is what others have learned
    from the head, kept with it. `length` is that of the body, None if its coding says where it ends. `asks_first` is
    whether the client waits for leave to send it: from HTTP/1.0 that means nothing (RFC 9110, 10.1.1). `forwarded` is
    whether a field came in which proxies name their clients.
    """

    __slots__ = (
        "asks_first",
        "body",
        "differing",
        "fault",
        "forwarded",
        "heads",
        "keep_alive",
        "length",
        "method",
        "note",
        "said",
        "target",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        fields: Iterable[tuple[bytes, bytes]],
        version: tuple[int, int],
        *,
        keep_alive: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.keep_alive = keep_alive
        self.said: RawRequest | None = None
        self.heads: AlikeHeads | None = None
        self.differing: tuple[bytes, ...] | None = None
        self.fault: Refused | None = None
        self.note: object = None
        self.length: int | None = None
        self.asks_first = self.forwarded = False
        try:
            self.said = raw = raw_request(method, target, fields, version)
        except Refused as fault:
            # Where such a request ends, and so where the next one begins, is as doubtful (RFC 9112, 6.3).
            self.fault = fault
            self.keep_alive = False
            self.body = IncomingBody(None)
            return
        self.forwarded = not FORWARDING.isdisjoint(raw.names())
        length = raw.header("content-length")
        chunked = length is None and raw.header("transfer-encoding") is not None
        self.length = None if chunked else int(length or 0)
        self.body = IncomingBody(self.length) if self.length != 0 else _NO_BODY
        self.asks_first = version >= (1, 1) and (raw.header("expect") or "").lower() == "100-continue"

    @property
    def raw(self) -> RawRequest | None:
        """What the head says."""
        if self.said is None and self.heads is not None and self.differing is not None:
            self.said = self.heads.raw(self.differing)
        return self.said

    def again(self) -> IncomingRequest:
        """Another request with the same head, whose body has yet to come; without a body, all of them are one."""
        if self.length == 0 and self.heads is None:
            return self
        return self._another(self.raw, None, None)

    def alike(self, heads: AlikeHeads, differing: tuple[bytes, ...]) -> IncomingRequest:
        """Another request whose head is like this one's, but for what differs."""
        return self._another(None, heads, differing)

    def _another(
        self, raw: RawRequest | None, heads: AlikeHeads | None, differing: tuple[bytes, ...] | None
    ) -> IncomingRequest:
        other = IncomingRequest.__new__(IncomingRequest)
        other.method, other.target, other.version = self.method, self.target, self.version
        other.said, other.heads, other.differing = raw, heads, differing
        other.keep_alive, other.fault, other.note = self.keep_alive, self.fault, self.note
        other.length, other.asks_first, other.forwarded = self.length, self.asks_first, self.forwarded
        other.body = IncomingBody(self.length) if self.length != 0 else _NO_BODY
        return other

    @property
    def headers(self) -> Mapping[str, str]:
        """The fields of a head that could be read, the last of each name."""
        return {} if self.raw is None else dict(self.raw.headers)
