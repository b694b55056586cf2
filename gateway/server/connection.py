"""Owns one client's connection: bytes in, one request at a time, its answer, and what follows that.

Refuses to own what a request means (`gateway.data.serve`, `gateway.control.serve`), the way out of what is answered
(`gateway.server.stream`), and the listening sockets (`gateway.server.listener`).

Laws: a body is bytes, never decompressed (T3). The next request is not looked at before the answer to this one has
ended. A request whose end is in doubt, or whose body was not read, is the last of its connection. A connection that
sends no whole head in time is closed (T4, promise 5). A client that ends its side behind a whole request may still read
(RFC 9112, 9.6: `nc -N`, tools of HTTP/1.0): it gets its answer, and whoever has left instead is found out by sending.
Where nothing is there to be sent in the midst of an answer, and over TLS or a Unix socket, which know no half of a
connection or count nothing, it is taken to have gone. What came whole with a body is done all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

import structlog

from gateway.core.attempt import Address
from gateway.core.loan import Loan
from gateway.eager import EagerTask
from gateway.server.head import HeadReader
from gateway.server.host import Host
from gateway.server.request import IncomingRequest
from gateway.server.sending import acknowledged, close_once, peer_of
from gateway.server.stream import WRITE_HIGH, ClientStream
from gateway.splice.lending import may_be_lent
from gateway.wire.http.answer_head import CONTINUE, answer_head

_HELD_LIMIT: Final = 64 * 1024
_PIECE: Final = 4096
_KEEP_ALIVE: Final = 75.0
_LINGERING: Final = 2.0

_MALFORMED: Final = b"malformed request\n"

_log = structlog.get_logger("gateway.server")


class Connection(ClientStream):
    """One connection. `_half` is whether the client has ended its side, `answered` whether the answer to the request in
    work has begun."""

    __slots__ = (
        "_arrival",
        "_broken_off",
        "_closing",
        "_confirmed",
        "_half",
        "_held",
        "_last",
        "_reading",
        "_served",
        "_since",
        "_task",
        "answered",
        "date",
        "heads",
        "host",
        "peer",
        "peer_texts",
    )

    def __init__(self, host: Host[Connection]) -> None:
        super().__init__(host.loop)
        self.host = host
        self.date = host.date
        self.heads = HeadReader(host.known_heads)
        self._arrival: IncomingRequest | None = None  # from the end of its head to the end of its answer
        self._task: EagerTask | None = None
        self._broken_off: EagerTask | None = None
        self._held = bytearray()  # what follows on the wire, for after the answer
        self._closing: asyncio.TimerHandle | None = None
        self._reading = True
        self._served = self._last = self._half = self.answered = False
        self._confirmed = 0  # bytes, when the clock last looked at a client that has ended its side
        self._since: float | None = None
        self.peer: Address | None = None

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = stream = cast("asyncio.Transport", transport)
        stream.set_write_buffer_limits(high=WRITE_HIGH)
        self.peer, self.peer_texts = peer_of(stream)
        self._since = self._loop.time()
        self.host.add_connection(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        arrival = self._arrival
        return self.host.read_buffer if arrival is not None and arrival.body.wanted else self.host.first_read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.receive(bytes(self.host.read_buffer[:nbytes]))

    def receive(self, data: bytes) -> None:
        """Bytes that came: of a head, a body or a later request."""
        if self._closing is not None:
            return
        if self._arrival is not None:
            self._read_on(self._arrival, data)
        elif self._held:  # these come first
            self._held += data
            self._bound_held()
        else:
            self._begin(data)

    def eof_received(self) -> bool:
        """The client sends nothing more; whether it gets what it has asked for whole."""
        arrival = self._arrival
        asked = bool(self._held) if arrival is None else arrival.body.whole
        self._half = asked and self._closing is None and self.peer is not None and not self.encrypted
        return self._half

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lending.recall()
        self._transport = self._since = None
        self._held.clear()
        self.heads.close()
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        self.resume_writing()
        if not self._goes_on_alone():
            self.host.remove_connection(self)
            self.break_off()

    def _goes_on_alone(self) -> bool:
        """Whether what the client sent is done although it has left: it sent a body, and all of it, and some do not
        wait to hear what came of that (ffmpeg's segments of a stream). What we end ourselves ends."""
        arrival, ended = self._arrival, self._ended or self._task is self._broken_off
        return not ended and arrival is not None and arrival.body.whole and not arrival.body.empty

    def break_off_alone(self) -> None:
        """End what goes on although the client has left."""
        if self._transport is None:
            self.break_off()

    def break_off(self) -> None:
        """End what answers, as if the client had gone; once, as its clean-up is not to be broken off, too."""
        if self._task is not None and self._task is not self._broken_off:
            self._broken_off = self._task
            self._task.cancel()
        if self._arrival is not None:
            self._arrival.body.break_off()

    # -- reading

    def _begin(self, data: bytes) -> None:
        """Read on in a head, and answer the request if that is its end."""
        rest = self._read_head(data)
        arrival = self._arrival
        if arrival is not None:
            if rest:
                self._take(arrival, rest)
            self._start(arrival)
            if rest and self._arrival is arrival and arrival.body.unread:
                self.hold_body()

    def _start(self, arrival: IncomingRequest) -> None:
        self._task = task = EagerTask(self._loop, self._answer(arrival))
        task.go_on()

    def _read_head(self, data: bytes) -> bytes:
        """Read on in a head, which may end in `data`; returns what stands behind it then."""
        known = self.heads.recall(data)
        if known is None and self._served and not self.heads.begun:
            self._since = self._loop.time()
        try:
            arrival, rest = known or self.heads.read_head(data)
        except ValueError:
            self.host.note_malformed_head(self, data, first=not self._served)
            self._refuse_head()
            return b""
        if arrival is not None:
            self._since = None
            self._served = True
            self._arrival = arrival
            self.answered = False
        return rest

    def _read_held(self) -> None:
        """What came while the last request was answered, a little at a time: it may be many requests."""
        held = self._held
        while held and self._arrival is None and self._closing is None:
            piece = bytes(held[:_PIECE])
            rest = self._read_head(piece)
            del held[: len(piece) - len(rest)]
        arrival = self._arrival
        while held and arrival is not None and not arrival.body.whole and not arrival.body.broken:
            piece = bytes(held[: arrival.body.left or _PIECE])
            rest = arrival.body.take(piece)
            del held[: len(piece) - len(rest)]
        if len(held) <= _HELD_LIMIT:
            self.resume_body()
        if arrival is not None:
            if self._half:
                arrival.body.break_off()
            self._start(arrival)
        elif self._half and self._transport is not None:
            close_once(self._transport)

    def _bound_held(self) -> None:
        """Read no more while much is held: one turn of the loop may read a socket many times."""
        if self._reading and len(self._held) > _HELD_LIMIT and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _read_on(self, arrival: IncomingRequest, data: bytes) -> None:
        """What comes while a request is being answered: its body, then what must wait."""
        self._take(arrival, data)
        if arrival.body.unread:
            self.hold_body()
        arrival.body.notify()

    def _take(self, arrival: IncomingRequest, data: bytes) -> None:
        """Keep what belongs to the body, and what follows it for after the answer; nothing after a head in doubt."""
        body = arrival.body
        if not body.whole:
            data = b"" if body.broken or arrival.fault is not None else body.take(data)
        if data:
            self._held += data
            self._bound_held()

    def resume_body(self) -> None:
        """Read on, after `hold_body` too."""
        stream = self._transport
        if not self._reading and not self._half and stream is not None and not stream.is_closing():
            self._reading = True
            stream.resume_reading()

    def _refuse_head(self) -> None:
        """Answer with a fixed text, never the parser's own words, and close."""
        fields = (("Content-Type", "text/plain; charset=utf-8"), ("Server", "gateway"))
        head = answer_head(400, fields, length=len(_MALFORMED), date=self.host.date(), connection="close")
        self.write(head + _MALFORMED)
        self._close(lingering=True)

    # -- answering

    async def _answer(self, arrival: IncomingRequest) -> None:
        try:
            await self.host.handle(self, arrival)
        except asyncio.CancelledError:
            self.abort()
            raise
        except Exception as failure:  # noqa: BLE001 (this task is not awaited)
            _log.error("internal error", exc_info=failure)
            self.abort()
        finally:
            self._arrival = self._task = None
        if self._transport is None:
            self.host.remove_connection(self)
            return
        if self._closing is not None or self._transport.is_closing():
            return
        if self._last or (self._half and not self._held):
            close_once(self._transport)
            return
        self._since = self._loop.time()
        if self._held:  # in a turn of its own: others come in between, however much was sent at once
            self._loop.call_soon(self._read_held)
        else:
            self.resume_body()

    def allow_body(self) -> None:
        """Let a client that asked first send its body."""
        self.write(CONTINUE)

    def hold_body(self) -> None:
        """Read no more until the reader waits for it: the rest of the body may be taken from the socket itself."""
        if self._arrival is not None and not self._arrival.body.whole:
            self._arrival.body.on_want = self.resume_body
        if self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def lend_body(self, moved: Callable[[int], None]) -> Loan | None:
        """The socket for the bytes of the body that have not come; None if it cannot be had. `resume_body` ends it."""
        if self._reading or self._held or not may_be_lent(self._transport):
            return None
        return self.lending.lend(self._transport, moved, self.reset)

    def end(self, *, keep: bool, lingering: bool) -> None:
        """The answer is whole. Unless the connection is kept, it is closed so that the client can read that answer.

        A client that still sends would lose it to a reset: if `lingering`, its bytes are read a while (RFC 9112, 9.6).
        """
        if not keep:
            self._close(lingering=lingering)

    def _close(self, *, lingering: bool) -> None:
        stream = self._transport
        if stream is None or stream.is_closing():
            return
        self._held.clear()
        if not lingering:
            close_once(stream)
            return
        with suppress(NotImplementedError, OSError):  # not over TLS, and not if it has gone (asyncio)
            stream.write_eof()
        self._closing = self._loop.call_later(_LINGERING, stream.close)
        self.resume_body()

    # -- the end

    @property
    def busy(self) -> bool:
        """Whether a request has arrived whose answer has not ended."""
        return self._arrival is not None

    @property
    def task(self) -> EagerTask | None:
        """What is answering, if anything is."""
        return self._task

    def check(self, now: float) -> None:
        """Called by the listener's clock: close what has been waited for too long."""
        if self._half and self._transport is not None and self._arrival is not None:
            self._try_half(self._transport, self._arrival)
        if self._since is None:
            return
        idle = self._served and not self.heads.begun
        if now - self._since > (_KEEP_ALIVE if idle else self.host.head_seconds):
            self.abort()

    def _try_half(self, stream: asyncio.Transport, arrival: IncomingRequest) -> None:
        """Find out whether a client that has ended its side is still there: the kernel of one that is not refuses
        whatever comes. Before the head of an answer that can be an interim answer, which all clients of HTTP/1.1 skip,
        even old ones this one (RFC 9110, 15.2). Behind it only more of the answer can: who has confirmed all that was
        sent, and between two turns of the clock was sent nothing, is taken to have left."""
        if self.answered:
            before, self._confirmed = self._confirmed, acknowledged(stream)
            if before == self._confirmed and not self.unacknowledged:
                self.reset()
        elif arrival.version >= (1, 1) and self._drained is None:
            self.allow_body()

    def close_when_idle(self) -> None:
        """Close now, or when the answer in work has ended."""
        self._last = True
        if self._arrival is None and self._transport is not None:
            close_once(self._transport)
