"""Owns the client's side of one request: what came, the body still coming, the answer going out, and the cut.

Refuses to own any decision, and the socket (`gateway.server.connection`).

Laws: after the head of an answer was sent, an error cuts the connection and never finishes the body (T1, T2);
`100 Continue` is sent when the body is first read, so a refused upload costs no body byte (T12);
a cut is linger 0 plus abort, so that nothing more leaves the kernel's queue (T5). Who has sent all and got nothing yet
is refused in place of a cut. A client that sends its body is cut: many read an answer only once all is sent, and what
they send meanwhile would have to be taken; others take any answer, whatever it says, for the end of a good upload.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

from gateway.core.attempt import Address, address_texts
from gateway.core.loan import Lender, Loan
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.server.connection import Connection
from gateway.server.deadline import head_deadline
from gateway.server.request import IncomingRequest, Pieces
from gateway.splice.pump import small_answers, splice
from gateway.wire.http.answer_head import answer_head, has_no_body, interim_head
from gateway.wire.replies import Reply

Fields = tuple[tuple[str, str], ...]

_SERVER: Final = ("Server", "gateway")
_ONLY_SERVER: Final = (_SERVER,)
_ASKS: Final = frozenset({"GET", "HEAD"})
_FIRST_LOOK: Final = 0.002
_LAST_LOOK: Final = 0.05
_LAST_CHUNK: Final = b"0\r\n\r\n"
_SMALL: Final = 65536
"""Bytes of an upload whose client waits for its answer, and not for its body to move."""
_AT_ONCE: Final = 65536
"""Bytes of a document that are handed over in one write. What is handed over may wait below TLS, where neither the
minimum rate nor the counts see it: more goes piece by piece, as fast as the client takes it."""


class _ClientErrors:
    """`with _ClientErrors(exchange):` around sending: a client that has gone and a cut both become a `Refused`."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: ClientExchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        exchange = self._exchange
        if isinstance(error, ConnectionError):
            raise exchange.gone() from None
        if error is None:
            exchange.require_uncut()


