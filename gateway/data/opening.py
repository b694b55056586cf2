"""Owns step 6: which answer an admitted request gets, and from where.

Refuses to own credentials, sockets and XML (`gateway.backends`, `gateway.wire`).

Laws: a write is sent to a store once; a store's refusal is told in our words and our names, never in its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.core.request import LinkPlace, Operation
from gateway.core.route import Answer, Delivery
from gateway.data.attempts import Tried
from gateway.data.documents import DOCUMENTS
from gateway.data.forms import form_reply
from gateway.data.gate import Gate, Plane
from gateway.data.judging import judged
from gateway.data.link_archive import link_archive, wants_archive
from gateway.data.link_listing import link_listing
from gateway.data.link_pages import link_page, link_receipt
from gateway.data.local import LOCAL, local_answer
from gateway.data.puts import open_put
from gateway.data.redirects import redirected
from gateway.data.transfers import Permit
from gateway.wire.calls import upstream_call, whole_instead
from gateway.wire.replies import Reply

__all__ = ["Opened", "open_answer"]

Opened = Answer | Reply
_UPLOADS = frozenset({Operation.PUT_OBJECT, Operation.POST_OBJECT, Operation.UPLOAD_PART})


@asynccontextmanager
async def open_answer(plane: Plane, gate: Gate, tried: Tried, permit: Permit) -> AsyncIterator[Opened]:
    """The answer, open for as long as the block runs.

    Raises:
        Refused: what the store or the request's own body makes impossible.
        UpstreamFailed: the store is away or broken.
    """
    operation = tried.request.operation
    link = isinstance(tried.request.place, LinkPlace)
    if tried.page is not None:
        yield await link_page(plane, gate, tried, permit)
    elif link and operation is Operation.LIST_OBJECTS_V2:
        yield await link_listing(plane, tried, permit)
    elif link and wants_archive(tried.request) and operation is Operation.GET_OBJECT:
        yield await link_archive(plane, gate, tried, permit)
    elif operation is Operation.GET_OBJECT and permit.route.delivery is Delivery.REDIRECT:
        yield redirected(plane, tried, permit)
    elif operation in LOCAL:
        yield local_answer(gate, tried, permit.exchange.request_id)
    elif operation in DOCUMENTS:
        yield await DOCUMENTS[operation](plane, gate, tried, permit)
    elif operation in _UPLOADS:
        yield await _uploaded(plane, gate, tried, permit, link=link)
    else:
        async with _asked(plane, tried, permit) as answer:
            yield await judged(answer, tried, permit) or answer


async def _uploaded(plane: Plane, gate: Gate, tried: Tried, permit: Permit, *, link: bool) -> Opened:
    async with open_put(plane, tried, permit) as answer:
        refused = await judged(answer, tried, permit)
        if refused is not None:
            return refused
        if link:
            return link_receipt(tried, permit, answer)
        if tried.form is not None:
            return form_reply(tried.form, tried.attempt, answer.headers, gate.public_url, permit.exchange.request_id)
        return answer


@asynccontextmanager
async def _asked(plane: Plane, tried: Tried, permit: Permit) -> AsyncIterator[Answer]:
    """One call without a body; a second one if the first only said that `If-Range` does not hold."""
    call = upstream_call(permit.route, tried.request)
    async with plane.upstream.open(call) as answer:
        again = whole_instead(tried.request, call, answer.status)
        if again is None:
            yield answer
            return
    async with plane.upstream.open(again) as answer:
        yield answer
