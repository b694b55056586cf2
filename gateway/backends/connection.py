"""Owns one socket to a store: bytes out, one `Response` in at a time, back-pressure in both directions.

Refuses to own which connection is used (`gateway.backends.pool`) and what is sent (`gateway.backends.http_call`).

Law: nothing is read from the store that is not asked for. Reading pauses as soon as bytes wait here untaken, so a
stalled reader costs one read and no more. A byte that no request asked for ends the connection.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

from gateway.backends.response import Response
from gateway.core.loan import Loan
from gateway.core.reasons import Reason
from gateway.core.values import dataclass
from gateway.eager import Signal
from gateway.splice.lending import Lending, flush, may_be_lent

READ_SIZE: Final = 196608
"""Bytes of one read. Each wakes a transfer once, so more is cheaper; but a stalled reader may hold one, which makes 94
MiB of 500 at the worst (promise 4)."""

FIRST_READ: Final = 17408
"""Bytes of the read that finds an answer's head: a small object comes with it, and of a larger one only so much that
the kernel can move most of it, and that a client which then reads nothing holds little. The next read takes more."""

SLOWEST: Final = 1024
"""Bytes per second below which a body counts as stalled (promise 5)."""

_LINGER_NONE: Final = struct.pack("ii", 1, 0)
_WRITE_HIGH: Final = 262144


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a store may take, in seconds: for the head after the request was sent, and without body progress."""

    head: float = 30.0
    body: float = 30.0


SLOW_HEAD_FACTOR: Final = 20
"""Times longer that a store may work before it answers a copy, a completion or a batch: ten minutes by default."""


