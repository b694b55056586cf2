"""Owns step 6: which answer an admitted request gets, and from where.

Refuses to own credentials, sockets and XML (`gateway.backends`, `gateway.wire`).

Laws: a write is sent to a store once; a store's refusal is told in our words and our names, never in its own.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType

from gateway.core.request import LinkPlace, Operation
from gateway.core.route import Answer, Delivery
from gateway.data.call import Call
from gateway.data.links.archive import link_archive, wants_archive
from gateway.data.links.listing import link_listing
from gateway.data.links.pages import link_page, link_receipt
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.post_form import form_reply
from gateway.data.redirect import redirected
from gateway.data.s3.documents import DOCUMENTS
from gateway.data.s3.keepalive import KeepAliveReply
from gateway.data.s3.local import LOCAL, local_answer
from gateway.data.s3.put import open_put
from gateway.data.state.transfers import Permit
from gateway.data.store_errors import check_answer
from gateway.data.tus.handler import resumable
from gateway.wire.replies import Reply
from gateway.wire.s3.calls import upstream_call, whole_instead

__all__ = ["OpenAnswer", "Opened"]

Opened = Answer | Reply | KeepAliveReply
_UPLOADS = frozenset({Operation.PUT_OBJECT, Operation.POST_OBJECT, Operation.UPLOAD_PART})


class OpenAnswer:
    """`async with Opening(…) as opened:` is the answer, open for as long as the block runs.

    Raises:
        Refused: what the store or the request's own body makes impossible.
        UpstreamFailed: the store is away or broken.
    """

    __slots__ = ("_call", "_gate", "_permit", "_plane", "_tried")

    def __init__(self, plane: DataPlane, gate: Snapshot, tried: Call, permit: Permit) -> None:
        self._plane = plane
        self._gate = gate
        self._tried = tried
        self._permit = permit
        self._call: AbstractAsyncContextManager[Answer] | None = None

    async def __aenter__(self) -> Opened:
        plane, gate, tried, permit = self._plane, self._gate, self._tried, self._permit
        request = tried.request
        operation = request.operation
        if tried.page is not None or request.step is not None:
            answering = link_page if tried.page is not None else resumable
            return await answering(plane, gate, tried, permit)
        if isinstance(request.place, LinkPlace):
            if operation is Operation.LIST_OBJECTS_V2:
                return await link_listing(plane, tried, permit)
            if wants_archive(request) and operation is Operation.GET_OBJECT:
                return await self._enter(link_archive(plane, gate, tried, permit))
        if _is_redirected(tried, permit):
            return redirected(plane, tried, permit)
        if operation in LOCAL:
            return local_answer(gate, tried, permit.exchange.request_id)
        if operation in DOCUMENTS:
            return await DOCUMENTS[operation](plane, gate, tried, permit)
        if operation in _UPLOADS:
            return await _uploaded(plane, gate, tried, permit)
        try:
            answer = await self._asked()
            return await check_answer(answer, tried, permit) or answer
        except BaseException as failure:
            await self.__aexit__(type(failure), failure, failure.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        call, self._call = self._call, None
        if call is not None:
            await call.__aexit__(kind, error, trace)

    async def _asked(self) -> Answer:
        """One call without a body; a second one if the first only said that `If-Range` does not hold."""
        call = upstream_call(self._permit.route, self._tried.request)
        upstream = self._plane.upstream
        answer = await self._enter(upstream.open(call))
        again = whole_instead(self._tried.request, call, answer.status)
        if again is None:
            return answer
        await self.__aexit__(None, None, None)
        return await self._enter(upstream.open(again))

    async def _enter(self, opened: AbstractAsyncContextManager[Answer]) -> Answer:
        answer = await opened.__aenter__()
        self._call = opened
        return answer


def _is_redirected(tried: Call, permit: Permit) -> bool:
    """Whether the client fetches the bytes by itself: never those of one version, or once only: that is seen here."""
    if tried.request.operation is not Operation.GET_OBJECT or permit.route.delivery is not Delivery.REDIRECT:
        return False
    return permit.grant is None or (permit.grant.etag is None and not permit.grant.once)


async def _uploaded(plane: DataPlane, gate: Snapshot, tried: Call, permit: Permit) -> Opened:
    async with open_put(plane, tried, permit) as answer:
        refused = await check_answer(answer, tried, permit)
        if refused is not None:
            return refused
        if isinstance(tried.request.place, LinkPlace):
            return link_receipt(tried, permit, answer)
        if tried.form is not None:
            return form_reply(tried.form, tried.attempt, answer.headers, gate.public_url, permit.exchange.request_id)
        return answer
