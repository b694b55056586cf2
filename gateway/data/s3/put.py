"""Owns the writing of one object from a request's body, or from its form's file.

Refuses to own how it is sent (`gateway.data.s3.send`) and what the bytes have to prove (`gateway.data.body`).

Law: a link that may not overwrite never does, whatever the store can do: by a conditional write where it has them,
else by looking first while the name is reserved, on all replicas.
"""

from __future__ import annotations

from functools import partial

from gateway.core.reasons import Reason, Refused
from gateway.core.route import Answer, UploadBody, UpstreamCall
from gateway.data.body import comes_small, confirmed, hold_last, meter, read_plain, read_whole
from gateway.data.call import Call
from gateway.data.plane import DataPlane
from gateway.data.s3.send import heeds_conditions, in_parts, require_heeded, send
from gateway.data.state.transfers import Permit
from gateway.data.uploads.file_types import check_declared, checked
from gateway.wire.s3.calls import require_kept


async def put(plane: DataPlane, call: Call, permit: Permit) -> Answer:
    """The store's answer to the whole object, from the request's body or from its form's file; the permit has it open.

    Raises:
        Refused: MISSING_LENGTH, OBJECT_EXISTS, or what the body itself was refused for.
        UpstreamFailed: as `Upstream.open`.
    """
    raw = call.request.raw
    if raw.header("content-length") is None and raw.header("transfer-encoding") is None:
        # HTTP reads an empty body from this, S3 a client that forgot to say how much it sends.
        raise Refused(Reason.MISSING_LENGTH, "neither a length nor chunks were declared")
    length = call.request.content_length if call.form is None else None
    require_kept(permit.route, length)
    check_declared(permit.types(), call.request.headers.get("content-type"))
    only_new, parts = call.only_new(permit), in_parts(permit, length)
    conditional = heeds_conditions(permit, parts=parts)
    store_call = call.at_store.by(
        permit.route, call.request, body_length=length or 0, only_new=only_new and conditional
    )
    if not only_new:
        require_heeded(store_call, heeded=conditional)
        return await _write(plane, call, permit, store_call, length, parts=parts)
    if conditional:
        with plane.names.reserve(store_call):
            return await _write(plane, call, permit, store_call, length, parts=parts)
    async with plane.names.reserve_absent(plane.upstream, store_call):
        return await _write(plane, call, permit, store_call, length, parts=parts)


async def _write(
    plane: DataPlane, call: Call, permit: Permit, store_call: UpstreamCall, length: int | None, *, parts: bool
) -> Answer:
    body: UploadBody
    if call.form is not None:
        file = call.form.file()
        if permit.types():
            file = checked(file, permit.types())
        body = hold_last(plane, permit, meter(plane, permit, file, None))
    elif not parts and comes_small(permit):
        whole = await read_whole(plane, call.request, permit, call.verified)
        body = partial(confirmed, plane, permit, whole)
    else:
        body = read_plain(plane, call.request, permit, call.verified)
    return await send(plane, store_call, length, body, permit)
