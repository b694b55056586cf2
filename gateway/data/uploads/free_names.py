"""Owns finding a name that is free where the one that was sent is taken, and holding it until the object is there.

Refuses to own how names are numbered (`gateway.core.naming`), and the writing, which is conditional all the same.

Laws: a name is held before it is looked at, so that of many who send the same one each gets another, on any replica; a
name that is held by an upload that died is free again after a day. What the store is asked, and how often, does not
depend on whether the name was taken, unless two ask for it at once: how long it takes betrays nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from typing import Final

from gateway.core.limits import Demand
from gateway.core.naming import next_names, numbered_stem, split_extension
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.route import Route, UpstreamCall
from gateway.core.units import Rate
from gateway.core.values import dataclass
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.names import require_absent
from gateway.data.state.transfers import Permit
from gateway.wire.links.tus_state import UPLOAD_SECONDS
from gateway.wire.parse import check_key
from gateway.wire.replies import store_refusal
from gateway.wire.s3.documents import store_fault
from gateway.wire.s3.listing import read_listing

_ONE: Final = Rate(1, UPLOAD_SECONDS, 1)
_NUMBERED: Final = 1000
_DOCUMENT_LIMIT: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HeldName:
    """A name that nobody else is given until it is given back, or for a day."""

    plane: DataPlane
    mark: str

    @classmethod
    def of(cls, plane: DataPlane, route: Route) -> HeldName:
        place = f"{route.backend.name}/{route.bucket.real_bucket}/{route.real_key}"
        return cls(plane, "name:" + blake2b(place.encode(), digest_size=16).hexdigest())

    async def take(self, snapshot: Snapshot) -> bool:
        """Whether it is held now. A limit store that is down holds nothing, where its posture lets pass."""
        verdict = await self.plane.take_limits(snapshot, [Demand(self.mark, _ONE, 1)], self.plane.clock())
        return verdict is None or verdict.allowed

    async def give_back(self) -> None:
        with suppress(DependencyDown):
            await self.plane.limits.take([Demand(self.mark, _ONE, -1)], self.plane.clock())


async def hold_free_name(plane: DataPlane, snapshot: Snapshot, permit: Permit) -> HeldName:
    """Let the permit be about the first name after its own that is free, and hold that.

    Raises:
        Refused: KEY_TOO_LONG, as `DataPlane.move_to`, and what the store refuses; OBJECT_EXISTS when no name is free.
    """
    folder, slash, name = permit.attempt.key.rpartition("/")
    taken = await _taken_names(plane, permit, f"{folder}{slash}", name)
    for free in _candidates(plane, name):
        key = f"{folder}{slash}{free}"
        if key in taken:
            continue
        await plane.move_to(permit, check_key(key))
        held = HeldName.of(plane, permit.route)
        if not await held.take(snapshot):
            continue
        try:
            await require_absent(plane.upstream, permit.route.call("HEAD"))
        except Refused as refused:
            await held.give_back()
            if refused.reason is not Reason.OBJECT_EXISTS:
                raise
        else:
            return held
    raise Refused(Reason.OBJECT_EXISTS, "no name is free")


def _candidates(plane: DataPlane, name: str) -> Iterator[str]:
    """The numbered names, and at last one that nobody has."""
    yield from islice(next_names(name), _NUMBERED)
    stem, extension = split_extension(name)
    yield f"{stem} ({plane.entropy(8).hex()}){extension}"


async def _taken_names(plane: DataPlane, permit: Permit, folder: str, name: str) -> set[str]:
    """The keys that the store shows of those names; how many calls that is does not depend on what it shows."""
    prefix = permit.route.bucket.prefix
    plain, numbered = await asyncio.gather(
        _list(plane, permit.route, f"{prefix}{folder}{name}", 1),
        _list(plane, permit.route, f"{prefix}{folder}{numbered_stem(name)}", _NUMBERED),
    )
    return {key.removeprefix(prefix) for key in plain + numbered}


async def _list(plane: DataPlane, route: Route, start: str, most: int) -> list[str]:
    query = (("encoding-type", "url"), ("max-keys", str(most)), ("prefix", start))
    backend, bucket = route.backend.name, route.bucket.real_bucket
    call = UpstreamCall(backend=backend, method="GET", bucket=bucket, key="", query=query)
    async with plane.upstream.open(call) as answer:
        body = await answer.body.read(_DOCUMENT_LIMIT)
        if answer.status != 200:
            raise store_refusal(answer.status, store_fault(body) or "", answer.headers, "a look at names")
        return [entry.key for entry in read_listing(body).found]
