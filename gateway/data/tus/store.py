"""Owns the store's side of a resumable upload: its record with the tail, its parts, and its end.

Refuses to own the record's form (`gateway.wire.links.tus_state`) and what a client may do (`gateway.data.tus.handler`).

Laws: nothing of an upload is kept on this machine, so any replica goes on with it. The record lies in the reserved
folder at the root of the upload's bucket, which no caller can name and no listing shows. An upload that may not
replace an object makes it appear under a condition, where the store has them; else by looking first while the name is
reserved here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.core.loan import Lender, Sink, Stretch
from gateway.core.pattern import RESERVED
from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.request import ObjectRequest, Operation
from gateway.core.route import Answer, Capability, Route, UploadBody, Upstream, UpstreamCall, ask_etag
from gateway.core.units import whole_number
from gateway.data.state.names import Names, require_absent
from gateway.splice.pump import is_worth_it, splice
from gateway.wire.links.tus_state import HEAD_BYTES, UploadState, expiry_of
from gateway.wire.replies import store_refusal
from gateway.wire.s3.calls import copy_source_header, require_own_name, upstream_call
from gateway.wire.s3.documents import read_copy, store_fault
from gateway.wire.s3.listing import read_listing
from gateway.wire.s3.multipart import (
    CompletedPart,
    Destination,
    Part,
    PartsListing,
    abort_call,
    complete_call,
    complete_document,
    part_call,
    parts_call,
    read_completed,
    read_initiated,
    read_parts,
)

_DOCUMENT_LIMIT: Final = 8 * 1024 * 1024
_LOOKED_AT: Final = 100
_SWEPT: Final = 3
_ASIDE: Final = "data-"
"""Before the id, in the name of what a partial upload sets aside: so it is no upload's id itself."""
_GRACE: Final = 3600
"""Seconds after its expiry for which an upload is left alone: a request that had begun may still be running."""


