"""Owns the bytes of an upload between the client and the store: unwrapped, checked, capped, paced, counted.

Refuses to own framing and digests (`gateway.wire.chunked`, `gateway.wire.checksums`) and the store's side.

Law: the last chunk is held back until every check of the whole body has passed. The store was promised a length, so
without that chunk it never sees a whole request, and a body that is found wrong at its end leaves no object behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.core.reasons import Reason, Refused
from gateway.core.request import BodyFraming, ObjectRequest
from gateway.data.admit import claim
from gateway.data.gate import Plane
from gateway.data.transfers import Permit
from gateway.wire.checksums import BodyChecks
from gateway.wire.chunked import ChunkedDecoder
from gateway.wire.sigv4 import Verified

__all__ = ["plain_body"]

_CLAIM = 8 * 1024 * 1024


async def plain_body(
    plane: Plane, request: ObjectRequest, permit: Permit, verified: Verified | None
) -> AsyncIterator[bytes]:
    """The object's own bytes, in order, all but the last chunk as they come.

    Raises:
        Refused: INCOMPLETE_BODY, TOO_LARGE, BAD_DIGEST, BAD_CONTENT_HASH, BAD_SIGNATURE of a chunk, USED_UP.
    """
    trailers = _trailer_names(request)
    checks = BodyChecks.from_request(request.headers, verified.payload_hash if verified is not None else None, trailers)
    decoder = (
        None
        if request.framing is BodyFraming.PLAIN
        else ChunkedDecoder(request.framing, request.content_length, verified, trailers)
    )
    grant, limits = permit.grant, permit.route.limits
    cap = grant.max_size if grant is not None else None
    declared, claimed = request.content_length, 0
    held = b""
    async for arrived in permit.exchange.body():
        for plain in decoder.feed(arrived) if decoder is not None else (arrived,):
            if not plain:
                continue
            permit.moved += len(plain)
            if cap is not None and permit.moved > cap:
                raise Refused(Reason.TOO_LARGE, f"the body is above the link's {cap} bytes")
            if declared is not None and permit.moved > declared:
                raise Refused(Reason.INCOMPLETE_BODY, "the body is longer than declared")
            while permit.moved > claimed:
                step = declared if declared is not None else _CLAIM
                await claim(plane, permit, step, None)
                claimed += step
            checks.update(plain)
            if held:
                yield held
            held = plain
            wait = plane.shaper.pay(limits, len(plain))
            if wait > 0:
                await permit.pause(wait)
    checks.finish(decoder.finish() if decoder is not None else {})
    if declared is not None and permit.moved != declared:
        raise Refused(Reason.INCOMPLETE_BODY, f"{permit.moved} of {declared} bytes came")
    if held:
        yield held


def _trailer_names(request: ObjectRequest) -> tuple[str, ...]:
    names = (name.strip().lower() for name in request.headers.get("x-amz-trailer", "").split(","))
    return tuple(name for name in names if name)
