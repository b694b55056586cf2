"""Owns the client's side of one request: what came, the body still coming, the answer going out, and the cut.

Refuses to own any decision. The only module of the data plane, beside the listener, that touches aiohttp.

Laws: after the head of an answer was sent, an error cuts the connection and never finishes the body (T1, T2);
`100 Continue` is sent when somebody first wants the body, so a refused upload costs no body byte (T12);
a cut is linger 0 plus abort, so that nothing more leaves the kernel's queue (T5).
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Network, IPv6Network, ip_address
from types import TracebackType
from typing import Final

from aiohttp import web

from gateway.core.attempt import Address
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.wire.replies import Reply
from gateway.wire.target import raw_request

__all__ = ["Exchange", "client_address", "unhurried"]

_LINGER_NONE: Final = struct.pack("ii", 1, 0)
_NOT_ACKNOWLEDGED: Final = termios.TIOCOUTQ
_NOT_SENT: Final = 0x894B
"""SIOCOUTQNSD of Linux (linux/sockios.h), which Python does not name."""

_SERVER: Final = ("Server", "gateway")
_UNADMITTED_SECONDS: Final = 10.0


def client_address(
    peer: Address | None, forwarded: list[str], trusted: tuple[IPv4Network | IPv6Network, ...]
) -> Address | None:
    """The rightmost address that no trusted proxy added; the socket's own peer unless that is a trusted proxy.

    A malformed hop ends the walk: what stands left of it was written by somebody we do not trust.
    """
    current = peer
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while hops and current is not None and any(current in network for network in trusted):
        try:
            current = ip_address(hops.pop().strip("[]"))
        except ValueError:
            break
    return current


def _queued(transport: asyncio.WriteTransport, queue: int) -> int:
    """Bytes written that are still in one of the kernel's queues, or not even there."""
    waiting = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):  # not a TCP socket, or closed: the transport's own buffer is all there is to count
            waiting += struct.unpack("i", fcntl.ioctl(sock.fileno(), queue, b"\0\0\0\0"))[0]
    return waiting


@asynccontextmanager
async def unhurried() -> AsyncIterator[None]:
    """A time limit for what a client sends before it is admitted; afterwards its transfer is watched.

    Raises:
        Refused: CLIENT_TOO_SLOW.
    """
    try:
        async with asyncio.timeout(_UNADMITTED_SECONDS):
            yield
    except TimeoutError:
        raise Refused(Reason.CLIENT_TOO_SLOW, "the body did not come in time") from None


