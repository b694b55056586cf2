"""Owns how a connection lends its socket: emptied first, by a duplicate of its descriptor, and never one under TLS.

Refuses to own when (the connections know) and what moves then (`gateway.splice.pump`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from gateway.core.loan import Loan

__all__ = ["Lending", "flush", "may_be_lent"]


def may_be_lent(stream: asyncio.Transport | None) -> bool:
    """Whether what crosses the socket are the very bytes of the connection."""
    return stream is not None and not stream.is_closing() and stream.get_extra_info("sslcontext") is None


class Lending:
    """What a connection has lent of its socket, if anything."""

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
        """The socket by a second descriptor; None when it is gone, or the process has no more of them.

        `moved` hears of its bytes; `cut` ends the connection, if some that were for it were lost.
        """
        if stream is None or stream.is_closing():
            return None

        def returned(lost: int) -> None:
            self._loan = None
            if lost:
                cut()

        try:
            descriptor = os.dup(stream.get_extra_info("socket").fileno())
        except OSError:
            return None
        self._loan = loan = Loan(descriptor, moved, returned)
        return loan

    def recall(self) -> None:
        """Nothing moves any more, once this returns."""
        if self._loan is not None:
            self._loan.recall()


async def flush(stream: asyncio.Transport, drain: Callable[[], Awaitable[None]], high: int) -> None:
    """Wait until all that was written has left for the kernel; `high` is the transport's own limit, for afterwards."""
    try:
        while stream.get_write_buffer_size() and not stream.is_closing():
            stream.set_write_buffer_limits(high=0)  # so that it tells when nothing is left
            await drain()
    finally:
        if not stream.is_closing():
            stream.set_write_buffer_limits(high=high)
