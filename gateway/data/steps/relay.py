"""Owns step 7: a store's answer on its way to the client, counted, paced, and never made to look whole when it is not.

Refuses to own what may be forwarded (`gateway.wire.s3.response_headers`) and when to stop
(`gateway.data.state.transfers` cuts).

Laws: small bodies go in one write, large ones chunk by chunk with back-pressure; the bytes forwarded equal the bytes
declared, or the connection is cut (T1, T14). The last byte of what is for one whole download leaves once the client's
side has confirmed all before it: who was cut off in the middle has not had it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.request import Operation
from gateway.core.route import Answer
from gateway.core.units import whole_number
from gateway.data.call import Call, Fields
from gateway.data.plane import DataPlane
from gateway.data.s3.keepalive import KeepAliveReply, Opened
from gateway.data.state.transfers import Permit
from gateway.data.steps.reserve import AT_ONCE, claim, count_whole, must_claim
from gateway.wire.replies import Reply

_GET: Final = Operation.GET_OBJECT
_SMALL: Final = 64 * 1024
_BODY_STATUSES: Final = frozenset({200, 206})


async def relay(plane: DataPlane, call: Call, permit: Permit, opened: Opened) -> None:
    """Forward an answer, or one that we made ourselves.

    Raises:
        Refused: USED_UP, mostly before the first byte; CLIENT_GONE or the reason of a cut after it.
        UpstreamFailed: UPSTREAM_BROKE when the store's body ends early.
    """
    exchange = permit.exchange
    if isinstance(opened, KeepAliveReply):
        await opened.deliver(call.request, permit)
        return
    if isinstance(opened, Reply):
        await exchange.send(opened)
        return
    headers, own = call.answer_headers(opened, permit), call.answer_ids(exchange.request_id)
    if call.request.operation is not _GET or opened.status not in _BODY_STATUSES:
        await _bodiless(permit, opened, headers, own)
        return
    claimed = opened.length or 0
    if claimed and must_claim(permit):
        claimed = await claim(plane.leases, permit, claimed, opened.whole_size, seeks=opened.begins_within)
    if opened.length is not None and opened.length <= _SMALL and not permit.paced() and not _is_for_once(permit):
        body = await opened.body.read(_SMALL)
        _require_whole(opened, len(body))
        permit.moved += len(body)  # before it is sent: who leaves with most of it has had it
        permit.consumed = True
        await exchange.send_whole(opened.status, headers, body, own)
        return
    await exchange.start(opened.status, headers, opened.length, own)
    await _stream(plane, permit, opened, claimed)
    _require_whole(opened, permit.moved)
    permit.consumed = True
    await exchange.finish()


def _require_whole(answer: Answer, came: int) -> None:
    if answer.length is not None and came != answer.length:
        raise UpstreamFailed(Reason.UPSTREAM_BROKE, f"{came} of {answer.length} bytes came")


async def _bodiless(permit: Permit, answer: Answer, headers: Fields, own: Fields) -> None:
    """HEAD, 304, and the answers to writes: what counts is in the head."""
    exchange = permit.exchange
    if answer.status < 300 and exchange.bytes_in:
        permit.consumed = True
    if exchange.method != "HEAD":
        await exchange.send_whole(answer.status, headers, b"", own)
        return
    length = whole_number(answer.headers.get("content-length", ""))
    await exchange.start(answer.status, headers, length, own)
    await exchange.finish()


async def _stream(plane: DataPlane, permit: Permit, answer: Answer, claimed: int) -> None:
    exchange, limits = permit.exchange, permit.route.limits
    piece, whole = plane.shaper.piece(limits), answer.whole_size
    lender = answer.lender if answer.length is not None and piece is None else None
    async for chunk in _hold_last(permit, answer) if _is_for_once(permit) else answer.body:
        if answer.length is not None and permit.moved + len(chunk) > answer.length:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, f"more than {answer.length} bytes came")
        while permit.moved + len(chunk) > claimed:
            rest = AT_ONCE if answer.length is None else answer.length - claimed
            claimed += await claim(plane.leases, permit, rest, whole, seeks=answer.begins_within)
        permit.consumed = True
        if piece is None:
            permit.moved += len(chunk)
            if permit.moved == answer.length:
                await count_whole(plane.leases, permit, plane.clock())
            await exchange.write(chunk)
            del chunk  # a client that stalls would hold it twice
            if lender is not None:  # what is left but the last byte, which is held back for the questions above
                await exchange.pour(lender, claimed - permit.moved - 1, permit.count_moved)
                lender = None
            continue
        for start in range(0, len(chunk), piece):
            part = chunk[start : start + piece]
            permit.moved += len(part)
            if permit.moved == answer.length:
                await count_whole(plane.leases, permit, plane.clock())
            await exchange.write(part)
            wait = plane.shaper.pay(limits, len(part))
            if wait > 0:
                await permit.pause(wait)


def _is_for_once(permit: Permit) -> bool:
    return permit.grant is not None and permit.grant.once


async def _hold_last(permit: Permit, answer: Answer) -> AsyncIterator[bytes]:
    """The same bytes, the last one held back until the client's side has confirmed what went before it."""
    async for chunk in answer.body:
        if permit.moved + len(chunk) != answer.length:
            yield chunk
            continue
        yield chunk[:-1]
        await permit.exchange.confirm(permit.pause)
        yield chunk[-1:]
