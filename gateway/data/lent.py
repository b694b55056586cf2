"""Owns how much each open use has moved so far, as this process sees it: the requests of one use may run at once.

Refuses to own the counters that all replicas share (`gateway.core.lease`), which learn of a request when it ends.
"""

from __future__ import annotations

from typing import Final

from cachetools import LRUCache

from gateway.core.lease import LEASE_BYTES_FACTOR, Lease
from gateway.core.reasons import Reason, Refused

__all__ = ["Lent"]

_KEPT: Final = 65536


class Lent:
    """Remembers the last 65,536 uses."""

    def __init__(self) -> None:
        self._moved: LRUCache[tuple[str, str], int] = LRUCache(_KEPT)

    def begin(self, lease: Lease) -> None:
        """A request has opened a use, or joined one: a fresh one has moved nothing yet."""
        name = (lease.grant_id, lease.key)
        self._moved[name] = 0 if lease.fresh else max(lease.moved, self._moved.get(name, 0))

    def require(self, lease: Lease, count: int, whole: int) -> int:
        """What the use will have moved after `count` more bytes of an object of `whole` bytes.

        Raises:
            Refused: USED_UP.
        """
        total = self._moved.get((lease.grant_id, lease.key), lease.moved) + count
        if total > LEASE_BYTES_FACTOR * whole:
            raise Refused(Reason.USED_UP, "this use has moved several times the object's size")
        return total

    def move(self, lease: Lease, count: int, whole: int) -> None:
        """Count bytes that are about to move.

        Raises:
            Refused: USED_UP; nothing was counted.
        """
        self._moved[lease.grant_id, lease.key] = self.require(lease, count, whole)
