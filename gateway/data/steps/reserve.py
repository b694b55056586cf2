"""Owns what an admitted request reserves of its grant: the use, and the bytes that it may still move.

Refuses to own the counting (`gateway.core.lease`), who shares a use (`gateway.data.steps.admit`) and the bytes
themselves.

Laws: bytes are reserved before they move, so no more than reserved ever move. Who downloads an object whole has all of
it reserved or is refused before the first byte: the first ones come through. A range that does not fit beside what
others of its use have reserved (players and download managers ask for more than they take) gets a piece at a time of
what they leave, and waits for it a while; those that begin within the object may together move something more than
the use's cap, since a player that seeks takes more than it shows. Who has had all that their use may move goes on with
the next, where the grant has one: programs behind one address share a use, and an office of them is no fault. Running
requests are reported to the store every quarter of a reservation's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from cachetools import LRUCache

from gateway.core.grant import Grant, GrantKind
from gateway.core.lease import (
    LEASE_WINDOW,
    RESERVED_SECONDS,
    Lease,
    LeaseStore,
    Reservation,
    Room,
    Settlement,
    cap_of_use,
)
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.request import TRANSFERS
from gateway.data.state.transfers import Permit, Transfers
from gateway.data.steps.reserve_intake import settle_received
from gateway.shielded import shield

AT_ONCE: Final = 8 * 1024 * 1024
"""Bytes that are reserved at once of a body whose length nobody knows."""

_PIECE: Final = 1024 * 1024
_PAUSE: Final = 0.25
_TRIES: Final = 80
_LOOKS: Final = 4
"""So often, a pause apart, one whole download is looked for that has happened and is not counted yet."""
_IN_TURN: Final = 16
_LAST_NUMBER: Final = 1 << 32
_SPENT: Final[LRUCache[tuple[str, str], int]] = LRUCache(4096)
"""Of the uses that one caller has taken of a grant, one after the other: the number of the last one that is known to
have no room, nor any before it. Where that is forgotten, it is found anew."""


async def open_lease(leases: LeaseStore, permit: Permit, grant: Grant, key: str, window: float) -> Lease:
    """Take a use and, in the same step of the store, note that it is to be given back if the request brings nothing.

    Raises:
        Refused: USED_UP.
    """
    mine = Reservation(grant.id, key, permit.name)
    permit.lease = lease = await leases.open_lease(mine, grant.uses, permit.attempt.now, window)
    if lease is None:
        raise Refused(Reason.USED_UP, f"all {grant.uses} uses are taken")
    permit.reservation = mine
    return lease


def must_claim(permit: Permit) -> bool:
    """Whether bytes may have to be reserved before they move: most grants count none."""
    grant = permit.grant
    return grant is not None and (grant.budget is not None or permit.lease is not None)


async def claim(
    leases: LeaseStore,
    permit: Permit,
    wanted: int,
    whole: int | None,
    *,
    least: int | None = None,
    seeks: bool = False,
) -> int:
    """Reserve bytes before they move; returns how many, at least one. `whole` is the object's size, for the use's cap,
    and `seeks` that they do not begin with the object's first.

    Where nobody knows how many will move, `least` are enough if the wish is too large.

    Raises:
        Refused: USED_UP, or the reason of a cut while it waits.
    """
    grant = permit.grant
    if grant is None or not must_claim(permit) or not wanted or _is_document(permit, grant):
        return wanted
    cap = None if whole is None else _cap_of(permit, grant, max(whole, wanted), seeks=seeks)
    if grant.budget is None and cap is None:
        return wanted
    if grant.once and cap is not None and whole is not None:
        await _require_not_had(leases, permit, grant, whole, patient=wanted >= whole)
    ranged = cap is not None and wanted < (whole or 0)
    room = await shield(_reserve(leases, permit, grant, wanted, cap))
    if room is not Room.TAKEN and least is not None and least < wanted:
        wanted = least
        room = await shield(_reserve(leases, permit, grant, wanted, cap))
    if room is Room.HELD and ranged:
        wanted = min(wanted, _PIECE)
        room = await _wait_for_room(leases, permit, grant, wanted, cap)
    first = permit.reservation
    if room is not Room.TAKEN and cap is not None and first is not None and _may_take_another(permit, grant):
        room = await _take_another(leases, permit, grant, first, wanted=wanted, cap=cap)
    if room is not Room.TAKEN:
        state = "is spent" if room is Room.SPENT else "is reserved by what runs already"
        raise Refused(Reason.USED_UP, f"what the grant, or this use of it, may move {state}")
    return wanted


async def _wait_for_room(leases: LeaseStore, permit: Permit, grant: Grant, wanted: int, cap: int | None) -> Room:
    """Reserve so many bytes as soon as others give them back, within a while.

    Raises:
        Refused: the reason of a cut while it waits.
    """
    room = Room.HELD
    for _ in range(_TRIES):
        room = await shield(_reserve(leases, permit, grant, wanted, cap))
        if room is not Room.HELD:
            break
        await permit.pause(_PAUSE)
    return room


async def _require_not_had(leases: LeaseStore, permit: Permit, grant: Grant, whole: int, *, patient: bool) -> None:
    """Of a link that is for one whole download. The `patient` wait a little for what others have reserved: who has got
    all of it, and left, may not have been counted yet.

    Raises:
        Refused: USED_UP, or the reason of a cut while it waits.
    """
    for look in range(_LOOKS if patient else 1):
        if look:
            await permit.pause(_PAUSE)
        room = await shield(_reserve(leases, permit, grant, 1, whole))
        if room is Room.SPENT:
            raise Refused(Reason.USED_UP, "the one whole download is done")
        if room is Room.TAKEN:
            return


def _may_take_another(permit: Permit, grant: Grant) -> bool:
    """Whether a request may go on with another use than the one it was let in by: of a grant that has several, before
    its first byte. What acts by a link's credentials has the one that they are."""
    several = grant.uses is not None and grant.uses > 1 and not grant.once
    return several and permit.credentials is None and not permit.reserved