class ClientExchange:
    """One HTTP exchange. Counts are of body bytes that really crossed the socket's edge.

    `address` is the caller's as it is recorded, and `address_class` what limits count it by (`address_texts`). `note`
    is what was noted of an earlier request with this very head, or with one like it; None if nothing was. `differing`
    is in what the heads differ, None if they are the same.
    """

    __slots__ = (
        "_arrival",
        "_bodiless",
        "_chunked",
        "_connection",
        "_kept",
        "_left",
        "_misread",
        "_refusing",
        "accepted_terms",
        "address",
        "address_class",
        "asked",
        "bytes_in",
        "bytes_out",
        "client_side",
        "continued",
        "cut_reason",
        "differing",
        "extra",
        "first_byte_at",
        "method",
        "note",
        "peer",
        "request_id",
        "started",
        "status",
        "whole",
    )

    def __init__(self, connection: Connection, arrival: IncomingRequest, request_id: str, peer: Address | None) -> None:
        self._connection = connection
        self._arrival = arrival
        self.request_id = request_id
        self.peer = peer
        self.address, self.address_class = connection.peer_texts if peer is connection.peer else address_texts(peer)
        self._misread: RawRequest | None = None
        self.method, self.note, self.differing = arrival.method, arrival.note, arrival.differing
        self.started = False  # whether the head of an answer was sent
        self.status = 0
        self.bytes_in = self.bytes_out = 0
        self.first_byte_at: float | None = None
        self.continued = False
        self.cut_reason: Reason | None = None  # why this was ended, be it by a refusal or without a word
        self._refusing: asyncio.Task[None] | None = None
        self.extra: tuple[tuple[str, str], ...] = ()
        self.accepted_terms = ""
        self.asked = "", ""  # the address that a code was asked for, and its challenge
        self.whole = False  # whether a whole answer was handed to the socket
        self._left: int | None = None
        self._bodiless = False
        self._chunked = False
        self._kept = False
        self.client_side = False  # whether one of the methods here waits for the client

    @property
    def raw(self) -> RawRequest | None:
        """What the head says; of one that could not be read, what decides the form of the answer."""
        return self._misread or self._arrival.raw

    def read_head(self) -> RawRequest:
        """Step 1's raw material.

        Raises:
            Refused: the target or the headers are malformed.
        """
        arrival = self._arrival
        if arrival.raw is not None:
            return arrival.raw
        # Of a malformed head, only the kind of its path is kept: it decides the form of the answer.
        place = "/s/" if arrival.target.startswith("/s/") else "/"
        self._misread = RawRequest(arrival.method, place, "", ())
        raise arrival.fault or Refused(Reason.BAD_REQUEST, "no head")

    @property
    def private(self) -> bool:
        """Whether the connection cannot be eavesdropped on: TLS, loopback or a Unix socket."""
        peer = self._connection.peer
        return peer is None or peer.is_loopback or self._connection.encrypted

    @property
    def encrypted(self) -> bool:
        """Whether the client speaks TLS with us."""
        return self._connection.encrypted

    def comes_again(self) -> bool:
        """Whether a request with this very head came before: no for the first one (`KnownHeads.comes_again`)."""
        return self._connection.heads.comes_again()

    def like_comes_again(self) -> bool:
        """The same of requests with heads that may be like this one."""
        return self._connection.heads.like_comes_again()

    def remember(self, note: object) -> None:
        """Have later requests with this very head find a note."""
        self.note = self._arrival.note = note
        self._connection.heads.keep(self._arrival)

    def remember_alike(self, note: object) -> bool:
        """Have later requests with a head like this one find a note, if there can be any (`gateway.wire.likeness`)."""
        return self._connection.heads.keep_alike(self._arrival, note)

    async def send(self, reply: Reply) -> None:
        """Answer with a document of our own; a long one is sent as a stream that has a length.

        Raises:
            Refused: CLIENT_GONE, or the reason this exchange was cut for.
        """
        if len(reply.body) <= _AT_ONCE:
            await self.send_whole(reply.status, reply.headers, reply.body, reply.own)
            return
        await self.start(reply.status, reply.headers, len(reply.body), reply.own)
        await self.write_document(reply.body)
        await self.finish()

    async def send_whole(self, status: int, headers: Fields, body: bytes, own: Fields = ()) -> None:
        """Answer with a whole small body, in one write.

        Raises:
            Refused: as `send`.
        """
        if self.cut_reason is not None:
            self.require_uncut()
        if self.bytes_in <= _SMALL:
            small_answers.count += 1
        try:
            # An empty answer to HEAD stands for one whose length under GET is not known here (RFC 9110, 8.6).
            length = len(body) if body or self._arrival.method != "HEAD" else None
            head = self._begin(status, headers, length, own)
            if not self._bodiless:
                self.bytes_out += len(body)
                head += body
            self.whole = True
            self.client_side = True
            if self._connection.write(head):
                await self._connection.drain()
            self.client_side = False
        except ConnectionError:
            raise self.gone() from None
        if self.cut_reason is not None:
            self.require_uncut()
        self._end()

    async def start(
        self, status: int, headers: Collection[tuple[str, str]], length: int | None, own: Fields = ()
    ) -> None:
        """Send the head of a streamed answer; `length` None means chunked, `own` are fields that no other has."""
        self._left = length
        if self.cut_reason is not None:
            self.require_uncut()
        with _ClientErrors(self):
            self._connection.write(self._begin(status, headers, length, own))

    async def write(self, chunk: bytes) -> None:
        """Send body bytes and wait while the client is behind.

        Raises:
            Refused: CLIENT_GONE, or the reason this exchange was cut for.
        """
        if not chunk or self._bodiless:
            return  # written as a chunk, nothing would be the end of the body
        self.client_side = True
        self.bytes_out += len(chunk)
        if self._left is not None:
            # A client may leave the moment it has everything, which is before we are told that it has.
            self._left -= len(chunk)
            self.whole = self._left == 0
        with _ClientErrors(self):
            if self._chunked:
                self._connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            else:
                self._connection.write(chunk)
            await self._connection.drain()
        self.client_side = False

    async def write_document(self, document: bytes) -> None:
        """As `write`, of something that may be long."""
        for begin in range(0, len(document), _AT_ONCE):
            await self.write(document[begin : begin + _AT_ONCE])

    async def confirm(self, pause: Callable[[float], Awaitable[None]]) -> None:
        """Wait until the client's side has confirmed all that was written; `pause` waits, and raises for a cut.

        Raises:
            Refused: as `write`.
        """
        wait = _FIRST_LOOK
        self.client_side = True
        with _ClientErrors(self):
            while self._connection.unacknowledged:
                await pause(wait)
                wait = min(2 * wait, _LAST_LOOK)
            await self._connection.drain()
        self.client_side = False

    async def pour(self, body: Lender, most: int, told: Callable[[int], None]) -> int:
        """Have up to `most` bytes of a body moved from its socket to the client's by the kernel; returns how many.

        `told` is called with each number of bytes as it is sent.

        Raises:
            Refused: as `write`.
        """
        if self._bodiless or self._chunked:
            return 0
        self.client_side = True
        with _ClientErrors(self):
            moved = await splice(body, self, most, told)
        self.client_side = False
        return moved

    async def lend(self) -> Loan | None:
        """See `core.loan.Sink`."""
        loan = await self._connection.lend(self._count_sent)
        self.client_side = False
        return loan

    def _count_sent(self, count: int) -> None:
        self.bytes_out += count
        if self._left is not None:
            self._left -= count

    async def finish(self) -> None:
        """End a streamed answer whose body is whole."""
        self.whole = True
        with _ClientErrors(self):
            if self._chunked:
                self._connection.write(_LAST_CHUNK)
            await self._connection.drain()
        self._end()

    def body(self) -> AsyncIterator[bytes]:
        """The request's body as it came; nothing more is read than is asked for.

        Raises:
            Refused: INCOMPLETE_BODY, or the reason this exchange was cut for.
        """
        return Pieces(self.read)

    async def whole_body(self) -> bytes:
        """All of a body at once: for those whose `body_size` is known to be small.

        Raises:
            Refused: as `body`.
        """
        body = self._arrival.body
        pieces: list[bytes] = []
        while not body.whole:
            pieces.append(await self.read())
        self.continued = True  # nobody waits for leave to send what is here: most came with their heads
        rest = body.take_all()
        self.bytes_in += len(rest)
        return b"".join([*pieces, rest]) if pieces else rest

    async def read(self) -> bytes:
        """The next of the body as it came, b"" at its end.

        Raises:
            Refused: as `body`.
        """
        self.allow_body()
        self.client_side = True
        try:
            chunk = await self._arrival.body.read()
        except ConnectionError:
            raise Refused(self.cut_reason or Reason.INCOMPLETE_BODY, "the client broke off its upload") from None
        finally:
            self.client_side = False
        self.bytes_in += len(chunk)
        return chunk

    @property
    def body_size(self) -> int | None:
        """Bytes of the whole body as it comes, None if only its end will tell."""
        return self._arrival.length

    @property
    def body_left(self) -> int:
        """Bytes of the body that have not come, as far as that is known."""
        return self._arrival.body.left

    def hold_body(self) -> int:
        """Read nothing more of the body from the socket; returns how many bytes are left there once all is taken that
        came, and 0 before. `body` goes on until then; `resume_body` has to follow."""
        self._connection.hold_body()
        return self._arrival.body.left if self._arrival.body.taken else 0

    def resume_body(self) -> None:
        self._connection.resume_body()

    def lend_body(self) -> Loan | None:
        """The client's socket, for the bytes of its body that have not come."""
        return self._connection.lend_body(self._count_received) if self._arrival.body.taken else None

    def _count_received(self, count: int) -> None:
        self._arrival.body.skip(count)
        self.bytes_in += count

    async def read_body(self, limit: int) -> bytes:
        """A small body whole.

        Raises:
            Refused: TOO_LARGE above `limit` bytes, INCOMPLETE_BODY.
        """
        parts: list[bytes] = []
        size = 0
        async with head_deadline():
            async for chunk in self.body():
                size += len(chunk)
                if size > limit:
                    raise Refused(Reason.TOO_LARGE, f"the body is above {limit} bytes")
                parts.append(chunk)
        return b"".join(parts)

    def allow_body(self) -> None:
        """Tell a client that asked first to send its body."""
        if not self.continued and self._arrival.asks_first:
            with _ClientErrors(self):
                self._connection.allow_body()
        self.continued = True

    def inform(self, status: int, fields: Fields) -> bool:
        """Send an interim answer; whether that was possible: not to a client of HTTP/1.0, which knows of none, and not
        to one that does not take what it was sent before."""
        if self._arrival.version < (1, 1) or self.started or self._connection.behind:
            return False
        with suppress(ConnectionError):  # whoever waits for the client next finds that it has gone
            self._connection.write(interim_head(status, fields))
        return True

    def gone(self) -> Refused:
        """What to raise when the connection is found lost."""
        self.whole = False
        return Refused(self.cut_reason or Reason.CLIENT_GONE, "the client went away")

    def require_uncut(self) -> None:
        """Raises Refused once the exchange was cut."""
        if self.cut_reason is not None:
            raise Refused(self.cut_reason, "the exchange was cut")

    @property
    def awaits_answer(self) -> bool:
        """Whether the client has sent all of its request, or waits for leave to send the rest, and has got nothing."""
        body, asks_first = self._arrival.body, self._arrival.asks_first and not self.continued
        return not (self.started or self._connection.behind) and (body.whole or (asks_first and body.empty))

    @property
    def refused(self) -> bool:
        """Whether a refusal was sent in place of what `refuse` ended."""
        return self._refusing is not None and self.whole

    def refuse(self, reason: Reason, refusing: Coroutine[Any, Any, None]) -> None:
        """End what answers a client that `awaits_answer`, and have it refused: `refusing` does so by `send_refusal`.
        Nothing waits for anything."""
        self.cut_reason = reason
        self._refusing = asyncio.get_running_loop().create_task(refusing)
        self._connection.break_off()

    def send_refusal(self, reply: Reply) -> None:
        """Answer in place of what was ended. After a question the connection is kept: nothing of that goes on for long.
        Else it ends as soon as the client has the answer.

        Raises:
            ConnectionError: the client has gone.
        """
        method = self._arrival.method
        length = None if method == "HEAD" else len(reply.body)  # as `send_whole`
        head = self._begin(reply.status, reply.headers, length, reply.own, last=method not in _ASKS)
        body = b"" if self._bodiless else reply.body
        self._connection.write(head + body)
        self.bytes_out += len(body)
        self.whole = True
        self._connection.end(keep=self._kept, lingering=True)

    async def wait_refused(self) -> bool:
        """What `refuse` ended has ended: wait until the refusal was sent; false if there is none."""
        if self._refusing is None:
            return False
        with suppress(asyncio.CancelledError):  # the one that ended it, where that had not come through
            await asyncio.wait({self._refusing})
        await self._refusing
        return self.whole

    def cut(self, reason: Reason) -> None:
        """End the connection so that the client sees an error. Nothing waits for anything.

        What had not left yet never will, and is taken off the count.
        """
        first, self.cut_reason = self.cut_reason is None, self.cut_reason or reason
        self.bytes_out -= min(self.bytes_out, self._connection.reset())
        if first and reason is not Reason.CLIENT_GONE:  # that is found by what runs itself, and ends it
            self._connection.break_off_alone()

    @property
    def awaits_client(self) -> bool:
        """Whether we wait for the client right now, to send or to take something."""
        return self.client_side or self._connection.lending.awaited

    def delivered(self) -> int:
        """Body bytes that the client's kernel has acknowledged, to judge its speed by; and all bytes it sent us."""
        return self.bytes_in + self._connection.delivered(self.bytes_out)

    def _begin(
        self, status: int, headers: Collection[tuple[str, str]], length: int | None, own: Fields, *, last: bool = False
    ) -> bytes:
        """The head of the answer; with `last`, nothing follows on its connection."""
        arrival = self._arrival
        modern = arrival.version >= (1, 1)
        self._bodiless = has_no_body(arrival.method, status)
        self._chunked = length is None and modern and not self._bodiless
        # Where an answer ends with the connection, and after a body that was not read, nothing follows.
        self._kept = (
            arrival.keep_alive
            and not last
            and arrival.body.whole
            and (self.continued or arrival.body.empty)
            and not self._connection.host.draining
            and (length is not None or self._chunked or self._bodiless)
        )
        # Every answer is one of HTTP/1.1, where silence is a connection that is kept, whoever asked (RFC 9112, 9.3).
        told = "close" if not self._kept else None if modern else "keep-alive"
        head = answer_head(
            status,
            headers,
            (*self.extra, _SERVER) if self.extra else _ONLY_SERVER,
            length=length,
            chunked=self._chunked,
            date=self._connection.date(),
            connection=told,
            own=own,
        )
        # Only now: in place of a head that could not be written, another answer can still be given.
        self.status = status
        self.started = self._connection.answered = True
        self.first_byte_at = time.monotonic()
        return head

    def _end(self) -> None:
        """A body that was asked for, or has begun, is still heard out; one that was never asked for will not come."""
        arrival = self._arrival
        waits = not self.continued and arrival.asks_first and arrival.body.empty
        self._connection.end(keep=self._kept, lingering=not arrival.body.whole and not waits)
