"""Owns step 6: which answer an admitted request gets, and from where, as two tables: of links and of the S3 face.

Refuses to own credentials, sockets and XML (`gateway.backends`, `gateway.wire`).

Laws: a write is sent to a store once; a store's refusal is given in our words and our names, never in its own. What a
row leaves open of the store is in the permit, which closes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Operation
from gateway.core.route import Delivery
from gateway.data.call import Call, LinkAnswer, LinkCall, S3Call
from gateway.data.links.archive import open_archive
from gateway.data.links.codes import answer_proof
from gateway.data.links.credentials import give_credentials
from gateway.data.links.handover import answer_program
from gateway.data.links.listing import answer_listing, lead_to_folder
from gateway.data.links.pages import PAGES
from gateway.data.links.sign_in import answer_sign_in
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.post_form import form_reply
from gateway.data.redirect import redirect
from gateway.data.s3.copy import copy
from gateway.data.s3.documents import DOCUMENTS
from gateway.data.s3.keepalive import Opened
from gateway.data.s3.local import LOCAL
from gateway.data.s3.put import put
from gateway.data.state.transfers import Permit
from gateway.data.store_errors import check_answer, is_done
from gateway.data.tus.handler import answer_step
from gateway.data.uploads.receive import receive_file, receive_form
from gateway.data.uploads.undo import answer_undo
from gateway.wire.s3.calls import whole_instead

_REDIRECT: Final = Delivery.REDIRECT

LinkHandler = Callable[[DataPlane, Snapshot, LinkCall, Permit], Awaitable[Opened]]
S3Handler = Callable[[DataPlane, Snapshot, S3Call, Permit], Awaitable[Opened]]


def open_answer(plane: DataPlane, snapshot: Snapshot, call: Call, permit: Permit) -> Awaitable[Opened]:
    """The answer, open until the permit ends.

    Raises:
        Refused: what the store or the request's own body makes impossible.
        UpstreamFailed: the store is away or broken.
    """
    if isinstance(call, LinkCall):
        return LINK_ANSWERS[call.answer](plane, snapshot, call, permit)
    return S3_ANSWERS[call.request.operation](plane, snapshot, call, permit)


async def _relay(plane: DataPlane, snapshot: Snapshot, call: Call, permit: Permit) -> Opened:
    """One call without a body; a second one if the first only said that `If-Range` does not hold."""
    store_call = call.at_store.by(permit.route, call.request)
    opened = plane.upstream.open(store_call)
    answer = await opened.__aenter__()
    permit.held = opened
    if is_done(answer, permit):
        return answer
    again = whole_instead(call.request, store_call, answer.status)
    if again is not None:
        permit.held = None
        await opened.__aexit__(None, None, None)
        opened = plane.upstream.open(again)
        answer = await opened.__aenter__()
        permit.held = opened
    return await check_answer(answer, call, permit) or answer


def _get_object(plane: DataPlane, snapshot: Snapshot, call: Call, permit: Permit) -> Awaitable[Opened]:
    redirecting = permit.route.delivery is _REDIRECT and _may_fetch_alone(permit)
    return (redirect if redirecting else _relay)(plane, snapshot, call, permit)


def _may_fetch_alone(permit: Permit) -> bool:
    """Whether a client may fetch the bytes by itself: never those of one version, or once only, or of so many bytes:
    that is seen here."""
    grant = permit.grant
    return grant is None or (grant.etag is None and not grant.once and grant.budget is None)


async def _get_file(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Opened:
    """Of a link; where there is none, the way to the folder of this name."""
    try:
        return await _get_object(plane, snapshot, call, permit)
    except Refused as refused:
        if refused.reason is not Reason.OBJECT_GONE:
            raise
        found = await lead_to_folder(plane, call, permit)
        if found is None:
            raise
        return found


async def _put_object(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Opened:
    answer = await put(plane, call, permit)
    return answer if is_done(answer, permit) else await check_answer(answer, call, permit) or answer


async def _post_object(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Opened:
    answer = await put(plane, call, permit)
    refused = await check_answer(answer, call, permit)
    if refused is not None or call.form is None:
        return refused or answer
    return form_reply(call.form, call.attempt, answer.headers, snapshot.public_url, permit.exchange.request_id)


def _receive_file(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Awaitable[Opened]:
    return receive_file(plane, snapshot, call, permit, put)


def _receive_form(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Awaitable[Opened]:
    return receive_form(plane, snapshot, call, permit, put)


LINK_ANSWERS: Final[Mapping[LinkAnswer | Operation, LinkHandler]] = MappingProxyType(
    {
        **PAGES,
        LinkAnswer.ARCHIVE: open_archive,
        LinkAnswer.CREDENTIALS: give_credentials,
        LinkAnswer.PROVE: answer_proof,
        LinkAnswer.SIGN_IN: answer_sign_in,
        LinkAnswer.HAND_OVER: answer_program,
        Operation.GET_OBJECT: _get_file,
        Operation.HEAD_OBJECT: _relay,
        Operation.LIST_OBJECTS_V2: answer_listing,
        LinkAnswer.UNDO: answer_undo,
        Operation.PUT_OBJECT: _receive_file,
        Operation.POST_OBJECT: _receive_form,
        # the steps of a resumable upload
        Operation.CREATE_MULTIPART_UPLOAD: answer_step,
        Operation.UPLOAD_PART: answer_step,
        Operation.LIST_PARTS: answer_step,
        Operation.ABORT_MULTIPART_UPLOAD: answer_step,
    }
)
"""All that a link's request may get."""

S3_ANSWERS: Final[Mapping[Operation, S3Handler]] = MappingProxyType(
    {
        **LOCAL,
        **DOCUMENTS,
        Operation.GET_OBJECT: _get_object,
        Operation.HEAD_OBJECT: _relay,
        Operation.PUT_OBJECT: _put_object,
        Operation.UPLOAD_PART: _put_object,
        Operation.POST_OBJECT: _post_object,
        Operation.COPY_OBJECT: copy,
        Operation.UPLOAD_PART_COPY: copy,
        Operation.DELETE_OBJECT: _relay,
        Operation.DELETE_OBJECT_TAGGING: _relay,
        Operation.ABORT_MULTIPART_UPLOAD: _relay,
    }
)
"""Every operation of the S3 face; a preflight is answered before there is a call."""
