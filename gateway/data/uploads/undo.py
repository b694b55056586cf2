"""Owns taking back what was uploaded, for as long as its link allows: by the secret that came with the receipt.

Refuses to own the receipt (`gateway.data.uploads.receipts`) and resumable uploads' own addresses (`gateway.data.tus`).

Laws: only the very object that was stored then is removed, and only through the link that it came by, while its owner
may delete there. The store keeps a hash of the secret, beside the records of uploads, which are swept with them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Final

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.request import Action, ObjectRequest, Operation
from gateway.data.call import LinkCall
from gateway.data.page_reader import load_pages
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.data.tus.store import TusStore
from gateway.pages.links import undone_page
from gateway.pages.render import look_for
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.links.tus_state import UploadState
from gateway.wire.replies import LINK_HEADERS, Reply, page_reply

_SECRET_BYTES: Final = 20
_INSTANT: Final = 12
_ID: Final = 48


def _mint(ends: float, entropy: Callable[[int], bytes]) -> str:
    """A secret that says itself when it ends, as the name of its record does."""
    return f"{int(ends):012x}{entropy(_SECRET_BYTES).hex()}"


def _record_of(secret: str) -> str:
    return (secret[:_INSTANT] + sha256(secret.encode()).hexdigest())[:_ID]


async def note_undo(
    plane: DataPlane, permit: Permit, request: ObjectRequest, size: int, etag: str | None
) -> str | None:
    """The secret that takes back what was just stored; None where nobody may, or where it could not be noted."""
    grant = permit.grant
    if grant is None or grant.intake.undo is None:
        return None
    now = plane.clock()
    secret = _mint(now + grant.intake.undo, plane.entropy)
    state = UploadState(
        grant=grant.id,
        key=permit.attempt.key,
        at=now,
        expires_at=now + grant.intake.undo,
        length=size,
        done=True,
        done_at=now,
        etag=etag or "",
    )
    store = TusStore(plane.upstream, plane.names, permit.route, request, _record_of(secret))
    with suppress(Refused, UpstreamFailed):  # the file is there: that is the answer
        await store.sweep(now)
        await store.save(state)
        return secret
    return None


async def answer_undo(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """Take back the upload whose secret came.

    Raises:
        Refused: UPLOAD_UNKNOWN, UPLOAD_EXPIRED, OBJECT_CHANGED, as `Renewing.admit_again`.
        UpstreamFailed: the store is away or broken.
    """
    secret = call.undo or ""
    if not secret.isascii() or not secret.isalnum():
        raise Refused(Reason.UPLOAD_UNKNOWN, "the text is no secret of an upload")
    store = TusStore(plane.upstream, plane.names, permit.route, call.request, _record_of(secret))
    state = await store.load()
    if state is None or state.grant != call.grant.id or not state.done:
        raise Refused(Reason.UPLOAD_UNKNOWN, "the link has no such upload")
    await remove_own(plane, permit, call.request, store, state)
    raw = call.request.raw
    if raw.method != "POST" or not prefers_html(raw.header("accept")):
        return Reply(204, LINK_HEADERS)
    await load_pages()
    return page_reply(undone_page(look_for(snapshot.branding, raw.header("accept-language"))))


async def remove_own(
    plane: DataPlane, permit: Permit, request: ObjectRequest, store: TusStore, state: UploadState
) -> None:
    """Remove the object that an upload became, and the upload's record.

    Raises:
        Refused: UPLOAD_EXPIRED when it is too late, OBJECT_CHANGED when another object is there by now, NOT_ALLOWED
            for a link without undo, as `Renewing.admit_again`.
    """
    undo = None if permit.grant is None else permit.grant.intake.undo
    if undo is None:
        raise Refused(Reason.NOT_ALLOWED, "the upload is an object by now, which a link cannot delete")
    if permit.attempt.now >= state.done_at + undo:
        raise Refused(Reason.UPLOAD_EXPIRED, "the time is over in which the upload could be taken back")
    permit.attempt = replace(permit.attempt, operation=Operation.DELETE_OBJECT, action=Action.DELETE, key=state.key)
    await plane.renewals.admit_again(permit)
    placed = TusStore(plane.upstream, plane.names, permit.route, request, "")
    etag = await placed.etag()
    if etag != state.etag:
        raise Refused(Reason.OBJECT_CHANGED, "another object has that name by now")
    await plane.renewals.confirm(permit)
    await placed.remove()
    await store.drop()
