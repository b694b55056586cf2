"""Owns what an upload is by now, from what the store holds of it: its record, its parts, or already its object.

Refuses to own the store's calls (`gateway.data.tus.store`) and what becomes of it then (`gateway.data.tus.append`).

Laws: an upload belongs to one link and one object. One that has expired is thrown away by whoever looks at it first.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused
from gateway.core.values import dataclass
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.data.tus.append import Progress
from gateway.data.tus.store import TusStore
from gateway.shielded import shield
from gateway.wire.links.tus_state import UploadState


@dataclass(frozen=True, slots=True)
class Loading:
    """Uploads of the grant in force, of which the permit is about one."""

    plane: DataPlane
    permit: Permit
    grant: Grant

    def begun(self, store: TusStore, state: UploadState) -> Progress:
        """An upload of which no part is known."""
        only_new = not self.grant.overwrite and not state.partial
        standing = partial(self.plane.renewals.confirm, self.permit)
        clock = self.plane.clock if self.grant.intake.undo is not None else None
        return Progress(store, state, [], only_new, standing, clock)

    async def own(self, store: TusStore, ahead: int | None = None) -> Progress:
        """The upload that the permit is about, under the name that it was sent with or was given; with all its parts,
        or with that one only which begins `ahead`.

        Raises:
            Refused: UPLOAD_UNKNOWN, UPLOAD_EXPIRED.
        """
        state = await store.load()
        if state is not None and state.key != self.permit.attempt.key:
            if state.sent == self.permit.attempt.key and state.grant == self.grant.id:
                await self.follow(store, state)
            else:
                state = None
        return await self.of(store, state, ahead)

    async def follow(self, store: TusStore, state: UploadState) -> None:
        """Let all be about the name that the upload was given.

        Raises:
            Refused: as `Renewing.admit_again`.
        """
        if state.key != self.permit.attempt.key:
            await self.plane.move_to(self.permit, state.key)
            store.move(self.permit.route)

    async def of(self, store: TusStore, state: UploadState | None, ahead: int | None = None) -> Progress:
        """The upload of a record, with all its parts, or with that one only which begins `ahead`.

        Raises:
            Refused: UPLOAD_UNKNOWN, UPLOAD_EXPIRED.
        """
        if state is None or state.grant != self.grant.id:
            raise Refused(Reason.UPLOAD_UNKNOWN, "the link has no such upload for this object")
        if state.partial:
            store.set_aside()
        if state.content_type is not None:
            # The type is sent when the object is opened or put, which may be in any of the requests.
            store.describe(state.content_type)
        progress = self.begun(store, state)
        if state.done and not state.partial:
            return progress
        if self.permit.attempt.now >= state.expires_at:
            await shield(progress.give_up())
            raise Refused(Reason.UPLOAD_EXPIRED, "the upload has expired")
        if state.parts_id is None or state.done or await self._list_parts(progress, state.parts_id, ahead):
            return progress
        return await _without_parts(progress)

    async def _list_parts(self, progress: Progress, parts_id: str, ahead: int | None) -> bool:
        """Know the parts that the store holds, or that one; False if it has no such upload any more."""
        store, known = progress.store, self.plane.known_parts
        if ahead is not None:
            one = await store.part(parts_id, progress.number_at(ahead))
            progress.hold(one or ())
            return one is not None
        before = known.of(store.upload, parts_id)
        parts = await store.parts(parts_id, after=len(before))
        if parts is None:
            return False
        progress.hold([*before, *(part for part in parts if part.number > len(before))], recalled=len(before))
        known.keep(store.upload, parts_id, progress.parts)
        return True


async def _without_parts(progress: Progress) -> Progress:
    """The store has no parts any more: they are the object, if that was the last thing that happened; or gone."""
    if await progress.store.size() != progress.state.length:
        await shield(progress.give_up())
        raise Refused(Reason.UPLOAD_EXPIRED, "the store has thrown the parts away")
    progress.state = replace(progress.state, done=True, tail_at=0, tail=0)
    await progress.store.save(progress.state)
    return progress
