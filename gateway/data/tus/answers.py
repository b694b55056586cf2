"""Owns the answers to the steps of a resumable upload, in the client's own protocol: tus, or the IETF's draft.

Refuses to own the steps themselves (`gateway.data.tus.handler`) and the fields (`gateway.wire.links`).

Law: both protocols tell of the same uploads. What the draft's interim answers tell, a client hears again when it asks.
"""

from __future__ import annotations

from typing import Final, Protocol

from gateway.core.request import UploadStep
from gateway.data.call import LinkCall
from gateway.data.plane import Snapshot
from gateway.data.state.transfers import Permit
from gateway.data.tus.append import Progress
from gateway.data.uploads.receipts import Received, receipt
from gateway.wire.links.tus import RESUMABLE, discovery_fields, expires_field, parts_fields
from gateway.wire.links.tus_state import UPLOAD_SECONDS
from gateway.wire.links.upload_draft import (
    PROGRESS,
    SUPPORTED,
    complete_field,
    interim_fields,
    limit_field,
    offered_fields,
)
from gateway.wire.replies import LINK_HEADERS, Reply

Fields = tuple[tuple[str, str], ...]

_COMMON: Final[Fields] = (RESUMABLE, *LINK_HEADERS)


def discovery(snapshot: Snapshot, permit: Permit) -> Reply:
    """What is offered here."""
    drafts = offered_fields(permit.largest, UPLOAD_SECONDS) if snapshot.drafts else ()
    return Reply(204, (*discovery_fields(permit.largest), *drafts, *LINK_HEADERS))


class Answers(Protocol):
    """What a protocol says of an upload as it stands."""

    def created(self, progress: Progress, address: str) -> Reply: ...

    def appended(self, progress: Progress) -> Reply: ...

    def told(self, progress: Progress) -> Reply:
        """To who asked how far it has come."""
        ...

    def ended(self) -> Reply: ...


class TusAnswers:
    """As tus 1.0.0 has them."""

    def created(self, progress: Progress, address: str) -> Reply:
        return Reply(201, (("Location", address), *_stand(progress), *_parts(progress), *_COMMON))

    def appended(self, progress: Progress) -> Reply:
        return Reply(204, (*_stand(progress), *_COMMON))

    def told(self, progress: Progress) -> Reply:
        state = progress.state
        length = ("Upload-Defer-Length", "1") if state.length is None else ("Upload-Length", str(state.length))
        said = (("Upload-Metadata", state.metadata), ("Upload-Concat", state.concat))
        given = tuple(pair for pair in said if pair[1])
        return Reply(200, (length, *given, *_stand(progress), *_parts(progress), *_COMMON))

    def ended(self) -> Reply:
        return Reply(204, _COMMON)


def _stand(progress: Progress) -> Fields:
    fields = (("Upload-Offset", str(progress.offset)),)
    final = progress.state.done and not progress.state.partial
    return fields if final else (*fields, expires_field(progress.state.expires_at))


def part_stored(progress: Progress, end: int) -> Reply:
    """A part ahead is stored, which ends there."""
    return Reply(204, (("Upload-Offset", str(end)), expires_field(progress.state.expires_at), *_COMMON))


def _parts(progress: Progress) -> Fields:
    """How an upload takes parts ahead of its offset, and what it has of them."""
    size = progress.part_size
    if size is None or progress.state.done or progress.state.concat:
        return ()
    return parts_fields(size, [part.number for part in progress.ahead])


class DraftAnswers:
    """As the draft has them. The last one is the receipt that an upload in one request gets."""

    def __init__(self, snapshot: Snapshot, call: LinkCall, permit: Permit, step: UploadStep) -> None:
        self._snapshot = snapshot
        self._call = call
        self._permit = permit
        self._version = step.draft
        self.undo: str | None = None

    def begun(self, progress: Progress, address: str) -> bool:
        """Tell the client where its upload is, before its bytes come; whether it can know of it now."""
        fields = interim_fields(self._version, ("Location", address), *self._limits(progress))
        return self._permit.exchange.inform(SUPPORTED, fields)

    def stored(self, offset: int) -> None:
        """Tell the client how far its upload has come, while its bytes come."""
        if self._version < PROGRESS:
            return
        self._permit.exchange.inform(SUPPORTED, interim_fields(self._version, ("Upload-Offset", str(offset))))

    def created(self, progress: Progress, address: str) -> Reply:
        return self._answer(201, progress, ("Location", address))

    def appended(self, progress: Progress) -> Reply:
        return self._answer(204, progress)

    def told(self, progress: Progress) -> Reply:
        known = progress.state.length
        length = () if known is None else (("Upload-Length", str(known)),)
        return Reply(204, (*self._stand(progress), *length, *LINK_HEADERS))

    def ended(self) -> Reply:
        return Reply(204, LINK_HEADERS)

    def _answer(self, status: int, progress: Progress, *more: tuple[str, str]) -> Reply:
        fields = (*more, *self._stand(progress))
        if not progress.state.done:
            return Reply(status, (*fields, *LINK_HEADERS))
        permit, grant = self._permit, self._permit.grant or self._call.grant
        sent = progress.state.sent or self._call.sent or permit.attempt.key
        name = (sent if grant.intake.blind else permit.attempt.key).rpartition("/")[2]
        stored = Received(name=name, size=progress.offset, etag=progress.etag or None, undo=self.undo)
        reply = receipt(self._snapshot.branding, self._call.request.raw, [stored], [], permit.exchange.request_id)
        return Reply(reply.status, reply.headers, reply.body, (*reply.own, *fields))

    def _stand(self, progress: Progress) -> Fields:
        complete = complete_field(self._version, complete=progress.state.done)
        return ("Upload-Offset", str(progress.offset)), complete, *self._limits(progress)

    def _limits(self, progress: Progress) -> Fields:
        state = progress.state
        rest = None if state.done else state.expires_at - self._permit.attempt.now
        return limit_field(self._version, self._permit.largest, rest)
