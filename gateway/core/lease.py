"""Owns counted uses and bytes: what a lease and a reservation are, and the interface of the store that counts exactly.

Refuses to own who the caller is (the lease key is made in `gateway.data.steps.admit`).

A use is a lease, not a request: it is opened before the first byte, in one atomic conditional write; ranges and
resumes with the same lease key inside its window are free; it is given back if nothing of the object was sent.

What a request may move is reserved before it moves: a request that is admitted can finish, and one that cannot is
refused before the first byte. A request renews its reservation while it runs. What was reserved by one that ended with
its gateway is free again after `RESERVED_SECONDS`, and so is the use that it had opened for nothing. The bytes that it
moved since its last renewal (a quarter of that time) are then not counted: by so much, and never by more than was
reserved, a crash can overdraw a budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

from gateway.core.grant import Grant, GrantState
from gateway.core.request import Action
from gateway.core.values import dataclass

LEASE_WINDOW: Final = 3600.0
"""Seconds after its opening in which a lease covers further requests. Generous enough to resume a large download."""

LEASE_BYTES_FACTOR: Final = 3
"""A lease moves at most this many times the object's size, so that it is no free pass."""

SEEK_BYTES_FACTOR: Final = 8
SEEK_BYTES: Final = 32 * 1024 * 1024
"""So many times the object's size, up to so many bytes, it moves more in ranges that begin within the object. A player
that seeks asks for all the rest each time and leaves; what the network holds by then, some MiB, has moved, and of a
small film that is all of it."""

RESERVED_SECONDS: Final = 60.0
"""How long a reservation stands that is not renewed."""

UNKEPT_SECONDS: Final = 86_400.0
"""How long a lease that nobody kept is remembered after its window: what still runs by it, an upload that takes hours
perhaps, may give its use back."""


def cap_of_use(size: int, *, seeks: bool = False) -> int:
    """How many bytes one use may move of an object of this size; `seeks` for ranges that begin within the object."""
    more = min(SEEK_BYTES, SEEK_BYTES_FACTOR * size) if seeks else 0
    return LEASE_BYTES_FACTOR * size + more


@dataclass(frozen=True, slots=True)
class Lease:
    """An open lease. `fresh` says that this very request opened it."""

    grant_id: str
    key: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Reservation:
    """By what a request is known to the counters: its grant, the lease that it shares, and a name of its own.

    Without a `request` nothing stands in its name: it can neither reserve nor keep others from giving a use back.
    """

    grant_id: str
    key: str | None = None
    request: str = ""
    seconds: float = RESERVED_SECONDS


class Room(StrEnum):
    """What became of a wish for bytes: `HELD` when they would be there if others gave back what they reserved."""

    TAKEN = "taken"
    HELD = "held"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class Settlement:
    """So many bytes moved more, which are reserved no longer. Unless the request `ends`, the rest stands on.

    A negative number takes back what was counted before; it is for the end of a request.
    `keeps` says that the use was had, and cannot be given back; `bounded` counts no more than was reserved.
    """

    moved: int
    ends: bool = True
    keeps: bool = True
    bounded: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """What somebody had of a grant that counts no use: so many bytes moved under a lease's key, the last of them `at`
    (seconds since the epoch)."""

    grant_id: str
    key: str
    moved: int
    at: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a grant has used so far; `moved` in bytes, with those that are reserved.

    `last_used_at` is in seconds since the epoch, None if never.
    """

    uses: int = 0
    moved: int = 0
    last_used_at: float | None = None


UNUSED: Final = Usage()


def state_with(grant: Grant, usage: Usage, received: Usage, now: float) -> GrantState:
    """The grant's state with its counters known: an active grant whose uses or bytes are spent is used up, and so is
    one that only takes files, and has all that it may receive."""
    state = grant.state(now)
    spent = _is_reached(grant.uses, grant.budget, usage)
    full = grant.actions == {Action.WRITE} and _is_reached(grant.intake.max_files, grant.intake.total_bytes, received)
    return GrantState.USED_UP if state is GrantState.ACTIVE and (spent or full) else state


def _is_reached(uses: int | None, moved: int | None, usage: Usage) -> bool:
    return (uses is not None and usage.uses >= uses) or (moved is not None and usage.moved >= moved)


class LeaseStore(Protocol):
    """Exact counters, safe under any number of parallel callers on any number of replicas.

    Implementations raise `DependencyDown("grants")` when they cannot answer.
    """

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease | None:
        """Join the open lease of this key, or open a new one if fewer than `uses` were ever opened; else None.

        From now on `mine` stands, with no byte reserved.
        """
        ...

    async def give_back(self, mine: Reservation) -> None:
        """End `mine`, which brought nothing. The last one to do so gives back the use itself, if nobody kept it."""
        ...

    async def reserve_bytes(
        self, mine: Reservation, wanted: int, *, budget: int | None = None, cap: int | None = None
    ) -> Room:
        """Reserve `wanted` more, unless the grant's bytes would pass `budget` or those of its lease `cap`.

        All or nothing. A lease that has ended has no room.
        """
        ...

    async def settle_bytes(self, mine: Reservation, done: Settlement, now: float) -> None:
        """Count what a request moved."""
        ...

    async def count_uses(self, uses: Sequence[Use], window: float) -> None:
        """Count what was had without asking, for statistics: each joins the open lease of its key, or opens one, and
        its bytes have moved. When this raises, some of them may be counted."""
        ...

    async def release_lapsed(self) -> int:
        """Give back what requests reserved and did not renew in time; returns how many those were."""
        ...

    async def usage(self, grant_ids: list[str]) -> dict[str, Usage]:
        """The counters of these grants; those never used are missing."""
        ...
