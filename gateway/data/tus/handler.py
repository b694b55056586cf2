"""Owns the steps of a resumable upload through a link: discover, create, append, head, terminate; by tus 1.0.0, and
where that is set by the IETF's draft.

Refuses to own headers (`gateway.wire.links`), answers (`gateway.data.tus.answers`), bytes (`gateway.data.tus.append`)
and the store (`gateway.data.tus.store`).

Laws: a step is decided on like an upload of the same object, by the one authorisation function, each time anew. An
upload belongs to one link and one object. Its creation is the one use it takes; of an upload that comes in pieces, the
creation of the final one, while the pieces only need that there is a use to take. By the draft an upload is known from
before its first byte; it is complete when every byte of the length that was named is there, or else when its client
says so. An address that was never given, or whose upload has ended, is 404; one that expired is 410.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.request import UploadVerb
from gateway.data.body import meter
from gateway.data.call import LinkCall
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.data.state.upload_locks import lock_upload
from gateway.data.tus.answers import Answers, DraftAnswers, TusAnswers, discovery, part_stored
from gateway.data.tus.append import Arriving, Progress
from gateway.data.tus.concat import Pieces
from gateway.data.tus.incoming import Incoming
from gateway.data.tus.loading import Loading
from gateway.data.tus.parked import park, unpark
from gateway.data.tus.store import TusStore
from gateway.data.tus.wanted import Wanted
from gateway.data.uploads.file_types import check_declared
from gateway.data.uploads.free_names import HeldName, hold_free_name
from gateway.data.uploads.undo import note_undo, remove_own
from gateway.shielded import shield
from gateway.wire.links.tus import location
from gateway.wire.links.tus_state import UPLOAD_SECONDS, UploadState
from gateway.wire.replies import Reply
from gateway.wire.s3.calls import require_kept
from gateway.wire.s3.multipart import PART_SIZE, part_size

_RENEWED: Final = 3600.0
_ENDS_IT: Final = frozenset({Reason.OBJECT_EXISTS, Reason.TYPE_NOT_ALLOWED})
"""What no later request can mend: the upload is thrown away."""


async def answer_step(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """The answer to one step.

    Raises:
        Refused: UPLOAD_UNKNOWN, UPLOAD_EXPIRED, UPLOAD_BUSY, UPLOAD_COMPLETE, OFFSET_MISMATCH, LENGTH_MISMATCH,
            CHECKSUM_MISMATCH, TOO_LARGE, OBJECT_EXISTS, NOT_ALLOWED for ending what is finished; and what the body was
            refused for.
        UpstreamFailed: as `Upstream.open`.
    """
    work = _Step(plane, snapshot, call, permit)
    match work.verb:
        case UploadVerb.DISCOVER:
            return discovery(snapshot, permit)
        case UploadVerb.CREATE:
            return await work.create()
        case UploadVerb.APPEND:
            return await work.append()
        case UploadVerb.HEAD:
            return await work.head()
        case _:
            return await work.terminate()


class _Step:
    """One step with all that it is judged by."""

    def __init__(self, plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> None:
        step, grant = call.request.step, permit.grant or call.grant
        if step is None:
            raise ValueError("no step of a resumable upload")
        self.verb = step.verb
        self._plane = plane
        self._snapshot = snapshot
        self._permit = permit
        self._kept_in = plane.body_memory.portion(permit.holders())
        self._step = step
        self._grant = grant
        self._upload = step.upload or permit.upload or ""
        self._request = call.request
        self._place = call.place
        self._name = f"{grant.id}/{self._upload}"
        self._store = self._store_of(self._upload)
        self._draft = DraftAnswers(snapshot, call, permit, step) if step.draft else None
        self._answers: Answers = self._draft or TusAnswers()
        self._body = Incoming(permit, call.request, step, self._kept_in)
        self._wanted = Wanted(plane, permit, grant)
        self._loading = Loading(plane, permit, grant)

    async def create(self) -> Reply:
        if self._step.key is None:
            return await self._create()
        async with self._lock():
            state = await self._store.load()
            return await self._create() if state is None else await self._create_again(state)

    async def _create_again(self, state: UploadState) -> Reply:
        """What the client asks for was done, and only its answer was lost."""
        asked = (self._grant.id, self._step.metadata, self._step.concat)
        known = self._step.partials or state.planned == self._step.length
        if (state.grant, state.metadata, state.concat) != asked or not known:
            raise Refused(Reason.BAD_ARGUMENT, "this Upload-Key was used for another upload")
        await self._loading.follow(self._store, state)
        progress = await self._loading.of(self._store, state)
        self._permit.consumed, self._permit.accepted = True, 0
        return self._created(progress)

    async def _create(self) -> Reply:
        step, grant, sent = self._step, self._grant, self._permit.attempt.key
        pieces = await self._load_pieces()
        length = pieces.size if pieces is not None else step.length
        self._body.require_size(0, length)
        await self._wanted.require_room(length, joined=pieces is not None)
        if step.partial:
            self._store.set_aside()
            await park(self._plane, self._snapshot, grant, self._permit.largest, length)
        else:
            require_kept(self._permit.route, length)
            check_declared(grant.intake.types, step.content_type)
            if pieces is not None:
                await self._wanted.check_pieces(pieces.found)
            await self._settle_name()
        await self._store.sweep(self._permit.attempt.now)
        progress = self._loading.begun(self._store, self._new_state(sent, length))
        if self._draft is not None:
            await self._create_known(progress, self._draft)
            return self._created(progress)
        with self._kept_in.hold(self._body.buffered):
            await shield(self._begin(progress, pieces))
        self._permit.consumed = True
        self._permit.accepted = 0 if step.partial else progress.offset
        return self._created(progress)

    async def _create_known(self, progress: Progress, draft: DraftAnswers) -> None:
        """Begin an upload of which the client knows before its bytes come, so that it goes on if they break off. One
        that cannot be told, as over HTTP/1.0, has an upload in one request: of what broke off, nothing is left."""
        try:
            await shield(self._open(progress))
        except (Refused, UpstreamFailed):
            await self._abandon(progress)
            raise
        self._permit.consumed = True
        async with self._lock():
            told = draft.begun(progress, self._address())
            if self._request.has_body or progress.complete:
                await shield(self._receive_first(progress, draft, told=told))

    async def _receive_first(self, progress: Progress, draft: DraftAnswers, *, told: bool) -> None:
        try:
            await self._receive_draft(progress, draft)
        except (Refused, UpstreamFailed) as failure:
            ended = isinstance(failure, Refused) and failure.reason in _ENDS_IT
            if not (told or ended):
                await self._give_up(progress, 0)
            raise

    def _created(self, progress: Progress) -> Reply:
        return self._answers.created(progress, self._address())

    def _address(self) -> str:
        grant = self._grant
        public, path = urlsplit(self._snapshot.public_url).path.rstrip("/"), self._place.path
        if path is not None and not grant.intake.blind:
            path = path.rpartition("/")[0] + "/" + self._permit.attempt.key.rpartition("/")[2]
        return location(public, self._place.token_text, path and path.lstrip("/"), self._upload)

    async def _settle_name(self) -> None:
        """See to it that the object's name is free, by giving it another one if the link wants that: it is held until
        the object is there, or the upload has ended.

        Raises:
            Refused: OBJECT_EXISTS, and as `hold_free_name`.
        """
        if self._grant.intake.rename:
            await hold_free_name(self._plane, self._snapshot, self._permit)
            self._store.move(self._permit.route)
        elif not self._grant.overwrite:
            await self._store.require_absent()

    async def _release_name(self) -> None:
        if self._grant.intake.rename:
            await HeldName.of(self._plane, self._permit.route).give_back()

    def _new_state(self, sent: str, length: int | None) -> UploadState:
        """`sent` is the name that was asked for, by which a client of a blind link goes on to know the upload."""
        step, attempt = self._step, self._permit.attempt
        return UploadState(
            grant=self._grant.id,
            key=attempt.key,
            at=attempt.now,
            expires_at=self._ends,
            planned=length,
            length=length,
            metadata=step.metadata,
            concat=step.concat,
            content_type=step.content_type,
            sent=sent if sent != attempt.key and self._grant.intake.blind else "",
        )

    def _lock(self, place: str = "") -> AbstractAsyncContextManager[None]:
        """The right to be the only one who writes to this upload, or to one place ahead."""
        plane, closed, at_once = self._plane, self._snapshot.posture.limits == "closed", self._draft is not None
        return lock_upload(
            plane.upload_locks,
            plane.limits,
            plane.clock,
            self._permit,
            self._name + place,
            closed=closed,
            at_once=at_once,
        )

    async def append(self) -> Reply:
        if self._step.ahead:
            return await self._append_ahead(self._step.offset or 0)
        async with self._lock():
            progress = await self._loading.own(self._store)
            step, state = self._step, progress.state
            if state.concat not in ({""} if step.draft else {"", "partial"}):
                raise Refused(Reason.NOT_ALLOWED, "the bytes of an upload in pieces are its pieces' own, by tus")
            if step.offset != progress.offset:
                members = {"expected-offset": progress.offset, "provided-offset": step.offset or 0}
                raise Refused(Reason.OFFSET_MISMATCH, f"the upload stands at {progress.offset}", members=members)
            if self._draft is not None and state.done:
                raise Refused(Reason.UPLOAD_COMPLETE, "the upload is an object by now")
            if step.length is not None and state.length not in {None, step.length}:
                reason = Reason.BAD_ARGUMENT if self._draft is None else Reason.LENGTH_MISMATCH
                raise Refused(reason, "the length of an upload does not change")
            self._body.require_size(progress.offset, state.length if step.length is None else step.length)
            if not state.done:
                await shield(self._note_changes(progress, step.length))
            if not state.done:
                await (self._receive(progress) if self._draft is None else self._receive_draft(progress, self._draft))
        return self._answers.appended(progress)

    async def _append_ahead(self, offset: int) -> Reply:
        """Store one part that the upload comes to later, while other requests send what is before it."""
        async with self._lock(f"/{offset}"):
            progress = await self._loading.own(self._store, ahead=offset)
            if progress.state.concat or progress.state.done:
                raise Refused(Reason.NOT_ALLOWED, "the upload is complete, or one in pieces")
            number, size, before = progress.number_at(offset), self._body.declared or 0, progress.received
            self._body.require_size(offset, progress.state.length)
            progress.require_part(number, size)
            body = self._body.prove(meter(self._plane, self._permit, self._permit.exchange.body(), size))
            try:
                await shield(progress.put_ahead(number, size, body))
            finally:
                self._permit.accepted = progress.received - before
        return part_stored(progress, offset + size)

    async def _receive_draft(self, progress: Progress, draft: DraftAnswers) -> None:
        """As `_receive`; and what its client calls complete is, though only its end has told how long it is."""
        progress.told = draft.stored
        await self._receive(progress)
        if not self._step.more and not progress.state.done:
            if progress.state.length is not None:
                raise Refused(Reason.LENGTH_MISMATCH, "the body ended before the length that was named")
            progress.state = replace(progress.state, length=progress.offset)
            await self._receive(progress, Arriving.of(b""))
        if progress.state.done:
            etag = progress.etag or None
            draft.undo = await note_undo(self._plane, self._permit, self._request, progress.offset, etag)

    async def _receive(self, progress: Progress, body: Arriving | None = None) -> None:
        """Append the request's body, or this one; what of it was stored is what the link has received."""
        before = progress.received
        try:
            await self._wanted.check_whole(progress)
            with self._kept_in.hold(self._body.buffered):
                await shield(progress.append(body or await self._read_body(progress)))
        except Refused as refused:
            if refused.reason in _ENDS_IT and not progress.state.partial:
                await shield(self._give_up(progress, before))
            raise
        finally:
            if not progress.state.partial and self._permit.accepted is None:
                self._permit.accepted = progress.received - before

        if progress.state.done and not progress.state.partial:
            await self._release_name()

    async def _read_body(self, progress: Progress) -> Arriving:
        source = meter(self._plane, self._permit, self._permit.exchange.body(), self._body.declared)
        return await self._body.arrange(await self._wanted.check(progress, source), progress)

    async def _give_up(self, progress: Progress, stored: int) -> None:
        """Throw an upload away, and give back all that it has taken; so many bytes were counted as stored of it."""
        await progress.give_up()
        await self._release_name()
        self._permit.consumed = False
        await self._wanted.give_back(self._upload, stored)

    async def head(self) -> Reply:
        if self._draft is None:
            await self._plane.upload_locks.make_room(self._name)
            progress = await self._loading.own(self._store)
            if progress.state.done or not progress.complete:
                return self._answers.told(progress)
        async with self._lock():  # by the draft, a client may count on what it is told
            progress = await self._loading.own(self._store)
            if progress.complete and not progress.state.done:
                # The request with the last byte was lost before the object appeared: a client would not send it again.
                await self._receive(progress, Arriving.of(b""))
        return self._answers.told(progress)

    async def terminate(self) -> Reply:
        async with self._lock():
            progress = await self._loading.own(self._store)
            if progress.state.done and not progress.state.partial:
                await remove_own(self._plane, self._permit, self._request, self._store, progress.state)
            elif progress.state.partial:
                await shield(progress.give_up())
                await self._unpark(progress)
            else:
                await shield(self._give_up(progress, progress.received))
        return self._answers.ended()

    # what the steps share

    def _store_of(self, upload: str) -> TusStore:
        return TusStore(self._plane.upstream, self._plane.names, self._permit.route, self._request, upload)

    async def _load_pieces(self) -> Pieces | None:
        """What a final upload joins, None for any other.

        Raises:
            Refused: UPLOAD_UNKNOWN, UPLOAD_EXPIRED, and as `Pieces`.
        """
        if not self._step.partials:
            return None
        stores = [self._store_of(upload) for upload in self._step.partials]
        return Pieces([await self._loading.of(store, await store.load()) for store in stores])

    async def _begin(self, progress: Progress, pieces: Pieces | None) -> None:
        """Write the upload down, and take what came with its creation. Nobody will know of it if that fails."""
        length = progress.state.planned
        try:
            await self._wanted.check_whole(progress) if pieces is None else None
            await self._open(progress, in_parts=pieces is None)
            if pieces is not None and length:
                await pieces.join(progress, self._kept_in)
            elif self._request.has_body or length == 0:
                await progress.append(await self._read_body(progress))
        except (Refused, UpstreamFailed):
            await self._abandon(progress)
            raise
        if progress.state.done and not progress.state.partial:
            await self._release_name()
        if pieces is not None:
            await pieces.drop()
            await self._unpark(*pieces.found)

    async def _abandon(self, progress: Progress) -> None:
        """Leave nothing of an upload that nobody knows of."""
        await progress.give_up()
        if not progress.state.partial:
            await self._release_name()

    async def _open(self, progress: Progress, *, in_parts: bool = True) -> None:
        """Write an upload down, with the store's own if it will have parts."""
        length = progress.state.planned
        if in_parts and length is not None and length > part_size(1, length=length, least=PART_SIZE):
            progress.state = replace(progress.state, parts_id=await self._store.begin())
        await self._store.save(progress.state)

    async def _unpark(self, *pieces: Progress) -> None:
        sizes = [piece.state.planned for piece in pieces]
        await unpark(self._plane, self._grant, self._permit.largest, sizes)

    async def _note_changes(self, progress: Progress, length: int | None) -> None:
        """Keep what is new of an upload before it goes on: its length once it is said, a later end once an hour."""
        state = progress.state
        if state.length is None and length is not None:
            if length < progress.offset:
                raise Refused(Reason.BAD_ARGUMENT, "the upload is longer than that already")
            state = replace(state, length=length)
        if self._ends - state.expires_at >= _RENEWED:
            state = replace(state, expires_at=self._ends)
        if state is not progress.state:
            await self._store.save(state, self._store.tail(0, state.tail))
            progress.state = state

    @property
    def _ends(self) -> float:
        """When an upload that goes on now expires: after a day, and not later than its link."""
        ends = self._permit.attempt.now + UPLOAD_SECONDS
        return ends if self._grant.expires_at is None else min(ends, self._grant.expires_at)
