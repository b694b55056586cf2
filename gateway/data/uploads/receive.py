"""Owns storing the files that a link receives in one request: the body of a PUT, or each file of a form.

Refuses to own how one object is written (`gateway.data.s3.put`), its name (`gateway.data.links.request`,
`gateway.data.uploads.free_names`) and the receipt (`gateway.data.uploads.receipts`).

Law: each file of a form is decided on, admitted and counted like an upload of its own. One that is refused keeps none
of the others from being stored, and all are named in the one answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field, replace
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import LinkPlace
from gateway.core.route import Answer
from gateway.core.values import dataclass
from gateway.data.call import LinkCall
from gateway.data.links.request import file_request, name_file, place_of_file
from gateway.data.page_reader import load_pages
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.post_form import ArrivingForm
from gateway.data.state.transfers import Permit
from gateway.data.steps.admit import Admission
from gateway.data.steps.authorise import authorise
from gateway.data.store_errors import check_answer
from gateway.data.uploads.free_names import hold_free_name
from gateway.data.uploads.receipts import NotReceived, Received, receipt
from gateway.data.uploads.undo import note_undo
from gateway.shielded import shield
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.replies import Reply

Put = Callable[[DataPlane, LinkCall, Permit], Awaitable[Answer]]

_OF_ONE_FILE: Final = frozenset(
    {
        Reason.BAD_KEY,
        Reason.DENIED_BY_RULE,
        Reason.KEY_AMBIGUOUS,
        Reason.KEY_TOO_LONG,
        Reason.NOT_ALLOWED,
        Reason.OWNER_NOT_ALLOWED,
        Reason.OBJECT_EXISTS,
        Reason.TOO_LARGE,
        Reason.TYPE_NOT_ALLOWED,
        Reason.USED_UP,
    }
)
"""What one file is refused for, and the next one may not be."""


async def receive_file(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit, put: Put) -> Reply:
    """Store the body of a PUT, as `put` does it.

    Raises:
        Refused: what it is refused for.
        UpstreamFailed: the store is away or broken.
    """
    stored = await _store(plane, snapshot, call, permit, put)
    return await _tell(snapshot, call, [stored], [], permit)


async def _tell(
    snapshot: Snapshot, call: LinkCall, stored: Sequence[Received], failed: Sequence[NotReceived], permit: Permit
) -> Reply:
    raw = call.request.raw
    if prefers_html(raw.header("accept")):
        await load_pages()
    return receipt(snapshot.branding, raw, stored, failed, permit.exchange.request_id)


async def receive_form(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit, put: Put) -> Reply:
    """Store every file of a form.

    Raises:
        Refused: what its only file is refused for, or the form as a whole.
        UpstreamFailed: the store is away or broken.
    """
    if call.form is None:
        raise Refused(Reason.UNREAD_BODY, "a body that is no form")
    work = _Form(plane, snapshot, call, permit, call.form, put)
    await work.take(call, permit)
    while await call.form.next():
        if call.form.form.filename:  # a browser sends a field with no file in it, too
            await work.take_next()
    if work.failed and len(work.failed) + len(work.stored) == 1:
        raise Refused(work.failed[0].reason, "the form's only file")
    if work.failed:
        permit.store_error = work.failed[0].reason
    return await _tell(snapshot, call, work.stored, work.failed, permit)


@dataclass(slots=True)
class _Form:
    """A form with what became of its files so far. `permit` is the first file's, and the whole request's."""

    plane: DataPlane
    snapshot: Snapshot
    call: LinkCall
    permit: Permit
    form: ArrivingForm
    put: Put
    stored: list[Received] = field(default_factory=list)
    failed: list[NotReceived] = field(default_factory=list)

    async def take(self, call: LinkCall, permit: Permit) -> None:
        """Store one file, whose turn it is."""
        name = self.form.form.filename
        try:
            self.stored.append(await _store(self.plane, self.snapshot, call, permit, self.put))
        except Refused as refused:
            self._note(name, refused)

    async def take_next(self) -> None:
        """The same for a further one, which needs a permit of its own."""
        try:
            call = self._read_call()
            route = authorise(self.plane, self.permit.grant, call.attempt)
            admission = Admission(self.plane, self.snapshot, self.permit.exchange, call, route, part=self._number)
            async with admission as permit:
                await self.take(call, permit)
        except Refused as refused:
            self._note(self.form.form.filename, refused)

    @property
    def _number(self) -> int:
        return len(self.stored) + len(self.failed)

    def _read_call(self) -> LinkCall:
        first, form, plane = self.call, self.form.form, self.plane
        grant = self.permit.grant or first.grant
        scope = grant.scope
        if scope is None or scope.prefix is None:
            raise Refused(Reason.OBJECT_EXISTS, "a link to one object takes one file")
        folder, slash, _ = (first.sent or "").rpartition("/")
        sent = place_of_file(LinkPlace(first.place.token_text, folder + slash), scope, form)
        place = name_file(sent, grant, plane.clock(), plane.entropy)
        attempt = replace(first.attempt, key=f"{scope.prefix}{place.path}", now=plane.clock())
        request = file_request(first.request, place, form)
        return replace(first, request=request, place=place, grant=grant, attempt=attempt, sent=sent.path)

    def _note(self, name: str, refused: Refused) -> None:
        """Raises what is not about this file alone."""
        if refused.reason not in _OF_ONE_FILE or self.permit.exchange.cut_reason is not None:
            raise refused
        self.failed.append(NotReceived(name, refused.reason))


async def _store(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit, put: Put) -> Received:
    """One file, under a name that is free if its link wants that."""
    grant = permit.grant or call.grant
    sent = (call.sent or permit.attempt.key).rpartition("/")[2]
    held = await hold_free_name(plane, snapshot, permit) if grant.intake.rename else None
    try:
        answer = await put(plane, call, permit)
        await check_answer(answer, call, permit)
    finally:
        if held is not None:
            await shield(held.give_back())
    etag = answer.headers.get("etag")
    name = sent if grant.intake.blind else permit.attempt.key.rpartition("/")[2]
    undo = await note_undo(plane, permit, call.request, permit.moved, etag)
    digest = None if call.form is None else call.form.sha256
    return Received(name=name, size=permit.moved, etag=etag, sha256=digest, undo=undo)
