"""Owns how long a caller of the control API may take to say what it wants: a connection's first head, and a body.

Refuses to own the endpoints, and the data listener, which watches its own connections (`gateway.server.listener`).

Law: nobody holds a connection by saying nothing. The process has one table of files for both listeners, and health,
metrics and web identities are open to whoever reaches this one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from aiohttp import web

__all__ = ["BODY_SECONDS", "HeadTimeoutRunner"]

BODY_SECONDS: Final = 10.0
"""For a body of at most 64 KiB."""

_IDLE_SECONDS: Final = 75.0
"""Between two requests of one connection, an unfinished head included; longer than clients keep theirs."""

_END: Final = b"\r\n\r\n"


class HeadTimeoutRunner(web.AppRunner):
    """A runner whose connections end when their first head is not there within `head_seconds`."""

    def __init__(self, app: web.Application, *, head_seconds: float) -> None:
        super().__init__(app, access_log=None, handle_signals=False, keepalive_timeout=_IDLE_SECONDS)
        self._head_seconds = head_seconds

    @property
    def server(self) -> Any:
        """What a site makes its connections with."""
        made: Callable[[], asyncio.Protocol] | None = super().server
        return None if made is None else lambda: _FirstHead(made(), self._head_seconds)


class _FirstHead(asyncio.Protocol):
    """Hands everything on, and watches the clock until the first head is whole."""

    def __init__(self, inner: asyncio.Protocol, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        abort = cast("asyncio.Transport", transport).abort
        self._timer = asyncio.get_running_loop().call_later(self._seconds, abort)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            # Line ends before a request count for nothing (RFC 9112, 2.2); of the rest, only an end is looked for.
            self._seen = (self._seen + data).lstrip(b"\r\n") if not self._seen else self._seen[-3:] + data
            if _END in self._seen:
                self._rest()
        self._inner.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        self._inner.connection_lost(exc)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
