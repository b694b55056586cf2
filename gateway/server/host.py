"""Owns what a connection needs of the listener that took it.

Refuses to own either (`gateway.server.connection`, `gateway.server.listener`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from gateway.server.head import KnownHeads
from gateway.server.request import IncomingRequest

C_contra = TypeVar("C_contra", contravariant=True)
"""Its connections, of which it needs to know nothing here."""


class Host(Protocol[C_contra]):
    """What a connection needs of its listener."""

    loop: asyncio.AbstractEventLoop
    head_seconds: float
    known_heads: KnownHeads
    draining: bool
    read_buffer: memoryview
    """What all connections of the loop read into: it is emptied before the next read."""
    first_read_buffer: memoryview
    """The first bytes of it."""

    @property
    def handle(self) -> Callable[[C_contra, IncomingRequest], Awaitable[None]]:
        """What answers a request."""
        ...

    def add_connection(self, connection: C_contra) -> None: ...

    def remove_connection(self, connection: C_contra) -> None: ...

    def note_malformed_head(self, connection: C_contra, data: bytes, *, first: bool) -> None: ...

    def date(self) -> str:
        """The value of a Date field now (RFC 9110, 6.6.1)."""
        ...
