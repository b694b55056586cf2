"""Owns the sockets of the data listener: bounded send queues, header deadlines, the low-level aiohttp server.

Refuses to own what a request means (`gateway.data.routes` and inward).

Laws: refuses to start on aiohttp's pure-Python parser, which reads some requests differently (T15); bodies are never
decompressed (T3); a connection that sends no whole head in time is closed (T4, promise 5).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import http_parser, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from gateway.core.reasons import SettingsError
from gateway.data.routes import malformed

__all__ = ["DataServer", "require_strict_parser"]

_UNSENT_LIMIT: Final = 128 * 1024
"""Bytes that may wait unsent in the kernel, per socket; half of the 256 KiB that promise 2 allows after a cut."""

_UNREAD_MILLISECONDS: Final = 20_000
"""After which the kernel gives up a client that takes nothing of what is sent: the tail of an answer, which no transfer
waits for any more (tcp(7), TCP_USER_TIMEOUT)."""

_KEEP_ALIVE: Final = 75.0


def require_strict_parser() -> None:
    """Raises SettingsError if aiohttp fell back to its pure-Python HTTP parser."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise SettingsError("aiohttp runs without its C parser here: install a wheel built for this platform")


class _Connection(RequestHandler):
    """aiohttp's connection with a deadline for whole heads and a bounded send queue."""

    def __init__(
        self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, head_seconds: float, **options: Any
    ) -> None:
        super().__init__(manager, loop=loop, **options)
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_LIMIT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Without a waiter a request is in work, or the task that waits has not run yet: no head ever came then.
        waiting = not self._request_count or (self._waiter is not None and not self._waiter.done())
        if self._messages or not waiting:
            self._head_arrived()
        elif self._head_timer is None:
            self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """A head that could not be parsed: a fixed text, never the parser's own words."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer had started")
        return malformed(status)

    @property
    def busy(self) -> bool:
        """Whether a request has arrived whose answer has not ended."""
        return self._request_in_progress or bool(self._messages)

    def _expect_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_seconds, self._head_missing)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_missing(self) -> None:
        self._head_timer = None
        if self.transport is not None:
            self.transport.abort()


class DataServer(web.Server):
    """The low-level server: every request goes to one handler, before any routing."""

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], *, head_seconds: float
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._head_seconds = head_seconds
        self.parting = False
        """Each answer ends its connection, so that no client sends a request into one that is about to close."""

    @property
    def busy(self) -> bool:
        """Whether any request is being answered."""
        return any(isinstance(each, _Connection) and each.busy for each in self._connections)

    def _make_request(self, message: RawRequestMessage, *rest: Any) -> web.BaseRequest:
        if self.parting:
            message = message._replace(should_close=True)
        return super()._make_request(message, *rest)

    def __call__(self) -> RequestHandler:
        return _Connection(
            self,
            loop=self._loop,
            head_seconds=self._head_seconds,
            auto_decompress=False,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE,
            lingering_time=2.0,
            read_bufsize=_UNSENT_LIMIT,
            max_line_size=16384,
            max_field_size=16384,
        )
