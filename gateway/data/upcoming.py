"""Owns what of a client's body has not come yet, where its socket may be lent for it, and how much may come at all.

Refuses to own what the bytes mean (`gateway.data.body`, `gateway.data.tus`) and moving them (`gateway.splice.pump`).

Law: bytes that do not pass through here are counted and capped like those that do; the last one always passes.
"""

from __future__ import annotations

from gateway.core.loan import Loan
from gateway.core.reasons import Reason, Refused
from gateway.data.state.transfers import Permit
from gateway.splice.pump import is_worth_it


def require_allowed(permit: Permit, total: int, declared: int | None) -> None:
    """Raises Refused TOO_LARGE, INCOMPLETE_BODY for more bytes than a body may have."""
    cap = permit.largest
    if cap is not None and total > cap:
        raise Refused(Reason.TOO_LARGE, f"the body is above the allowed {cap} bytes")
    if declared is not None and total > declared:
        raise Refused(Reason.INCOMPLETE_BODY, "the body is longer than declared")


class Upcoming:
    """What follows in a client's body of known length, all but its last byte, from a socket that may be lent."""

    __slots__ = ("_exchange", "_length", "_permit")

    def __init__(self, permit: Permit, length: int) -> None:
        self._permit, self._exchange = permit, permit.exchange
        self._length = length

    @property
    def left(self) -> int:
        """Bytes on the wire that have not come."""
        return self._exchange.body_left

    def begins(self) -> bool:
        """Whether all that came was taken, and enough is still to come; nothing more is read until then."""
        return is_worth_it(self.left) and is_worth_it(self._exchange.hold_body())

    def lend(self) -> Loan | None:
        return self._exchange.lend_body()

    def resume(self) -> None:
        """Go on in chunks."""
        self._exchange.resume_body()

    def count(self, size: int) -> None:
        """So many bytes came. Raises as `require_allowed`."""
        total = self._permit.moved + size
        require_allowed(self._permit, total, self._length)
        self._permit.moved = total
