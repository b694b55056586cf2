"""Owns the writing of one object from a request's body, or from its form's file.

Refuses to own how it is sent (`gateway.data.s3.send`) and what the bytes have to prove (`gateway.data.body`).

Law: a link that may not overwrite never does, whatever the store can do: by a conditional write where it has them,
else by looking first while the name is reserved, on all replicas.
"""

from __future__ import annotations

from functools import partial

from gateway.core.reasons import Reason, Refused
from gateway.core.route import Answer, UploadBody
from gateway.data.body import comes_small, confirmed, hold_last, meter, read_plain, read_whole
from gateway.data.call import Call, Writing
from gateway.data.plane import DataPlane
from gateway.data.s3.send import heeds_conditions, in_parts, require_heeded, send
from gateway.data.state.transfers import Permit
from gateway.data.uploads.file_types import check_declared, checked
from gateway.wire.s3.calls import require_kept, upstream_call


async def put(plane: DataPlane, call: Call, permit: Permit) -> Answer:
    """The store's answer to the whole object, from the request's body or from its form's file; the permit has it open.

    Raises:
        Refused: MISSING_LENGTH, OBJECT_EXISTS, or what the body itself was refused for.
        UpstreamFailed: as `Upstream.open`.
    """
    how = call.at_store.writing(call, permit, _find_out)
    if not how.only_new:
        return await _write(plane, call, permit, how)
    if how.conditional:
        with plane.names.reserve(how.store_call):
            return await _write(plane, call, permit, how)
    async with plane.names.reserve_absent(plane.upstream, how.store_call):
        return await _write(plane, call, permit, how)


def _find_out(call: Call, permit: Permit) -> Writing:
    """Raises Refused for what may not be written, or not like this."""
    raw, length = call.request.raw, call.request.content_length if call.form is None else None
    if raw.header("content-length") is None and raw.header("transfer-encoding") is None:
        # HTTP reads an empty body from this, S3 a client that forgot to say how much it sends.
        raise Refused(Reason.MISSING_LENGTH, "neither a length nor chunks were declared")
    require_kept(permit.route, length)
    check_declared(permit.types(), call.request.headers.get("content-type"))
    only_new, parts = call.only_new(permit), in_parts(permit, length)
    conditional = heeds_conditions(permit, parts=parts)
    store_call = upstream_call(permit.route, call.request, body_length=length or 0, only_new=only_new and conditional)
    if not only_new:
        require_heeded(store_call, heeded=conditional)
    whole = call.form is None and not parts and comes_small(permit)
    return Writing(store_call, length, only_new, conditional, whole)


async def _write(plane: DataPlane, call: Call, permit: Permit, how: Writing) -> Answer:
    body: UploadBody
    if call.form is not None:
        file = call.form.file()
        if permit.types():
            file = checked(file, permit.types())
        body = hold_last(plane, permit, meter(plane, permit, file, None))
    elif how.whole:
        whole = await read_whole(plane, call.request, permit, call.verified)
        body = partial(confirmed, plane, permit, whole)
    else:
        body = read_plain(plane, call.request, permit, call.verified)
    return await send(plane, how.store_call, how.length, body, permit)