async def _take_another(
    leases: LeaseStore, permit: Permit, grant: Grant, first: Reservation, *, wanted: int, cap: int
) -> Room:
    """Reserve in the first of the later uses that has room; one that was taken in vain is given back.

    Raises:
        Refused: USED_UP.
    """
    room, all_spent = Room.SPENT, True
    known = first.grant_id, first.key or ""
    for number in _numbers(_SPENT.get(known, 1) + 1):
        await shield(leases.give_back(permit.reservation or first))
        permit.reservation = None
        lease = await shield(open_lease(leases, permit, grant, f"{first.key}+{number}", LEASE_WINDOW))
        room = await shield(_reserve(leases, permit, grant, wanted, cap))
        if room is Room.TAKEN or lease.fresh:
            break  # where a new use has no room, the bytes of all of them are spent
        all_spent = all_spent and room is Room.SPENT  # what is reserved may come free
        if all_spent:
            _SPENT[known] = number
    return room


def _numbers(begin: int) -> Iterator[int]:
    """Of the uses to look at: some in turn, as they are taken, then each twice the one before. So a process that knows
    of none yet has few to look at, however many are spent."""
    yield from range(begin, begin + _IN_TURN)
    number = begin + _IN_TURN
    while number < _LAST_NUMBER:
        yield number
        number *= 2


def _cap_of(permit: Permit, grant: Grant, size: int, *, seeks: bool) -> int | None:
    """How much the use may move of an object of this size, None for as much as it likes."""
    if permit.lease is None:
        return None
    if permit.credentials is not None and grant.scope is not None and grant.scope.key is None:
        return None  # the use is for the whole folder, whose size nobody knows
    return cap_of_use(size, seeks=seeks and not grant.once)


async def may_have_whole(leases: LeaseStore, mine: Reservation, grant: Grant, size: int) -> bool:
    """Whether a use may still bring all of an object of this size, as `claim` decides; the grant's budget is another
    question, which the next use would not answer better.

    It is found by reserving all of it: whoever asks gives `mine` back.
    """
    if grant.once and await leases.reserve_bytes(mine, 1, cap=size) is Room.SPENT:
        return False
    return await leases.reserve_bytes(mine, size, cap=cap_of_use(size)) is Room.TAKEN


def _is_document(permit: Permit, grant: Grant) -> bool:
    """Whether what a key sends are words about objects, a list of parts or of tags, and no object's bytes."""
    by_key = grant.kind is GrantKind.KEY or permit.credentials is not None
    return by_key and permit.attempt.operation not in TRANSFERS


async def _reserve(leases: LeaseStore, permit: Permit, grant: Grant, wanted: int, cap: int | None) -> Room:
    mine = permit.reservation or Reservation(grant.id, None, permit.name)
    room = await leases.reserve_bytes(mine, wanted, budget=grant.budget, cap=cap)
    if room is Room.TAKEN:
        permit.reservation = mine
        permit.reserved += wanted
    return room


async def count_whole(leases: LeaseStore, permit: Permit, now: float) -> None:
    """Have a link that is for one whole download know of all that moved, before the last of it leaves."""
    if permit.grant is None or not permit.grant.once or permit.reservation is None:
        return
    moved, permit.counted = permit.moved - permit.counted, permit.moved
    await shield(leases.settle_bytes(permit.reservation, Settlement(moved, ends=False), now))


async def settle(leases: LeaseStore, permit: Permit, now: float) -> None:
    """Correct the counters to what really happened.

    Raises:
        DependencyDown: the store cannot be reached: its counters stay too high, never too low.
    """
    mine, grant = permit.reservation, permit.grant
    if grant is None:
        return
    if permit.intake is not None:
        await settle_received(leases, permit, permit.intake, now)
    moved, permit.counted = permit.moved - permit.counted, permit.moved
    if mine is not None and not permit.consumed:
        await leases.give_back(mine)
    if mine is None or not permit.consumed:
        mine = Reservation(grant.id)
    if moved or permit.consumed:
        # An upload in steps keeps its use by the bytes that have moved: until then, ending it gives it back.
        await leases.settle_bytes(mine, Settlement(moved, keeps=permit.upload is None), now)


async def report(leases: LeaseStore, transfers: Transfers, clock: Callable[[], float]) -> None:
    """Report all that runs to the store, and release what no replica has reported for too long.

    What may still be given back whole (`consumed` is false) counts at its end.
    """
    for permit in transfers:
        if permit.intake is not None and transfers.runs(permit):
            try:
                await leases.settle_bytes(permit.intake, Settlement(0, ends=False, keeps=False), clock())
            except DependencyDown:
                return
        if permit.reservation is not None and transfers.runs(permit):  # it may have ended meanwhile
            moved = permit.moved - permit.counted if permit.consumed else 0
            permit.counted += moved
            keeps = permit.consumed and permit.upload is None
            try:
                await leases.settle_bytes(permit.reservation, Settlement(moved, ends=False, keeps=keeps), clock())
            except DependencyDown:  # and so for all others: the next round reports them
                permit.counted -= moved
                return
    try:
        await leases.release_lapsed()
    except DependencyDown:
        return


async def keep_reservations(leases: LeaseStore, transfers: Transfers, clock: Callable[[], float]) -> None:
    """Do so until cancelled."""
    while True:
        await asyncio.sleep(RESERVED_SECONDS / 4)
        await report(leases, transfers, clock)
