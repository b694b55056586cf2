"""Owns one request and its answer on pooled connections: sending, early answers, the few allowed repeats, giving back.

Refuses to own addressing and signing (`gateway.backends.presign`): it gets finished bytes.

Law: a write is sent once. Only a request that is safe, has no body, and died on a kept connection before one byte of
answer is repeated, once, on a new connection. An upload's last byte leaves only after its source has ended
well, so a source that fails can never look like a whole body.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from gateway.backends.connection import Connection
from gateway.backends.pool import Pool
from gateway.backends.response import Response
from gateway.core.loan import Loan, Stretch
from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.route import Answer, AnswerBody, EmptyBody, UploadBody, UpstreamCall

_EMPTY: Final = EmptyBody()
_SAFE: Final = frozenset({"GET", "HEAD"})

_JOINED: Final = 16384
"""Bytes of a body that are copied behind their head. Of more, the copy costs more than a second piece of one write."""

Source = UploadBody | None


class StreamedBody:
    """The body of an answer as it arrives (`core.route.AnswerBody`). One reader."""

    __slots__ = ("_connection", "_response")

    def __init__(self, response: Response, connection: Connection) -> None:
        self._response = response
        self._connection = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        response = self._response
        while not response.chunks:
            if response.complete:
                raise StopAsyncIteration
            response.raise_failure()
            await self._connection.wait_for_progress()
        return response.pop()

    def lend(self) -> Loan | None:
        """See `core.loan.Lender`."""
        return self._connection.lend_answer() if self._connection.response is self._response else None

    async def read(self, limit: int) -> bytes:
        response = self._response
        while not response.complete and response.received <= limit:
            response.raise_failure()
            await self._connection.wait_for_progress()
        if response.received > limit:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, f"the body is longer than {limit} bytes")
        whole = b"".join(response.chunks)
        response.chunks.clear()
        response.buffered = 0
        return whole


class StoreCall:
    """One call and its body. Bytes are handed to the socket as they are; an iterator is drawn from as the socket takes
    it, while the answer is already being waited for. What is small and whole is asked for when the connection is there,
    and goes in one write with the head.
    """

    __slots__ = ("_body", "_call", "_connection", "_head", "_response", "_sender", "_sent", "_source_fault")

    def __init__(self, call: UpstreamCall, body: Source = None) -> None:
        """The length of `body` is the one that `call` declares."""
        self._call = call
        self._body = body
        self._head = b""
        self._connection: Connection | None = None
        self._response: Response | None = None
        self._sender: asyncio.Task[None] | None = None
        self._sent = False
        self._source_fault: BaseException | None = None

    async def exchange(self, pool: Pool, head: bytes) -> Answer:
        """Send the head, which is finished, and the body; the store's head, once it is there. `end` has to follow."""
        call, self._head = self._call, head
        method = call.method
        safe = method in _SAFE and self._body is None
        connection = pool.take(write=not safe) or await pool.acquire()
        while True:
            may_repeat = safe and connection.uses > 0
            self._connection = connection
            self._response = response = Response(bodiless=method == "HEAD")
            connection.begin(response, slow_head=call.slow_head)
            try:
                source = self._body
                if callable(source):
                    source = await source()
                self._send(connection, source)
                while not response.head_done and response.failure is None:
                    await connection.wait_for_progress()
                    if self._source_fault is not None:
                        raise self._source_fault
                if response.failure is not None:
                    response.raise_failure()
                # Asked of this exchange, not of the connection: after a whole answer, another may have it by now.
                if not self._sent:
                    await self._require_refusal(response)
            except BaseException as failure:
                await self.end()
                broke = isinstance(failure, UpstreamFailed) and failure.reason is Reason.UPSTREAM_BROKE
                if not (may_repeat and broke) or response.started:
                    raise
            else:
                body: AnswerBody = _EMPTY if response.length == 0 else StreamedBody(response, connection)
                return Answer(response.status, response.headers, response.length, body, response.known, response.wire)
            safe = False
            connection = await pool.acquire(fresh=True)

    async def _require_refusal(self, response: Response) -> None:
        """The store answered before the body was sent: a refusal is valid, and this connection ends with it."""
        await self._stop_sending()
        if response.status < 300:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "success was answered before the body was sent")

    def _send(self, connection: Connection, source: AsyncIterator[bytes | Stretch] | bytes | None) -> None:
        if source is None:
            connection.write(self._head)
        elif isinstance(source, bytes):
            if len(source) != self._call.body_length:
                raise ValueError("the body is not as long as declared")
            if len(source) <= _JOINED:
                connection.write(self._head + source)
            else:
                connection.write(self._head)
                connection.write(source)
        else:
            loop = asyncio.get_running_loop()
            self._sender = loop.create_task(self._send_source(connection, source))
            return
        self._sent = connection.request_sent = True  # from now on the store owes an answer

    async def _send_source(self, connection: Connection, source: AsyncIterator[bytes | Stretch]) -> None:
        """The sending task: whatever ends it early ends the connection before the last byte."""
        try:
            await self._pour(connection, source)
        except BaseException as error:
            connection.abort()
            if isinstance(error, asyncio.CancelledError):
                raise
            self._source_fault = error
            connection.interrupt()

    async def _pour(self, connection: Connection, source: AsyncIterator[bytes | Stretch]) -> None:
        declared = self._call.body_length or 0
        left = declared
        # The head waits for the first bytes: some stores take a head that nothing follows for an empty object.
        held = self._head
        async for chunk in source:
            if not isinstance(chunk, bytes):
                left -= await chunk.pour(connection, left - 1)
                continue
            if not chunk:
                continue
            left -= len(chunk)
            if left < 0:
                raise Refused(Reason.INCOMPLETE_BODY, f"the body is longer than the declared {declared} bytes")
            held = held + chunk if held else chunk
            if not left:
                continue
            connection.write(held)
            held = b""
            await connection.drain()
            if connection.closed:
                return
        if left:
            raise Refused(Reason.INCOMPLETE_BODY, f"the body ended {left} bytes before its declared {declared}")
        connection.write(held)
        self._sent = connection.request_sent = True

    async def _stop_sending(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None and not sender.done():
            sender.cancel()
            await asyncio.wait({sender})

    def is_over(self) -> bool:
        """Whether nothing is left to end: an answer that came whole has returned its connection already."""
        connection = self._connection
        return self._sender is None and (connection is None or connection.response is not self._response)

    async def end(self) -> None:
        """Give everything back."""
        connection, response = self._connection, self._response
        if connection is not None and response is not None and connection.response is response:
            connection.abort()
        if self._sender is not None:
            await self._stop_sending()
        self._source_fault = None  # its traceback leads back here
