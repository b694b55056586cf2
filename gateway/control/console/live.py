"""Owns what an open page hears: its part that changes, drawn anew and sent every two seconds (server-sent events).

Refuses to own what is in that part: it is the page's own handler that draws it.

Laws: each event asks the API as the page did, whose guard judges the visitor anew; and an open page keeps no session
from its idle end. There are at most 100 streams in a process and 5 for one visitor; none lasts longer than an hour, nor
past the end of the listener.
Source: HTML, 9.2 (server-sent events).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from gateway.control.console.visit import Visit
from gateway.core.reasons import Reason, Refused
from gateway.core.said import phrase
from gateway.core.values import dataclass
from gateway.server.exchange import ClientExchange
from gateway.wire.replies import Reply

_EVERY: Final = 2.0
_LONGEST: Final = 3600.0
_MOST: Final = 100
_MOST_OF_ONE: Final = 5
_HEADERS: Final = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Accel-Buffering", "no"),
)

_LINE_END: Final = re.compile(r"\r\n|\r|\n")

Draw = Callable[[Visit], Awaitable[str]]


class Streams:
    """Those that are open, counted by who holds them."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def hold(self, holder: str) -> Iterator[None]:
        """Raises Refused(TOO_MANY_TRANSFERS)."""
        if self._open.total() >= _MOST or self._open[holder] >= _MOST_OF_ONE:
            raise Refused(Reason.TOO_MANY_TRANSFERS, phrase("pages_open", "too many pages are open"))
        self._open[holder] += 1
        try:
            yield
        finally:
            self._open[holder] -= 1
            self._open += Counter()  # which drops those at zero


@dataclass(frozen=True, slots=True)
class Stream:
    """One page's events, to be sent in place of an answer."""

    visit: Visit
    draw: Draw

    async def run(self, exchange: ClientExchange, streams: Streams) -> None:
        """Send until the client, the session or the listener ends."""
        try:
            with streams.hold("" if self.visit.who is None else self.visit.who.name):
                await exchange.start(200, list(_HEADERS), None)
                await self._send(exchange)
        except Refused:
            if not exchange.started:
                await exchange.send(Reply(429, (("Retry-After", "30"),)))

    async def _send(self, exchange: ClientExchange) -> None:
        await exchange.write(b"retry: 5000\n\n")
        try:
            async with self.visit.api.waits.at_most(_LONGEST):
                while True:
                    await exchange.write_document(_event(await self.draw(self.visit)))
                    await asyncio.sleep(_EVERY)
        except (TimeoutError, Refused):
            await exchange.finish()


def _event(text: str) -> bytes:
    """A message event; its text's lines are its data's, however they end."""
    return "".join(f"data: {line}\n" for line in _LINE_END.split(text)).encode("utf-8", "replace") + b"\n"
