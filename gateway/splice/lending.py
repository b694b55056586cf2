"""Owns how a connection lends its socket: flushed first, as a duplicate of its descriptor, and never one under TLS.

Refuses to own when it is lent (the connections decide) and what moves then (`gateway.splice.pump`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from gateway.core.loan import Loan
from gateway.splice.descriptors import is_kept


def may_be_lent(stream: asyncio.Transport | None) -> bool:
    """Whether the socket carries the connection's bytes as they are, not encrypted."""
    return stream is not None and not stream.is_closing() and stream.get_extra_info("sslcontext") is None


class Lending:
    """The loan of a connection's socket, if there is one."""

    __slots__ = ("_loan",)

    def __init__(self) -> None:
        self._loan: Loan | None = None

    @property
    def awaited(self) -> bool:
        """Whether the passage waits for this connection right now."""
        return self._loan is not None and self._loan.awaited

    def lend(
        self, stream: asyncio.Transport | None, moved: Callable[[int], None], cut: Callable[[], object]
    ) -> Loan | None:
        """The socket by a second descriptor; None when it is closed, or the process has no more descriptors.

        `moved` is called with each count of bytes; `cut` ends the connection if bytes for it were lost.
        """
        if stream is None or stream.is_closing():
            return None

        def end_loan(lost: int) -> None:
            self._loan = None
            if lost:
                cut()

        try:
            descriptor = os.dup(stream.get_extra_info("socket").fileno())
        except OSError:
            return None
        if is_kept(descriptor):
            os.close(descriptor)
            return None
        self._loan = loan = Loan(descriptor, moved, end_loan)
        return loan

    def recall(self) -> None:
        """Nothing moves any more, once this returns."""
        if self._loan is not None:
            self._loan.recall()


async def flush(stream: asyncio.Transport, drain: Callable[[], Awaitable[None]], high: int) -> None:
    """Wait until all that was written has left for the kernel; `high` is the transport's own limit, for afterwards."""
    try:
        while stream.get_write_buffer_size() and not stream.is_closing():
            stream.set_write_buffer_limits(high=0)  # so that it resumes only when nothing is left
            await drain()
    finally:
        if not stream.is_closing():
            stream.set_write_buffer_limits(high=high)
