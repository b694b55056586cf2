"""Owns the joining of finished partial uploads into one object, in the order in which the final upload names them.

Refuses to own headers (`gateway.wire.links.tus`), and whether the final upload may be (`gateway.data.tus.handler`).

Laws: the store joins by itself where it can and the pieces are large enough, else their bytes go through here, and
nothing is kept. The object appears as that of any upload does: whole, after the right to write was asked for once more,
or not at all. What was joined is thrown away.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.values import dataclass
from gateway.data.state.memory_budget import Portion
from gateway.data.tus.append import Arriving, Progress
from gateway.wire.s3.multipart import MAX_PARTS, Part

_LEAST: Final = 5 * 1024**2
"""Bytes that S3 wants in every part but the last."""

_COPIED: Final = 1024**3
"""Bytes that are copied at once: S3 allows five times as many, which takes its time."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Finished partial uploads, in order.

    Raises:
        Refused: UPLOAD_UNFINISHED when one is not finished, BAD_ARGUMENT when one is no partial upload.
    """

    found: Sequence[Progress]

    def __post_init__(self) -> None:
        if any(not piece.state.partial for piece in self.found):
            raise Refused(Reason.BAD_ARGUMENT, "a final upload joins partial ones only")
        if any(not piece.state.done for piece in self.found):
            raise Refused(Reason.UPLOAD_UNFINISHED, "a partial upload is not finished")

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(piece.offset for piece in self.found)

    async def join(self, whole: Progress, reserve: Portion) -> None:
        """Make them the object that `whole` is about.

        Raises:
            Refused: OBJECT_EXISTS, REVOKED; what the store refused.
            UpstreamFailed: the store is away or broken.
        """
        if whole.store.copies_parts and self._cuts():
            await self._copy(whole)
            await whole.append(Arriving.of(b""))
        else:
            await whole.append(Arriving(self._read(), self.size, reserve))

    async def drop(self) -> None:
        """Throw them away; what a store that is away keeps now is swept later."""
        for piece in self.found:
            await piece.give_up()

    def _cuts(self) -> list[tuple[Progress, tuple[int, int] | None]]:
        """Which bytes of which piece each part has, None for all of it; [] where parts cannot be made of them."""
        filled = [piece for piece in self.found if piece.offset]
        if any(piece.offset < _LEAST for piece in filled[:-1]):
            return []
        cuts: list[tuple[Progress, tuple[int, int] | None]] = []
        for piece in filled:
            count = -(-piece.offset // _COPIED)
            edges = [piece.offset * number // count for number in range(count + 1)]
            ranges = [(first, end - 1) for first, end in itertools.pairwise(edges)]
            cuts += [(piece, one if count > 1 else None) for one in ranges]
        return cuts if len(cuts) <= MAX_PARTS else []

    async def _copy(self, whole: Progress) -> None:
        parts_id = await whole.begin()
        for number, (piece, cut) in enumerate(self._cuts(), 1):
            await whole.standing()
            etag = await whole.store.copy_part(parts_id, number, piece.store, cut)
            whole.parts.append(Part(number, piece.offset if cut is None else cut[1] - cut[0] + 1, etag))

    async def _read(self) -> AsyncIterator[bytes]:
        for piece in self.found:
            async with aclosing(piece.store.content(piece.offset)) as content:
                async for chunk in content:
                    yield chunk