class _Edge:
    """`with _Edge(exchange):` around what is sent: a client that has gone and a cut both end it as a refusal."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        exchange = self._exchange
        if isinstance(error, ConnectionError):
            exchange.whole = False
            raise Refused(exchange.cut_reason or Reason.CLIENT_GONE, "the client went away") from None
        if error is None and exchange.cut_reason is not None:
            raise Refused(exchange.cut_reason, "the exchange was cut")


class Exchange:
    """One HTTP exchange. Counts are of body bytes that really crossed the socket's edge."""

    __slots__ = (
        "_doubtful",
        "_left",
        "_request",
        "_response",
        "bytes_in",
        "bytes_out",
        "client_side",
        "continued",
        "cut_reason",
        "extra",
        "first_byte_at",
        "peer",
        "raw",
        "request_id",
        "status",
        "whole",
    )

    def __init__(self, request: web.BaseRequest, request_id: str, peer: Address | None) -> None:
        self._request = request
        self._response: web.StreamResponse | None = None
        self.request_id = request_id
        self.peer = peer
        self.raw: RawRequest | None = None
        self.status = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.first_byte_at: float | None = None
        self.continued = False
        self.cut_reason: Reason | None = None
        self.extra: tuple[tuple[str, str], ...] = ()
        self.whole = False  # whether a whole answer was handed to the socket
        self._left: int | None = None
        self._doubtful = False
        self.client_side = False  # whether we are waiting for the client right now

    def read_head(self) -> RawRequest:
        """Step 1's raw material, from the bytes as they came.

        Raises:
            Refused: the target or the headers are malformed.
        """
        message = self._request._message  # noqa: SLF001 (the only place where the raw header bytes are kept)
        version = (message.version.major, message.version.minor)
        try:
            self.raw = raw_request(message.method, message.path, message.raw_headers, version)
        except Refused:
            # Of a head that nobody could read, only its place is kept: it decides the form of the answer. Where it
            # ends, and so where the next one begins, is as doubtful (RFC 9112, 6.3): nothing more is read.
            self._doubtful = True
            self.raw = RawRequest(message.method, "/s/" if message.path.startswith("/s/") else "/", "", ())
            raise
        return self.raw

    @property
    def started(self) -> bool:
        """Whether the head of an answer was sent."""
        return self._response is not None

    @property
    def response(self) -> web.StreamResponse:
        """What aiohttp wants back from a handler."""
        if self._response is None:
            raise RuntimeError("nothing was answered")
        return self._response

    async def send(self, reply: Reply) -> None:
        """Answer with a whole body at once.

        Raises:
            Refused: CLIENT_GONE.
        """
        response = web.Response(status=reply.status, headers=self._head(reply.headers), body=reply.body)
        with _Edge(self):
            await self._begin(response)
            if self._request.method != "HEAD":
                self.bytes_out += len(reply.body)
            self.whole = True
            self.client_side = True
            await response.write_eof()
            self.client_side = False
        self._drop_unread_body()

    async def start(self, status: int, headers: list[tuple[str, str]], length: int | None) -> None:
        """Send the head of a streamed answer; `length` None means chunked."""
        response = web.StreamResponse(status=status, headers=self._head(headers))
        self._left = length
        if length is not None:
            response.content_length = length
        elif self._request.method != "HEAD":
            response.enable_chunked_encoding()
        with _Edge(self):
            await self._begin(response)

    async def write(self, chunk: bytes) -> None:
        """Send body bytes and wait while the client is behind.

        Raises:
            Refused: CLIENT_GONE, or the reason this exchange was cut for.
        """
        self.client_side = True
        self.bytes_out += len(chunk)
        if self._left is not None:
            # A client may leave the moment it has everything, which is before we are told that it has.
            self._left -= len(chunk)
            self.whole = self._left == 0
        with _Edge(self):
            await self.response.write(chunk)
        self.client_side = False

    async def finish(self) -> None:
        """End a streamed answer whose body is whole."""
        self.whole = True
        with _Edge(self):
            await self.response.write_eof()
        self._drop_unread_body()

    async def body(self) -> AsyncIterator[bytes]:
        """The request's body as it came, never more than 256 KiB ahead of the reader.

        Raises:
            Refused: INCOMPLETE_BODY, or the reason this exchange was cut for.
        """
        self.allow_body()
        content, chunked = self._request.content, self._request.content_length is None
        while True:
            self.client_side = True
            try:
                # What came at once stays apart where it can: joining it would copy it.
                chunk = await content.readany() if chunked else (await content.readchunk())[0]
            except (web.RequestPayloadError, ConnectionError, asyncio.IncompleteReadError):
                raise Refused(self.cut_reason or Reason.INCOMPLETE_BODY, "the client broke off its upload") from None
            finally:
                self.client_side = False
            if not chunk:
                if not content.is_eof() or self._request.transport is None:
                    raise Refused(self.cut_reason or Reason.INCOMPLETE_BODY, "the client broke off its upload")
                return
            self.bytes_in += len(chunk)
            yield chunk

    async def read_body(self, limit: int) -> bytes:
        """A small body whole.

        Raises:
            Refused: TOO_LARGE above `limit` bytes, INCOMPLETE_BODY.
        """
        parts: list[bytes] = []
        size = 0
        async with unhurried():
            async for chunk in self.body():
                size += len(chunk)
                if size > limit:
                    raise Refused(Reason.TOO_LARGE, f"the body is above {limit} bytes")
                parts.append(chunk)
        return b"".join(parts)

    def allow_body(self) -> None:
        """Tell a client that asked first to send its body."""
        if not self.continued and (self._request.headers.get("Expect") or "").lower() == "100-continue":
            transport = self._request.transport
            if transport is not None:
                transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.continued = True

    def cut(self, reason: Reason) -> None:
        """End the connection so that the client sees an error: linger 0, abort. Nothing waits for anything.

        What had not left yet never will, and is taken off the count.
        """
        self.cut_reason = self.cut_reason or reason
        transport = self._request.transport
        if transport is None:
            return
        self.bytes_out -= min(self.bytes_out, _queued(transport, _NOT_SENT))
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):  # closed already: nothing is left to cut
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        transport.abort()

    def delivered(self) -> int:
        """Body bytes that the client's kernel has acknowledged, to judge its speed by; and all bytes it sent us."""
        transport = self._request.transport
        return self.bytes_in + self.bytes_out - (0 if transport is None else _queued(transport, _NOT_ACKNOWLEDGED))

    def _head(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return [*headers, *self.extra, _SERVER]

    async def _begin(self, response: web.StreamResponse) -> None:
        if self._doubtful or self._unread():
            response.force_close()
        self.status = response.status
        self._response = response
        self.first_byte_at = time.monotonic()
        await response.prepare(self._request)

    def _unread(self) -> bool:
        return not self._request.content.is_eof()

    def _drop_unread_body(self) -> None:
        """A body that was never asked for will not come: close instead of waiting for it."""
        if self._unread() and not self.continued and "Expect" in self._request.headers:
            self._request.protocol.force_close()
