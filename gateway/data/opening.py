"""Owns step 6: which answer an admitted request gets, and from where.

Refuses to own credentials, sockets and XML (`gateway.backends`, `gateway.wire`).

Laws: a write is sent to a store once; a store's refusal is told in our words and our names, never in its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.request import LinkPlace, Operation
from gateway.core.route import Answer, Capability, UpstreamCall
from gateway.data.attempts import Tried
from gateway.data.gate import Gate, Plane
from gateway.data.link_pages import link_page
from gateway.data.link_listing import link_listing
from gateway.data.transfers import Permit
from gateway.data.uploads import plain_body
from gateway.wire.headers import upstream_call
from gateway.wire.replies import Reply

__all__ = ["Opened", "open_answer"]

Opened = Answer | Reply
_FINE = frozenset({200, 204, 206, 304})


@asynccontextmanager
async def open_answer(plane: Plane, gate: Gate, tried: Tried, permit: Permit) -> AsyncIterator[Opened]:
    """The answer, open for as long as the block runs.

    Raises:
        Refused: what the store or the request's own body makes impossible.
        UpstreamFailed: the store is away or broken.
    """
    operation = tried.request.operation
    if tried.page is not None:
        yield await link_page(plane, gate, tried, permit)
    elif operation is Operation.LIST_OBJECTS_V2 and isinstance(tried.request.place, LinkPlace):
        yield await link_listing(plane, gate, tried, permit)
    elif operation is Operation.PUT_OBJECT:
        async with _put(plane, tried, permit) as opened:
            yield opened
    else:
        async with plane.upstream.open(upstream_call(permit.route, tried.request)) as answer:
            yield await _judged(answer, tried)
