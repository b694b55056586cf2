"""Owns how a connection lends its socket: emptied first, by a duplicate of its descriptor, and never one under TLS.

Refuses to own when (the connections know) and what moves then (`gateway.splice.pump`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

__all__ = ["duplicate", "flush", "may_be_lent"]


def may_be_lent(stream: asyncio.Transport | None) -> bool:
    """Whether what crosses the socket are the very bytes of the connection."""
    return stream is not None and not stream.is_closing() and stream.get_extra_info("sslcontext") is None


def duplicate(stream: asyncio.Transport) -> int | None:
    """A second descriptor of the socket; None when the process has no more of them."""
    try:
        return os.dup(stream.get_extra_info("socket").fileno())
    except OSError:
        return None


async def flush(stream: asyncio.Transport, drain: Callable[[], Awaitable[None]], high: int) -> None:
    """Wait until all that was written has left for the kernel; `high` is the transport's own limit, for afterwards."""
    try:
        while stream.get_write_buffer_size() and not stream.is_closing():
            stream.set_write_buffer_limits(high=0)  # so that it tells when nothing is left
            await drain()
    finally:
        if not stream.is_closing():
            stream.set_write_buffer_limits(high=high)
