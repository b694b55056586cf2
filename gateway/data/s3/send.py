"""Owns sending one object's bytes to a store: with a declared length in one PUT, else in parts.

Refuses to own how parts are cut (`DataPlane.upload_parts`) and what the bytes have to prove (`gateway.data.body`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.core.loan import Stretch
from gateway.core.reasons import Reason, Refused
from gateway.core.route import Answer, Capability, UploadBody, UpstreamCall
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.wire.s3.multipart import PART_SIZE

_CONDITIONS: Final = frozenset({"if-match", "if-none-match"})
_HEEDED: Final = frozenset({Capability.CONDITIONAL_WRITES})
_HEEDED_IN_PARTS: Final = _HEEDED | {Capability.CONDITIONAL_COMPLETE}


def in_parts(permit: Permit, length: int | None) -> bool:
    """Whether so many bytes, None if nobody knows, are more than their store takes at once."""
    return length is None or length > permit.route.backend.single_put_limit


def heeds_conditions(permit: Permit, *, parts: bool) -> bool:
    """Whether a condition on the written object holds in its store: in parts, it appears when they are completed."""
    return (_HEEDED_IN_PARTS if parts else _HEEDED) <= permit.route.backend.capabilities


def require_heeded(store_call: UpstreamCall, *, heeded: bool) -> None:
    """Refuse a condition on the written object if its store would not heed it.

    Raises:
        Refused: NOT_SUPPORTED_BY_BACKEND.
    """
    if not (heeded or _CONDITIONS.isdisjoint(dict(store_call.headers))):
        raise Refused(Reason.NOT_SUPPORTED_BY_BACKEND, "a conditional upload in parts")


async def send(
    plane: DataPlane, store_call: UpstreamCall, length: int | None, body: UploadBody, permit: Permit
) -> Answer:
    """The store's answer to these bytes, open until the permit ends: in one PUT if their length is known and the store
    takes that much at once. A `body` that comes whole is for one PUT.

    Raises:
        Refused: MISSING_LENGTH for a part of unknown length, OVERLOADED when no memory is left to keep parts in, and
            whatever `body` raises.
        UpstreamFailed: as `Upstream.open`.
    """
    if length is None and store_call.query:
        raise Refused(Reason.MISSING_LENGTH, "a part needs a declared length")
    if not (isinstance(body, bytes) or callable(body)):  # else it is whole and small
        if length is None or in_parts(permit, length):
            answer = await _send_parts(plane, store_call, length, body, permit)
            permit.consumed = answer.status < 300
            return answer
        if length == 0:
            async for _ in body:  # runs the body's checks; there is no byte to hold back
                pass
            body = b""
    opened = plane.upstream.open(store_call, body)
    answer = await opened.__aenter__()
    permit.held = opened
    permit.consumed = answer.status < 300
    return answer


async def _send_parts(
    plane: DataPlane,
    store_call: UpstreamCall,
    length: int | None,
    chunks: AsyncIterator[bytes | Stretch],
    permit: Permit,
) -> Answer:
    with plane.part_memory.portion(permit.holders()).hold(_memory_for(permit) if length is None else 0):
        return await plane.upload_parts(
            replace(store_call, body_length=None),
            (chunk async for chunk in chunks if isinstance(chunk, bytes)),
            length,
            permit.route.backend,
            partial(plane.renewals.confirm, permit),
        )


def _memory_for(permit: Permit) -> int:
    """Bytes of memory for a body of unknown length: a part, or the form that holds the file where that is less."""

    raw = permit.exchange.raw
    declared = raw.header("content-length") if raw is not None and permit.source is None else None
    return PART_SIZE if declared is None else min(int(declared), PART_SIZE)
