"""Owns the way out of one client's connection: what is handed to its socket, whether the client keeps up, what has come
to the other side, and the end that the client sees.

Refuses to own what comes in and which request is answered (`gateway.server.connection`), and the kernel's numbers
(`gateway.server.sending`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.core.loan import Loan
from gateway.server.sending import NOT_ACKNOWLEDGED, acknowledged, forget_unsent, waiting
from gateway.splice.lending import Lending, flush, may_be_lent

WRITE_HIGH: Final = 64 * 1024
"""Bytes that may wait in the transport before the client counts as behind."""


class ClientStream(asyncio.BufferedProtocol):
    """`_transport` is None before the connection is made and once it is lost, `_ended` whether we have ended it."""

    __slots__ = ("_drained", "_ended", "_loop", "_transport", "lending")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._drained: asyncio.Future[None] | None = None  # there while the client is behind
        self._ended = False
        self.lending = Lending()

    # -- what the event loop calls

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # -- handing over

    @property
    def descriptor(self) -> int:
        """Its socket's number."""
        stream = self._transport
        return -1 if stream is None else int(stream.get_extra_info("socket").fileno())

    @property
    def encrypted(self) -> bool:
        """Whether the client speaks TLS with us."""
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None

    def write(self, data: bytes) -> bool:
        """Hand bytes to the socket; returns whether the client is behind. Raises ConnectionError when there is none."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._transport.write(data)
        return self._drained is not None

    @property
    def behind(self) -> bool:
        """Whether there is anything to wait for, or nobody any more."""
        return self._drained is not None or self._transport is None

    async def drain(self) -> None:
        """Wait while the client is behind. Raises ConnectionError when it has gone."""
        if self._drained is not None:
            await asyncio.shield(self._drained)
        if self._transport is None or self._transport.is_closing():  # which is told in a later turn
            raise ConnectionResetError("the connection was lost")

    async def lend(self, moved: Callable[[int], None]) -> Loan | None:
        """The socket for what is to be sent next; None if it cannot be had."""
        stream = self._transport
        if stream is None or not may_be_lent(stream):
            return None
        await flush(stream, self.drain, WRITE_HIGH)
        return self.lending.lend(stream, moved, self.reset)

    # -- what has come to the other side

    def delivered(self, written: int) -> int:
        """Of so many bytes of a body that were written, those that the client's kernel has confirmed. Below TLS bytes
        wait where nobody can look, so there it is what was confirmed of the whole connection: to be compared with what
        it was before, and with nothing else."""
        stream = self._transport
        return acknowledged(stream) if stream is not None and self.encrypted else written - self.unacknowledged

    @property
    def unacknowledged(self) -> int:
        """Bytes written that the client's kernel has not confirmed."""
        return 0 if self._transport is None else waiting(self._transport, NOT_ACKNOWLEDGED)

    # -- the end

    def abort(self) -> None:
        """End the connection at once; what waits is not sent."""
        self._ended = True
        self.lending.recall()
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> int:
        """End the connection so that the client sees an error: linger 0, abort. Returns the bytes that never left."""
        stream, self._ended = self._transport, True
        if stream is None:
            return 0
        unsent = forget_unsent(stream)
        self.lending.recall()
        stream.abort()
        return unsent
