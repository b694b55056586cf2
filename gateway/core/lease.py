"""Owns counted uses: what a lease is and the interface of the store that counts exactly.

Refuses to own who the caller is (the lease key is made in `gateway.data.admit`).

A use is a lease, not a request: it is opened before the first byte, in one atomic conditional write; ranges and
resumes with the same lease key inside its window are free; it is given back if no byte was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from gateway.core.grant import Grant, GrantState

__all__ = ["LEASE_BYTES_FACTOR", "LEASE_WINDOW", "Lease", "LeaseStore", "Usage", "state_with"]

LEASE_WINDOW: Final = 3600.0
"""Seconds after its opening in which a lease covers further requests. Generous enough to resume a large download."""

LEASE_BYTES_FACTOR: Final = 3
"""A lease moves at most this many times the object's size, so that it is no free pass."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An open lease. `fresh` says that this very request opened it, so that only this one may give it back."""

    grant_id: str
    key: str
    fresh: bool
    moved: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a grant has used so far; `moved` in bytes. `last_used_at` is in seconds since the epoch, None if never."""

    uses: int = 0
    moved: int = 0
    last_used_at: float | None = None


def state_with(grant: Grant, usage: Usage, now: float) -> GrantState:
    """The grant's state with its counters known: an active grant whose uses or bytes are spent is used up."""
    state = grant.state(now)
    spent = (grant.uses is not None and usage.uses >= grant.uses) or (
        grant.budget is not None and usage.moved >= grant.budget
    )
    return GrantState.USED_UP if state is GrantState.ACTIVE and spent else state


class LeaseStore(Protocol):
    """Exact counters, safe under any number of parallel callers on any number of replicas.

    Implementations raise `DependencyDown("grants")` when they cannot answer.
    """

    async def open_lease(self, grant_id: str, key: str, uses: int | None, now: float, window: float) -> Lease | None:
        """Join the open lease of this key, or open a new one if fewer than `uses` were ever opened; else None."""
        ...

    async def give_back(self, lease: Lease) -> None:
        """Undo a fresh lease whose request moved no byte."""
        ...

    async def reserve_bytes(self, grant_id: str, wanted: int, budget: int) -> bool:
        """Add `wanted` to the grant's byte count unless that would pass `budget`."""
        ...

    async def settle_bytes(self, grant_id: str, lease_key: str | None, reserved: int, moved: int, now: float) -> None:
        """Replace a reservation by what really moved, and add it to the lease's own count."""
        ...

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        """The counters of these grants; those never used are missing."""
        ...
