"""Owns how the bytes of a resumable upload become parts and a tail, and at last the object.

Refuses to own the store's calls (`gateway.data.tus.store`) and the protocol's answers (`gateway.data.tus.handler`).

Laws: the offset is what the store holds: its parts without a gap, and what the tail has beyond them. When a client
breaks off, what came of it is kept, up to one part in memory; when its right has ended, nothing is. A body with a
checksum is kept only after its last byte was verified. The right to write is asked for once more before the last byte
of whatever is stored, and before the object appears.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import field, replace
from typing import Final, TypeVar

from gateway.core.loan import Sink, Stretch
from gateway.core.reasons import DependencyDown, Reason, Refused, UpstreamFailed
from gateway.core.values import dataclass
from gateway.data.state.memory_budget import MemoryBudget, Portion
from gateway.data.tus.store import TusStore
from gateway.data.upcoming import Upcoming
from gateway.splice.pump import carry, is_worth_it
from gateway.wire.links.tus_state import UploadState
from gateway.wire.s3.multipart import MAX_PARTS, PART_SIZE, Part, part_size

T = TypeVar("T")

_PIECE: Final = 256 * 1024


class Arriving:
    """A body on its way to the store, cut to measure. `left` is how much is still to come, None if it is unknown.

    What was taken since `forget` is kept, its first `PART_SIZE`, so that it can be stored when the rest never comes.
    `staged` says that it counts only as a whole: its last bytes come when all are known to be right. What is `upcoming`
    once the source has begun need not come through it.
    """

    def __init__(
        self,
        source: AsyncIterator[bytes],
        left: int | None,
        reserve: Portion,
        *,
        staged: bool = False,
        upcoming: Upcoming | None = None,
    ) -> None:
        self.left = left
        self._upcoming = upcoming
        self._reserve = reserve
        self._keeping = not staged
        self.staged = staged
        self.short = False
        self._source = source
        self._rest = b""
        self._ended = False
        self._kept: memoryview | None = None
        self.kept = 0

    @classmethod
    def of(cls, body: bytes) -> Arriving:
        """A body that is here already."""
        return cls(_yield_one(body), len(body), MemoryBudget(len(body)).portion())

    async def at_end(self) -> bool:
        """Whether nothing follows; waits for the next bytes to know."""
        if self.left == 0 or self._ended:
            return True
        if not self._rest:
            self._rest = await self._next()
        return not self._rest

    async def take(self, count: int) -> AsyncIterator[bytes | Stretch]:
        """Exactly `count` bytes.

        Raises:
            Refused: INCOMPLETE_BODY, with `short` set, when the body ended well but too early; what its source raises.
        """
        upcoming = self._upcoming
        while count:
            chunk = self._rest or await self._next()
            if not chunk:
                self.short = True
                raise Refused(Reason.INCOMPLETE_BODY, "the body ended within a part")
            chunk, self._rest = chunk[:count], chunk[count:]
            count -= len(chunk)
            self._note(chunk)
            yield chunk
            if upcoming is not None and is_worth_it(count) and not self._rest and upcoming.begins():
                carried = _Carried(upcoming, self._note)
                yield carried
                upcoming.resume()
                count -= carried.taken
                upcoming = None

    def _note(self, chunk: bytes | memoryview) -> None:
        """So much more was taken. Only a beginning is of use to keep: after what finds no room, nothing is kept."""
        if self.left is not None:
            self.left -= len(chunk)
        kept = min(len(chunk), PART_SIZE - self.kept)
        self._keeping = self._keeping and self._reserve.take(kept)
        if self._keeping and kept:
            if self._kept is None:
                self._kept = self._reserve.lend(PART_SIZE)
            self._kept[self.kept : self.kept + kept] = chunk if kept == len(chunk) else chunk[:kept]
            self.kept += kept

    def forget(self) -> None:
        """What was taken so far is stored, or lost."""
        self._reserve.give(self.kept)
        self.kept, self._keeping = 0, not self.staged

    def close(self) -> None:
        """Nothing more is taken."""
        self.forget()
        if self._kept is not None:
            self._reserve.take_back(self._kept)
            self._kept = None

    async def replay(self) -> AsyncIterator[bytes]:
        """What is kept."""
        if self._kept is not None:
            for start in range(0, self.kept, _PIECE):
                yield bytes(self._kept[start : min(start + _PIECE, self.kept)])

    async def _next(self) -> bytes:
        async for chunk in self._source:
            if chunk:
                return chunk
        self._ended = True
        return b""


class _Carried:
    """The next bytes of a body (`core.loan.Stretch`): `note` sees them on their way."""

    def __init__(self, upcoming: Upcoming, note: Callable[[memoryview], None]) -> None:
        self._upcoming = upcoming
        self._note = note
        self.taken = 0

    async def pour(self, sink: Sink, most: int) -> int:
        return await carry(self._upcoming, sink, min(most, self._upcoming.left - 1), self._look)

    def _look(self, came: memoryview) -> list[bytes | memoryview]:
        self._upcoming.count(len(came))
        self.taken += len(came)
        self._note(came)
        return [came]


async def _yield_one(body: bytes) -> AsyncIterator[bytes]:
    yield body


@dataclass(slots=True)
class Progress:
    """An upload as the store holds it now. `standing` raises when the right to write has ended. With a `clock`, in
    seconds since the epoch, it is kept when the object appeared, and which. `told` hears of each part that is stored.
    `etag` is the object's, where it appeared just now. `ahead` are parts after a gap."""

    store: TusStore
    state: UploadState
    parts: list[Part]
    only_new: bool
    standing: Callable[[], Awaitable[None]]
    clock: Callable[[], float] | None = None
    told: Callable[[int], None] | None = None
    etag: str = ""
    ahead: list[Part] = field(default_factory=list)
    recalled: int = 0

    def hold(self, parts: Sequence[Part], recalled: int = 0) -> None:
        """Know the parts that the store holds, in order: those without a gap, and those ahead of it. The first ones may
        be `recalled`, not listed now."""
        self.recalled = recalled
        self.parts[:] = [part for place, part in enumerate(parts, 1) if part.number == place]
        self.ahead = list(parts[len(self.parts) :])

    @property
    def part_size(self) -> int | None:
        """Bytes of each part but the last, None where not all are equal from the start, or there are none."""
        state = self.state
        if state.parts_id is None or state.planned is None:
            return None
        return part_size(1, length=state.planned, least=PART_SIZE, equal=self.store.equal_parts)

    def number_at(self, offset: int) -> int:
        """Which part begins there, other than the first: that one is never ahead.

        Raises:
            Refused: BAD_ARGUMENT when none does.
        """
        size = self.part_size
        if size is None or not offset or offset % size or offset >= (self.state.length or 0):
            raise Refused(Reason.BAD_ARGUMENT, "no part of the upload that may be ahead begins there")
        return offset // size + 1

    def require_part(self, number: int, size: int) -> None:
        """Raises Refused BAD_ARGUMENT for what has another size than this part has."""
        full = self.part_size or 0
        if size != min(full, (self.state.length or 0) - full * (number - 1)):
            raise Refused(Reason.BAD_ARGUMENT, "what is sent ahead is one part, whole")

    @property
    def received(self) -> int:
        """Bytes that are stored, before the offset and ahead of it."""
        return self.offset + sum(part.size for part in self.ahead if part.number > len(self.parts))

    @property
    def stored(self) -> int:
        """Bytes in parts."""
        return sum(part.size for part in self.parts)

    @property
    def offset(self) -> int:
        """How far the upload has come."""
        if self.state.done:
            return self.state.length or 0
        return max(self.stored, self.state.tail_at + self.state.tail)

    @property
    def complete(self) -> bool:
        """Whether every byte is there, so that the object can appear."""
        return self.state.length is not None and self.offset == self.state.length

    async def append(self, arriving: Arriving) -> None:
        """Store what arrives, and make the object appear when it was the last of it.

        Raises:
            Refused: what the body or the store was refused for; OBJECT_EXISTS.
            UpstreamFailed: the store is away or broken.
        """
        try:
            await self._append(arriving)
        finally:
            arriving.close()

    async def _append(self, arriving: Arriving) -> None:
        if arriving.staged and not await arriving.at_end():
            await self._to_tail(arriving, arriving.left or 0)
        while not self.state.done:
            if self.parts and self.complete and self.offset == self.stored:
                await self._complete()
                return
            goal = self._next_size()
            fresh = max(0, goal - (self.offset - self.stored))
            if fresh and await arriving.at_end():
                return
            if fresh and arriving.left is not None and arriving.left < fresh:
                await self._to_tail(arriving, arriving.left)
                return
            await self._send_part(arriving, goal, fresh)
            if arriving.short:
                return

    async def put_ahead(self, number: int, size: int, body: AsyncIterator[bytes]) -> None:
        """Store a part that the upload comes to later: whole, or not at all.

        Raises:
            Refused: what the body or the store was refused for.
            UpstreamFailed: the store is away or broken.
        """
        try:
            async with aclosing(self._read(0, body)) as held:
                part = await self.store.put_part(self.state.parts_id or "", number, held, size)
        except (Refused, UpstreamFailed):
            if await self._revoked():
                await self.give_up()
            raise
        self.hold([part])

    async def _revoked(self) -> bool | None:
        """Whether the right to write has ended; None where it only does not stand now, or nobody can tell."""
        try:
            await self.standing()
        except Refused as no:
            return True if no.reason is Reason.REVOKED else None
        except DependencyDown:
            return None
        return False

    async def give_up(self) -> None:
        """Throw the upload away. A store that is away keeps the parts until its own clean-up."""
        with suppress(Refused, UpstreamFailed):
            if self.state.parts_id is not None:
                await self.store.abort(self.state.parts_id)
        with suppress(Refused, UpstreamFailed):
            await self.store.drop(aside=self.state.partial)

    def _next_size(self) -> int:
        """Bytes of the next part."""
        number, equal = len(self.parts) + 1, self.store.equal_parts
        size = part_size(number, length=self.state.planned, least=PART_SIZE, equal=equal)
        if len(self.parts) >= MAX_PARTS:
            raise Refused(Reason.TOO_LARGE, f"the upload has more than {MAX_PARTS} parts")
        return size if self.state.length is None else min(size, self.state.length - self.stored)

    async def _send_part(self, arriving: Arriving, goal: int, fresh: int) -> None:
        """One part from the tail's rest and from what arrives; or the whole object, if that is all of it."""
        whole, etag = not self.parts and goal == self.state.length, ""
        parts_id = self.state.parts_id
        if parts_id is None and not whole:
            parts_id = await self.begin()
        try:
            async with aclosing(self._read(goal - fresh, arriving.take(fresh))) as body:
                if whole:
                    await self.standing()
                    etag = await self.store.put_whole(body if goal else b"", goal, only_new=self.only_new)
                else:
                    number = len(self.parts) + 1
                    self.parts.append(await self.store.put_part(parts_id or "", number, body, goal))
        except (Refused, UpstreamFailed) as failure:
            await self._rescue(arriving, failure)
            if not arriving.short:
                raise
            return
        arriving.forget()
        if whole:
            await self._finish(etag)
        elif self.told is not None:
            self.told(self.offset)

    async def _to_tail(self, arriving: Arriving, count: int) -> None:
        """Put `count` more bytes behind the tail's rest."""
        pending = self.offset - self.stored
        state = replace(self.state, tail_at=self.stored, tail=pending + count)
        try:
            async with aclosing(self._read(pending, arriving.take(count))) as body:
                await self.store.save(state, body)
        except (Refused, UpstreamFailed) as failure:
            if not arriving.staged:
                await self._rescue(arriving, failure)
            if not arriving.short:
                raise
            return
        arriving.forget()
        self.state = state

    async def _rescue(self, arriving: Arriving, failure: Exception) -> None:
        """After a failure: keep what came before it, unless the upload has to end with it."""
        ended = isinstance(failure, Refused) and failure.reason in {Reason.OBJECT_EXISTS, Reason.UPLOAD_UNKNOWN}
        revoked = await self._revoked()
        if ended or revoked:
            await self.give_up()
            return
        if revoked is None or not arriving.kept:
            return  # a later request goes on from the offset that the client was given
        pending = self.offset - self.stored
        state = replace(self.state, tail_at=self.stored, tail=pending + arriving.kept)
        with suppress(Refused, UpstreamFailed):  # the failure that led here is the one to report
            async with aclosing(self._read(pending, arriving.replay())) as body:
                await self.store.save(state, body)
            self.state = state

    async def _read(self, pending: int, more: AsyncIterator[bytes | Stretch]) -> AsyncGenerator[bytes | Stretch, None]:
        """The first `pending` bytes of the tail that no part holds, and then more."""
        held = b""
        async with aclosing(self.store.tail(self.stored - self.state.tail_at, pending)) as tail:
            for source in (tail, more):
                async for chunk in source:
                    if held:
                        yield held
                    held = b""
                    if isinstance(chunk, bytes):
                        held = chunk
                    else:  # more bytes follow it
                        yield chunk
        await self.standing()
        if held:
            yield held

    async def begin(self) -> str:
        """Open the multipart upload, and write its id down before anything is in it."""
        parts_id = await self.store.begin()
        state = replace(self.state, parts_id=parts_id)
        await self.store.save(state, self.store.tail(0, state.tail))
        self.state = state
        return parts_id

    async def _complete(self) -> None:
        """Make the parts an object."""
        try:
            etag = await self._join()
        except Refused as refused:
            if refused.reason in {Reason.OBJECT_EXISTS, Reason.REVOKED}:
                await self.give_up()
            raise
        await self._finish(etag)

    async def _join(self) -> str:
        """Have the parts joined. A store that refuses may have other ones than were recalled: then as it lists them."""
        parts_id, named = self.state.parts_id or "", list(self.parts)
        try:
            return await self.store.complete(parts_id, self.parts, self.standing, only_new=self.only_new)
        except Refused as refused:
            if not self.recalled or refused.reason is not Reason.UPSTREAM_REFUSED:
                raise
            self.hold(await self.store.parts(parts_id) or ())
            if self.parts == named or self.stored != self.state.length:
                raise
        return await self.store.complete(parts_id, self.parts, self.standing, only_new=self.only_new)

    async def _finish(self, etag: str) -> None:
        """Write down that the object is there, for a client that did not get the answer."""
        self.state, self.etag = replace(self.state, done=True, tail_at=0, tail=0), etag
        if self.clock is not None:
            self.state = replace(self.state, done_at=self.clock(), etag=etag)
        with suppress(Refused, UpstreamFailed):  # the object is there: that is the answer, whatever is written down
            await self.store.save(self.state)