class Connection(asyncio.BufferedProtocol):
    """One connection. `on_done` is called when an answer ended cleanly, `on_lost` when the socket is gone.
    `request_sent` is set by whoever hands the whole request to the socket: the store owes an answer then.

    `scratch` is the read buffer, shared by all connections of one event loop: a read is parsed before the next starts.
    """

    __slots__ = (
        "_drained",
        "_first",
        "_head_patience",
        "_lending",
        "_mark_bytes",
        "_mark_time",
        "_paused",
        "_phase",
        "_poll",
        "_progress",
        "_scratch",
        "_timeouts",
        "_transport",
        "_written",
        "closed",
        "idle_since",
        "keep_alive_seconds",
        "loop",
        "on_done",
        "on_lost",
        "request_sent",
        "response",
        "uses",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, scratch: memoryview, timeouts: Timeouts) -> None:
        self.loop = loop
        self._scratch = scratch
        self._first = scratch[:FIRST_READ]
        self._timeouts = timeouts
        self._head_patience = timeouts.head
        self._transport: asyncio.Transport | None = None
        self._progress = Signal()
        self._drained: asyncio.Future[None] | None = None
        self._lending = Lending()
        self._paused = False
        self._mark_time = 0.0
        self._mark_bytes = self._written = 0
        self._phase: tuple[bool, bool, bool] | None = None
        self._poll: select.poll | None = None
        self.response: Response | None = None
        self.closed = False
        self.request_sent = False
        self.idle_since = 0.0
        self.keep_alive_seconds: int | None = None
        self.uses = 0
        self.on_done: Callable[[Connection], None] | None = None
        self.on_lost: Callable[[Connection], None] | None = None

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH)

    def get_buffer(self, sizehint: int) -> memoryview:
        response = self.response
        return self._scratch if response is not None and response.head_done else self._first

    def buffer_updated(self, nbytes: int) -> None:
        response = self.response
        if response is None:
            self.abort()
            return
        response.feed(self._scratch[:nbytes])
        if response.failure is not None or (response.complete and response.surplus):
            self.abort()
        elif response.complete:
            self._finish(response)
        elif response.buffered:
            self._pause()
        self._progress.give()

    def eof_received(self) -> bool:
        self.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._lending.recall()
        if self.response is not None:
            self.response.end()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self.on_lost is not None:
            self.on_lost(self)
        self._transport = self.on_done = self.on_lost = None  # each of them knows us
        self._progress.give()

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # -- what an exchange calls

    def begin(self, response: Response, *, slow_head: bool = False) -> None:
        """Expect this answer to the request that is about to be written."""
        self._head_patience = self._timeouts.head * (SLOW_HEAD_FACTOR if slow_head else 1)
        self.response = response
        self.request_sent = False
        self.keep_alive_seconds = None
        self.uses += 1
        self._written = 0
        self._phase = None

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self.closed:
            self._written += len(data)
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the socket takes more. A lost connection ends the wait too."""
        if self._drained is not None and not self.closed:
            await asyncio.shield(self._drained)

    async def lend(self) -> Loan | None:
        """The socket for what is to be written next (`core.loan.Sink`)."""
        stream = self._transport
        if stream is None or not may_be_lent(stream):
            return None
        await flush(stream, self.drain, _WRITE_HIGH)
        return self._lending.lend(stream, self._count_written, self.abort)

    def lend_answer(self) -> Loan | None:
        """The socket for the bytes of the answer's body that have not come yet."""
        response = self.response
        if response is None or not response.left or not may_be_lent(self._transport):
            return None
        self._pause()
        return self._lending.lend(self._transport, response.skip, self.abort)

    def wait_for_progress(self) -> Signal:
        """To be awaited for the head, for body bytes, for the end or for a failure. One waiter at a time."""
        if self._paused:
            self._paused = False
            if self._transport is not None and not self.closed:
                self._transport.resume_reading()
        return self._progress

    def interrupt(self) -> None:
        """Wake the waiting task: something outside of the connection happened."""
        self._progress.give()

    def abort(self) -> None:
        """Close at once; unsent bytes are thrown away, so that the store never sees a whole request.

        A request that was cut off ends in a reset, which no store takes for the end of a body.
        """
        if not self.closed:
            self.closed = True
            if self._transport is None:
                return
            sock = self._transport.get_extra_info("socket")
            if self.response is not None and not self.request_sent and sock is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            self._lending.recall()
            self._transport.abort()

    def is_quiet(self) -> bool:
        """Ask the kernel whether the peer has closed or spoken since: the last look before a write is sent once."""
        if self.closed or self._transport is None or self._transport.is_closing():
            return False
        if self._poll is None:
            sock = self._transport.get_extra_info("socket")
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN | select.POLLRDHUP)
        return not self._poll.poll(0)

    def check(self, now: float) -> None:
        """Called by the pool's clock: end an exchange whose store took too long."""
        response = self.response
        if response is None or self.closed:
            return
        late = self._find_delay(response, now)
        if late:
            response.fail(Reason.UPSTREAM_TIMED_OUT, late)
            self.abort()

    # -- inside

    def _find_delay(self, response: Response, now: float) -> str:
        """What the store has not sent in time, "" if nothing. The clock restarts while nothing is due."""
        awaited = self._lending.awaited
        if response.head_done:
            owed, moved, patience = self._progress.awaited or awaited, response.received, self._timeouts.body
            late = f"the body stalled after {response.received} bytes"
        elif self._drained is not None or awaited:
            owed, moved, patience = True, self._written - self._pending(), self._timeouts.body
            late = "the store does not take the body"
        else:
            owed, moved, patience = self.request_sent, 0, self._head_patience
            late = "no answer in time"
        phase = (response.head_done, self._drained is not None or awaited, owed)
        if not owed or phase != self._phase or moved - self._mark_bytes >= SLOWEST * patience:
            self._phase, self._mark_time, self._mark_bytes = phase, now, moved
        elif now - self._mark_time > patience:
            return late
        return ""

    def _count_written(self, count: int) -> None:
        self._written += count

    def _pending(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _finish(self, response: Response) -> None:
        self.response = None
        if "keep-alive" in response.headers:
            self.keep_alive_seconds = response.keep_alive_seconds
        if response.keep_alive and self.request_sent and not self.closed:
            if self.on_done is not None:
                self.on_done(self)
        else:
            self.abort()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None and not self.closed:
            self._paused = True
            self._transport.pause_reading()