class TusStore:
    """The calls for one upload, along the route that was decided. `upload` is its id."""

    def __init__(self, upstream: Upstream, names: Names, route: Route, request: ObjectRequest, upload: str) -> None:
        self._upstream = upstream
        self._names = names
        self._route = route
        self._request = request
        self._record = f"{route.bucket.prefix}{RESERVED}/{upload}"
        self._capabilities = route.backend.capabilities
        self.upload = upload
        self._etag: str | None = None

    @property
    def equal_parts(self) -> bool:
        return Capability.EQUAL_PARTS in self._capabilities

    def describe(self, content_type: str) -> None:
        """Say what the object is, which is sent when the object is opened or put, in whichever request."""
        self._request = replace(self._request, headers={"content-type": content_type})

    def move(self, route: Route) -> None:
        """Let the object have another name."""
        self._route = route

    def set_aside(self) -> None:
        """Put the bytes of a partial upload beside its record, under a name that no caller can ask for."""
        self._route = self._route.at(f"{RESERVED}/{_ASIDE}{self.upload}")

    @property
    def copies_parts(self) -> bool:
        """Whether the store makes parts of other objects by itself, whatever their sizes."""
        return Capability.COPY_PART in self._capabilities and not self.equal_parts

    # the record and its tail

    async def load(self) -> UploadState | None:
        """The record, None if there is none."""
        ranged = (("range", f"bytes=0-{HEAD_BYTES - 1}"),) if Capability.RANGES in self._capabilities else ()
        head = bytearray()
        async with self._upstream.open(self._record_call("GET", headers=ranged)) as answer:
            if answer.status == 404:
                return None
            await _require_success(answer)
            size = answer.whole_size
            async for chunk in answer.body:
                head += chunk
                if len(head) >= HEAD_BYTES:
                    break
        if size is None:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store does not give the size of an upload's record")
        self._etag = answer.headers.get("etag")
        return UploadState.parse(bytes(head), size)

    async def save(self, state: UploadState, tail: AsyncIterator[bytes | Stretch] | None = None) -> None:
        """Replace the record; `tail` yields exactly the bytes that `state.tail` says.

        Raises:
            Refused: UPLOAD_BUSY when somebody else has replaced it since it was loaded, and the store can tell.
        """
        known = self._etag if Capability.CONDITIONAL_WRITES in self._capabilities else None
        headers = (("if-match", known),) if known is not None else ()
        call = self._record_call("PUT", headers=headers, body_length=HEAD_BYTES + state.tail)
        async with self._upstream.open(call, _join(state.head(), tail)) as answer:
            if answer.status in {409, 412}:
                raise Refused(Reason.UPLOAD_BUSY, "the upload's record was replaced by another request")
            await _require_success(answer)
            self._etag = answer.headers.get("etag")

    async def tail(self, skip: int, count: int) -> AsyncGenerator[bytes | Stretch, None]:
        """`count` bytes of the tail, after the first `skip`; a stretch where nobody needs to see them."""
        if not count:
            return
        first = HEAD_BYTES + skip
        ranged = Capability.RANGES in self._capabilities
        headers = (("range", f"bytes={first}-{first + count - 1}"),) if ranged else ()
        left = count
        async with self._upstream.open(self._record_call("GET", headers=headers)) as answer:
            await _require_success(answer)
            before = 0 if answer.status == 206 else first
            lender = answer.lender
            async for chunk in answer.body:
                piece = chunk[before:][:left]
                before = max(0, before - len(chunk))
                left -= len(piece)
                if piece:
                    yield piece
                if not left:
                    return
                if lender is not None and piece and is_worth_it(left):
                    moved = _Moved(lender, left - 1)
                    yield moved
                    left -= moved.taken
                    lender = None
        raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the tail of an upload is shorter than its record says")

    async def drop(self, *, aside: bool = False) -> None:
        """Remove the record, and first what a partial upload has set `aside`."""
        if aside:
            await self.remove()
        async with self._upstream.open(self._record_call("DELETE")) as answer:
            if answer.status != 404:
                await _require_success(answer)

    # parts

    async def begin(self) -> str:
        """Open a multipart upload; returns the store's id of it."""
        call = self._object_call(Operation.CREATE_MULTIPART_UPLOAD, {"uploads": ""})
        return read_initiated(await self._ask(call, b""))

    async def parts(self, parts_id: str, after: int = 0) -> list[Part] | None:
        """The parts that the store holds, in order, those `after` a number at least; None if it has no such upload."""
        found: list[Part] = []
        marker = str(after) if after else ""
        while True:
            page = await self._parts(parts_call(self._place, parts_id, marker))
            if page is None:
                return None
            found += page.parts
            if not page.next_marker:
                return found
            marker = page.next_marker

    async def part(self, parts_id: str, number: int) -> list[Part] | None:
        """The same of one part alone."""
        page = await self._parts(parts_call(self._place, parts_id, str(number - 1), 1))
        return None if page is None else [part for part in page.parts if part.number == number]

    async def _parts(self, call: UpstreamCall) -> PartsListing | None:
        try:
            return read_parts(await self._ask(call))
        except Refused as refused:
            if refused.reason is Reason.UPLOAD_UNKNOWN:
                return None
            raise

    async def put_part(self, parts_id: str, number: int, body: AsyncIterator[bytes | Stretch], size: int) -> Part:
        async with self._upstream.open(part_call(self._place, parts_id, number, size), body) as answer:
            await _require_success(answer)
            return Part(number, size, answer.headers.get("etag", ""))

    async def copy_part(self, parts_id: str, number: int, other: TusStore, piece: tuple[int, int] | None) -> str:
        """Make a part of what another upload has set aside: all of it, or the bytes from one to another. Its ETag."""
        source = copy_source_header(other._route.bucket.real_bucket, other._route.real_key)
        headers = {} if piece is None else {"x-amz-copy-source-range": f"bytes={piece[0]}-{piece[1]}"}
        request = replace(
            self._request,
            operation=Operation.UPLOAD_PART_COPY,
            params={"partNumber": str(number), "uploadId": parts_id},
            headers=headers,
            step=None,
        )
        call = upstream_call(self._route, request, real_copy_source=source)
        return read_copy(await self._ask(call, b"")).etag

    async def content(self, size: int) -> AsyncGenerator[bytes, None]:
        """All that a finished partial upload has set aside.

        Raises:
            UpstreamFailed: it does not have `size` bytes.
        """
        if not size:
            return
        async with self._upstream.open(self._object_call(Operation.GET_OBJECT, {})) as answer:
            await _require_success(answer)
            async for chunk in answer.body:
                size -= len(chunk)
                yield chunk
        if size:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "a partial upload has another size than its record says")

    async def complete(
        self, parts_id: str, parts: Sequence[Part], standing: Callable[[], Awaitable[None]], *, only_new: bool
    ) -> str:
        """Make the object appear, if that still stands when the store listens; returns its entity tag.

        Raises:
            Refused: OBJECT_EXISTS, and what `standing` raises.
        """
        conditional = Capability.CONDITIONAL_COMPLETE in self._capabilities
        text = complete_document([CompletedPart(part.number, part.etag) for part in parts])
        async with self._guard(only_new=only_new, conditional=conditional) as headers:
            call = complete_call(self._place, parts_id, text, tuple(headers.items()))
            found = await self._ask(call, partial(_after, standing, text))
        return read_completed(found) or await ask_etag(self._upstream, call)

    async def put_whole(self, body: AsyncIterator[bytes | Stretch] | bytes, size: int, *, only_new: bool) -> str:
        """Store a small object at once; returns its entity tag.

        Raises:
            Refused: OBJECT_EXISTS.
        """
        conditional = Capability.CONDITIONAL_WRITES in self._capabilities
        async with self._guard(only_new=only_new, conditional=conditional) as headers:
            request = replace(self._request, headers={**self._request.headers, **headers})
            call = self._object_call(Operation.PUT_OBJECT, {}, size, request)
            async with self._upstream.open(call, body) as answer:
                await _require_success(answer)
                return answer.headers.get("etag", "")

    async def remove(self) -> None:
        """Remove the object; one that is gone already is as good."""
        async with self._upstream.open(self._object_call(Operation.DELETE_OBJECT, {})) as answer:
            if answer.status != 404:
                await _require_success(answer)

    async def etag(self) -> str | None:
        """The entity tag of the object, None if there is none."""
        async with self._upstream.open(self._object_call(Operation.HEAD_OBJECT, {})) as answer:
            return answer.headers.get("etag", "") if answer.status < 300 else None

    async def abort(self, parts_id: str) -> None:
        """Let the store throw the parts away; it may have done so already."""
        with suppress(Refused):
            await self._ask(abort_call(self._place, parts_id))

    async def require_absent(self) -> None:
        """Raises Refused OBJECT_EXISTS if there is an object of the upload's name."""
        await require_absent(self._upstream, self._object_call(Operation.HEAD_OBJECT, {}))

    async def size(self) -> int | None:
        """The size of the object of the upload's name, None if there is none."""
        async with self._upstream.open(self._object_call(Operation.HEAD_OBJECT, {})) as answer:
            return whole_number(answer.headers.get("content-length", "")) if answer.status < 300 else None

    async def sweep(self, now: float) -> None:
        """Throw a few uploads of this bucket away that expired long ago. Ids begin with their first expiry, so those
        come first; what fails now is tried by the next creation."""
        folder = self._record.rpartition("/")[0] + "/"
        query = (("encoding-type", "url"), ("max-keys", str(_LOOKED_AT)), ("prefix", folder))
        call = UpstreamCall(
            backend=self._route.backend.name, method="GET", bucket=self._route.bucket.real_bucket, key="", query=query
        )
        with suppress(Refused, UpstreamFailed):
            async with self._upstream.open(call) as answer:
                await _require_success(answer)
                found = read_listing(await answer.body.read(_DOCUMENT_LIMIT)).found
            old = [name for entry in found if expiry_of(name := entry.key.removeprefix(folder)) + _GRACE < now]
            start = int(now) % max(1, len(old))  # not always the same ones: an upload that goes on outlives its id
            for upload in (old[start:] + old[:start])[:_SWEPT]:
                await self._end_other(upload, now)

    async def _end_other(self, upload: str, now: float) -> None:
        other = TusStore(self._upstream, self._names, self._route, self._request, upload)
        state = await other.load()
        if state is None or state.expires_at + _GRACE >= now:
            return
        placed = TusStore(self._upstream, self._names, self._route.at(state.key), self._request, upload)
        if state.partial:
            placed.set_aside()
        if state.parts_id is not None and not state.done:
            await placed.abort(state.parts_id)
        await placed.drop(aside=state.partial)

    # calls

    def _record_call(
        self, method: str, headers: tuple[tuple[str, str], ...] = (), body_length: int | None = None
    ) -> UpstreamCall:
        return UpstreamCall(
            backend=self._route.backend.name,
            method=method,
            bucket=self._route.bucket.real_bucket,
            key=self._record,
            headers=headers,
            body_length=body_length,
        )

    def _object_call(
        self,
        operation: Operation,
        params: dict[str, str],
        size: int | None = None,
        request: ObjectRequest | None = None,
    ) -> UpstreamCall:
        meant = replace(request or self._request, operation=operation, params=params, step=None)
        return upstream_call(self._route, meant, body_length=size)

    @property
    def _place(self) -> Destination:
        require_own_name(self._route)
        return Destination(self._route.backend.name, self._route.bucket.real_bucket, self._route.real_key)

    async def _ask(self, call: UpstreamCall, body: UploadBody | None = None) -> bytes:
        """The document that a call is answered with.

        Raises:
            Refused: the store's own error, also one that came with status 200.
        """
        async with self._upstream.open(call, body) as answer:
            found = await answer.body.read(_DOCUMENT_LIMIT)
            code = store_fault(found) if found else None
            if answer.status >= 300 or code is not None:
                raise _refusal(answer, code or "")
            return found

    @asynccontextmanager
    async def _guard(self, *, only_new: bool, conditional: bool) -> AsyncIterator[dict[str, str]]:
        """The condition that the object's appearance is sent with, or the name reserved and looked at."""
        async with AsyncExitStack() as stack:
            if only_new and not conditional:
                look = self._object_call(Operation.HEAD_OBJECT, {})
                await stack.enter_async_context(self._names.reserve_absent(self._upstream, look))
            try:
                yield {"if-none-match": "*"} if only_new and conditional else {}
            except Refused as refused:
                if only_new and refused.reason is Reason.PRECONDITION_FAILED:
                    raise Refused(Reason.OBJECT_EXISTS, "the object exists and the link may not overwrite") from None
                raise


class _Moved:
    """The next bytes of a store's answer on their way to a store (`core.loan.Stretch`): `most` of them."""

    def __init__(self, body: Lender, most: int) -> None:
        self._body = body
        self._most = most
        self.taken = 0

    async def pour(self, sink: Sink, most: int) -> int:
        return await splice(self._body, sink, min(most, self._most), self._count)

    def _count(self, size: int) -> None:
        self.taken += size


async def _join(head: bytes, tail: AsyncIterator[bytes | Stretch] | None) -> AsyncIterator[bytes | Stretch]:
    yield head
    if tail is not None:
        async for chunk in tail:
            yield chunk


async def _after(standing: Callable[[], Awaitable[None]], body: bytes) -> bytes:
    await standing()
    return body


async def _require_success(answer: Answer) -> None:
    if answer.status >= 300:
        raise _refusal(answer, store_fault(await answer.body.read(_DOCUMENT_LIMIT)) or "")


def _refusal(answer: Answer, code: str) -> Refused:
    if code == "NoSuchUpload":
        return Refused(Reason.UPLOAD_UNKNOWN, "the store knows no such multipart upload")
    return store_refusal(answer.status, code, answer.headers)
