"""Owns the words for a socket that its connection lends, so that the kernel moves what nobody here has to see.

Refuses to own sockets (the connections lend them) and the moving (`gateway.splice`).

Law: what is lent is used by nobody else until it is returned, and its connection may end the loan at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Loan:
    """One end of a passage of bytes. `descriptor` is a duplicate: who moves the bytes closes it.

    `moved` hears of bytes that have crossed this end, and `returned`, at the end, how many were lost on their way to
    it: if any were, its connection must not go on. `awaited` is whether the passage waits for this end right now.
    """

    __slots__ = ("awaited", "descriptor", "moved", "recalled", "returned", "stop")

    def __init__(self, descriptor: int, moved: Callable[[int], None], returned: Callable[[int], None]) -> None:
        self.descriptor = descriptor
        self.moved = moved
        self.returned = returned
        self.awaited = False
        self.recalled = False
        self.stop: Callable[[], None] | None = None  # set by who moves

    def recall(self) -> None:
        """For the lender: once this returns, nothing moves any more."""
        self.recalled = True
        if self.stop is not None:
            self.stop()


class Lender(Protocol):
    """A body that still comes, from a socket that may be lent."""

    def lend(self) -> Loan | None:
        """The socket, where all that came from it so far was taken; None if it cannot be had."""
        ...


class Sink(Protocol):
    """Where a body goes, by a socket that may be lent."""

    async def lend(self) -> Loan | None:
        """The socket, once all that was written before has left; None if it cannot be had."""
        ...


class Stretch(Protocol):
    """Stands among the chunks of a body: what follows need not be seen here. Who cannot use it passes it over."""

    async def pour(self, sink: Sink, most: int) -> int:
        """Have up to `most` of the bytes that follow moved into the sink; returns how many, possibly none."""
        ...
