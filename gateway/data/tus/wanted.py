"""Owns what a link wants of a resumable upload: that it is of an allowed type, and that there is room for it.

Refuses to own how types are found (`gateway.data.uploads.file_types`), and counting what came (`gateway.data.steps`).

Law: before an object appears its first KiB was seen, and was of an allowed type, in however many requests it came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from gateway.core.grant import Grant
from gateway.core.lease import Reservation
from gateway.core.reasons import Reason, Refused
from gateway.core.values import dataclass
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.data.steps.reserve_intake import bytes_left, claim_received
from gateway.data.tus.append import Progress
from gateway.data.uploads.file_types import HEAD_BYTES, check_bytes, checked
from gateway.wire.links.tus_state import lease_key


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the grant in force wants of the upload that the permit is about."""

    plane: DataPlane
    permit: Permit
    grant: Grant

    @property
    def types(self) -> tuple[str, ...]:
        return self.grant.intake.types

    async def require_room(self, length: int | None, *, joined: bool) -> None:
        """Refuse at once what a link may not receive whole. The bytes of what is `joined` of pieces do not come again:
        they are reserved here.

        Raises:
            Refused: TOO_LARGE, USED_UP.
        """
        if length and joined and self.permit.intake is not None:
            await claim_received(self.plane.leases, self.permit, self.permit.intake, length, length)
        elif length:
            left = await bytes_left(self.plane.leases, self.grant)
            if left is not None and length > left:
                raise Refused(Reason.TOO_LARGE, "the link may not receive so many bytes more")

    async def give_back(self, upload: str, stored: int) -> None:
        """An upload has ended without an object: its use, its file, and the bytes that were stored of it."""
        key, leases = lease_key(upload), self.plane.leases
        if self.grant.uses is not None:
            await leases.give_back(Reservation(self.grant.id, key))
        if self.grant.intake.counted:
            await leases.give_back(Reservation(self.grant.intake_id, key))
            self.permit.accepted = -stored

    async def check_pieces(self, pieces: Sequence[Progress]) -> None:
        """Raises Refused TYPE_NOT_ALLOWED for what pieces come to."""
        head = b""
        for piece in pieces if self.types else ():
            async with aclosing(piece.store.content(piece.offset)) as content:
                async for chunk in content:
                    head += chunk
                    if len(head) >= HEAD_BYTES:
                        break
            if len(head) >= HEAD_BYTES:
                break
        if self.types:
            check_bytes(self.types, head)

    async def check_whole(self, progress: Progress) -> None:
        """Raises Refused TYPE_NOT_ALLOWED for a small upload of which every byte is there, and none will be seen."""
        if self._unseen(progress) and progress.complete:
            check_bytes(self.types, await self._head(progress))

    async def check(self, progress: Progress, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The bytes that follow, once it is known that they may."""
        if self._unseen(progress):
            length = progress.state.length
            return checked(
                source, self.types, before=await self._head(progress), ends_at=-1 if length is None else length
            )
        return source

    def _unseen(self, progress: Progress) -> bool:
        state = progress.state
        return bool(self.types) and not state.partial and not state.done and progress.offset < HEAD_BYTES

    async def _head(self, progress: Progress) -> bytes:
        """What has come so far of a file that is short of a KiB: no part holds any of it."""
        async with aclosing(progress.store.tail(0, progress.offset)) as tail:
            return b"".join([chunk async for chunk in tail if isinstance(chunk, bytes)])
