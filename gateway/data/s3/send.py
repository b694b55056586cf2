"""Owns sending one object's bytes to a store: with a declared length in one PUT, else in parts.

Refuses to own how parts are cut (`DataPlane.upload_parts`) and what the bytes have to prove (`gateway.data.body`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.core.loan import Stretch
from gateway.core.reasons import Reason, Refused
from gateway.core.route import Answer, Capability, UpstreamCall
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.wire.s3.multipart import PART_SIZE

__all__ = ["heeds_conditions", "require_heeded", "send"]

_CONDITIONS: Final = frozenset({"if-match", "if-none-match"})


def _in_parts(permit: Permit, length: int | None) -> bool:
    return length is None or length > permit.route.backend.single_put_limit


def heeds_conditions(permit: Permit, length: int | None) -> bool:
    """Whether a condition on the written object holds in its store: in parts, it appears when they are completed."""
    capabilities = permit.route.backend.capabilities
    needed = {Capability.CONDITIONAL_WRITES}
    return (needed | {Capability.CONDITIONAL_COMPLETE} if _in_parts(permit, length) else needed) <= capabilities


def require_heeded(permit: Permit, store_call: UpstreamCall, length: int | None) -> None:
    """Refuse a condition on the written object that its store would not heed.

    Raises:
        Refused: NOT_SUPPORTED_BY_BACKEND.
    """
    if any(name in _CONDITIONS for name, _ in store_call.headers) and not heeds_conditions(permit, length):
        raise Refused(Reason.NOT_SUPPORTED_BY_BACKEND, "a conditional upload in parts")


@asynccontextmanager
async def send(
    plane: DataPlane,
    store_call: UpstreamCall,
    length: int | None,
    chunks: AsyncIterator[bytes | Stretch],
    permit: Permit,
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
        with plane.part_memory.portion(permit.holders).hold(_memory_for(permit) if length is None else 0):
            answer = await plane.upload_parts(
                replace(store_call, body_length=None),
                (chunk async for chunk in chunks if isinstance(chunk, bytes)),
                length,
                permit.route.backend.capabilities,
                partial(plane.renewals.confirm, permit),
            )
        permit.consumed = answer.status < 300
        yield answer
        return
    if length == 0:
        async for _ in chunks:  # runs the body's checks; there is no byte to hold back
            pass
    body: AsyncIterator[bytes | Stretch] | bytes = chunks if length else b""
    async with plane.upstream.open(replace(store_call, body_length=length), body) as answer:
        permit.consumed = answer.status < 300
        yield answer


def _memory_for(permit: Permit) -> int:
    """Bytes of memory for a body of unknown length: a part, or the form that holds the file where that is less."""

    raw = permit.exchange.raw
    declared = raw.header("content-length") if raw is not None and permit.source is None else None
    return PART_SIZE if declared is None else min(int(declared), PART_SIZE)
