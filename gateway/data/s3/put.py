"""Owns sending one object's bytes to a store: with a declared length in one PUT, else in parts.

Refuses to own how parts are cut (`DataPlane.upload_parts`) and what the bytes have to prove (`gateway.data.body`).

Law: a link that may not overwrite never does, whatever the store can do: by a conditional write where it has them,
else by looking first while the name is reserved here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.route import Answer, Capability, UpstreamCall
from gateway.data.body import metered, plain_body, withheld
from gateway.data.call import Call
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.data.steps.renew import confirm
from gateway.wire.s3.calls import require_kept, upstream_call
from gateway.wire.s3.multipart import PART_SIZE

__all__ = ["open_put", "require_absent", "require_heeded", "sent"]

_CONDITIONS: Final = frozenset({"if-match", "if-none-match"})


@asynccontextmanager
async def open_put(plane: DataPlane, call: Call, permit: Permit) -> AsyncIterator[Answer]:
    """The store's answer to the whole object, from the request's body or from its form's file.

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
    only_new = call.only_new(permit)
    conditional = _needed_for_conditions(permit, length) <= permit.route.backend.capabilities
    store_call = upstream_call(permit.route, call.request, body_length=length or 0, only_new=only_new and conditional)
    if not only_new:
        require_heeded(permit, store_call, length)
    if call.form is not None:
        chunks = withheld(plane, permit, metered(plane, permit, call.form.file(), None))
    else:
        chunks = plain_body(plane, call.request, permit, call.verified)
    if not only_new:
        async with sent(plane, store_call, length, chunks, permit) as answer:
            yield answer
        return
    with plane.names.reserve(store_call):
        if not conditional:
            await require_absent(plane, store_call)
        async with sent(plane, store_call, length, chunks, permit) as answer:
            yield answer


def _in_parts(permit: Permit, length: int | None) -> bool:
    return length is None or length > permit.route.backend.single_put_limit


def _needed_for_conditions(permit: Permit, length: int | None) -> set[Capability]:
    """What the store must heed for a condition to hold: in parts, the object appears when they are completed."""
    needed = {Capability.CONDITIONAL_WRITES}
    return needed | {Capability.CONDITIONAL_COMPLETE} if _in_parts(permit, length) else needed


def require_heeded(permit: Permit, store_call: UpstreamCall, length: int | None) -> None:
    """Refuse a condition on the written object that its store would not heed.

    Raises:
        Refused: NOT_SUPPORTED_BY_BACKEND.
    """
    heeded = _needed_for_conditions(permit, length) <= permit.route.backend.capabilities
    if not heeded and any(name in _CONDITIONS for name, _ in store_call.headers):
        raise Refused(Reason.NOT_SUPPORTED_BY_BACKEND, "a conditional upload in parts")


async def require_absent(plane: DataPlane, store_call: UpstreamCall) -> None:
    """Look whether the call's object is there.

    Raises:
        Refused: OBJECT_EXISTS if it is, UPSTREAM_REFUSED when the store does not say.
    """
    look = UpstreamCall(backend=store_call.backend, method="HEAD", bucket=store_call.bucket, key=store_call.key)
    async with plane.upstream.open(look) as answer:
        if answer.status < 300:
            raise Refused(Reason.OBJECT_EXISTS, "the object exists and the link may not overwrite")
        if answer.status != 404:
            raise Refused(Reason.UPSTREAM_REFUSED, f"the store answered {answer.status} to a look at the name")


@asynccontextmanager
async def sent(
    plane: DataPlane, store_call: UpstreamCall, length: int | None, chunks: AsyncIterator[bytes], permit: Permit
) -> AsyncIterator[Answer]:
    """The store's answer to these bytes: in one PUT if their length is known and the store takes that much at once.

    Raises:
        Refused: MISSING_LENGTH for a part of unknown length, OVERLOADED when no memory is left to keep parts in, and
            whatever `chunks` raises.
        UpstreamFailed: as `Upstream.open`.
    """
    if length is None and store_call.query:
        raise Refused(Reason.MISSING_LENGTH, "a part needs a declared length")
    if length is None or _in_parts(permit, length):
        with plane.parts.portion(permit.holders).hold(_kept(permit) if length is None else 0):
            answer = await plane.upload_parts(
                replace(store_call, body_length=None),
                chunks,
                length,
                permit.route.backend.capabilities,
                partial(confirm, plane, permit),
            )
        permit.consumed = answer.status < 300
        yield answer
        return
    if length == 0:
        async for _ in chunks:  # runs the body's checks; there is no byte to hold back
            pass
    body: AsyncIterator[bytes] | bytes = chunks if length else b""
    async with plane.upstream.open(replace(store_call, body_length=length), body) as answer:
        permit.consumed = answer.status < 300
        yield answer


def _kept(permit: Permit) -> int:
    """Bytes of memory for a body of unknown length: a part, or the form that holds the file where that is less."""

    raw = permit.exchange.raw
    declared = raw.header("content-length") if raw is not None and permit.source is None else None
    return PART_SIZE if declared is None else min(int(declared), PART_SIZE)
