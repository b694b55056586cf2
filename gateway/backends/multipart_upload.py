"""Owns uploads too large for one PUT, or of unknown length: parts, completion, and cleaning up after a failure.

Refuses to own which uploads go this way, and checking what is uploaded: a source that raises ends the upload.

Law: completed once, or aborted. Nothing is completed unless every part was taken and the source ended well. With a
known length the parts are streamed and nothing is kept; with an unknown one exactly one part is kept in memory,
because a PUT has to declare its length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from gateway.backends.verdict import ANSWER_LIMIT, FAILED, BufferedBody
from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.route import Answer, Backend, Capability, Upstream, UpstreamCall, ask_etag
from gateway.core.values import dataclass
from gateway.shielded import shield
from gateway.wire.s3.documents import store_fault
from gateway.wire.s3.multipart import (
    MAX_PARTS,
    PART_SIZE,
    CompletedPart,
    Destination,
    Headers,
    abort_call,
    complete_call,
    complete_document,
    create_call,
    part_call,
    part_size,
    read_completed,
    read_initiated,
)

_CONDITIONS: Final = frozenset({"if-match", "if-none-match"})
_STREAMED_PART: Final = 64 * 1024**2
_KEPT_PIECE: Final = 64 * 1024


async def upload(
    upstream: Upstream,
    place: Destination,
    chunks: AsyncIterator[bytes],
    *,
    length: int | None = None,
    headers: Headers = (),
    conditions: Headers = (),
    equal_parts: bool = False,
    at_once: int = _STREAMED_PART,
    confirm: Callable[[], Awaitable[None]] | None = None,
) -> Answer:
    """Upload all of `chunks`; `length` in bytes if known. A request has `at_once` bytes at most, unless 10,000 parts
    of that are too few.

    `confirm` raises when the object may not appear any more: it is asked before each part, and again once the store
    listens for the completion. With the last chunk of a source that goes up at once, the source asks by itself.

    `headers` describe the object. `conditions` (`if-match`, `if-none-match`) go with the step that makes the object
    appear; the caller has asked the profile whether the store heeds them.

    The answer is as to one PUT: the store's to the step that made the object appear, with the object's ETag, or the
    refusal of whichever step it refused, whose status is never a success; then nothing is left of the upload.

    Raises:
        Refused: INCOMPLETE_BODY when the source does not have the declared length, TOO_LARGE above `MAX_PARTS`; and
            whatever the source raises.
        UpstreamFailed: UPSTREAM_BROKE for a document that is none, and the failures of `Upstream.open`.
    """
    source = _Source(chunks, length)
    size_of = partial(_part_size, length=length, equal=equal_parts, at_once=at_once)
    first = size_of(1)
    kept = None if length is not None else await source.keep(first)
    whole = length if length is not None and length <= first else None
    if kept is not None and source.ended:
        whole = kept.size
    calls = _UploadCalls(upstream, place, conditions, confirm)
    if whole is not None:
        return await calls.put_whole(source.last(whole) if kept is None else kept.replay(), whole, headers)
    opened = await calls.create(headers)
    if isinstance(opened, Answer):
        return opened
    try:
        answer = await calls.put_parts(opened, _cut(source, kept, size_of))
        if answer is None:
            answer = await calls.complete(opened)
    except BaseException:
        await shield(calls.abort(opened))
        raise
    if answer.status >= 300:
        await shield(calls.abort(opened))
    return answer


async def upload_call(  # noqa: PLR0917 (the plane's own form: `PartsUpload`)
    upstream: Upstream,
    call: UpstreamCall,
    chunks: AsyncIterator[bytes],
    length: int | None,
    backend: Backend,
    confirm: Callable[[], Awaitable[None]],
) -> Answer:
    """`upload` in place of a PUT that a store would not take: its conditions go where the object appears."""
    return await upload(
        upstream,
        Destination(call.backend, call.bucket, call.key),
        chunks,
        length=length,
        headers=tuple(pair for pair in call.headers if pair[0] not in _CONDITIONS),
        conditions=tuple(pair for pair in call.headers if pair[0] in _CONDITIONS),
        equal_parts=Capability.EQUAL_PARTS in backend.capabilities,
        at_once=backend.single_put_limit,
        confirm=confirm,
    )


async def _cut(
    source: _Source, kept: _BufferedPart | None, size_of: Callable[[int], int]
) -> AsyncIterator[tuple[int, AsyncIterator[bytes], int]]:
    """Number, bytes and size of each part. The bytes of one have to be taken before the next is asked for."""
    number = 0
    while kept is not None or source.left:
        number += 1
        if number > MAX_PARTS:
            raise Refused(Reason.TOO_LARGE, f"the upload has more than {MAX_PARTS} parts")
        if kept is not None:
            yield number, kept.replay(), kept.size
            kept = None if source.ended else await source.keep(size_of(number + 1))
            kept = kept if kept is None or kept.size else None
        else:
            size = min(size_of(number), source.left)
            yield number, source.last(size) if size == source.left else source.slice(size), size


def _part_size(number: int, *, length: int | None, equal: bool, at_once: int) -> int:
    least = min(at_once, PART_SIZE if length is None else _STREAMED_PART)
    return part_size(number, length=length, least=least, equal=equal)


@dataclass(frozen=True, slots=True)
class _BufferedPart:
    """One part in memory."""

    chunks: tuple[bytes, ...]
    size: int

    async def replay(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


class _Source:
    """The caller's chunks, cut at part boundaries."""

    def __init__(self, chunks: AsyncIterator[bytes], length: int | None) -> None:
        self._chunks = chunks
        self._rest: deque[bytes] = deque()
        self.left = length or 0
        self.taken = 0
        self.ended = False

    async def _next(self) -> bytes:
        """The next bytes, b"" at the end."""
        if self._rest:
            return self._rest.popleft()
        async for chunk in self._chunks:
            if chunk:
                return chunk
        self.ended = True
        return b""

    async def slice(self, size: int) -> AsyncIterator[bytes]:
        """Exactly `size` bytes, fewer only if the source ends."""
        while size:
            chunk = await self._next()
            if not chunk:
                return
            if len(chunk) > size:
                self._rest.appendleft(chunk[size:])
                chunk = chunk[:size]
            size -= len(chunk)
            self.left = max(0, self.left - len(chunk))
            self.taken += len(chunk)
            yield chunk

    async def last(self, size: int) -> AsyncIterator[bytes]:
        """As `slice`, and then the source has to end."""
        async for chunk in self.slice(size):
            yield chunk
        if await self._next():
            raise Refused(Reason.INCOMPLETE_BODY, "the body is longer than declared")

    async def keep(self, size: int) -> _BufferedPart:
        """Up to `size` bytes in memory; sets `ended` if nothing follows them."""
        chunks = tuple([chunk async for chunk in _join_small(self.slice(size))])
        if not self.ended and not self._rest:
            following = await self._next()
            if following:
                self._rest.append(following)
        return _BufferedPart(chunks, sum(map(len, chunks)))


async def _join_small(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces: each that is kept takes memory of its own, however small it is."""
    waiting = bytearray()
    async for chunk in chunks:
        if not waiting and len(chunk) >= _KEPT_PIECE:
            yield chunk
            continue
        waiting += chunk
        if len(waiting) >= _KEPT_PIECE:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


class _UploadCalls:
    """The calls of one upload."""

    def __init__(
        self,
        upstream: Upstream,
        place: Destination,
        conditions: Headers,
        confirm: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._upstream = upstream
        self._place = place
        self._conditions = conditions
        self._confirm = confirm
        self._parts: list[CompletedPart] = []

    async def put_whole(self, body: AsyncIterator[bytes], size: int, headers: Headers) -> Answer:
        place = self._place
        call = UpstreamCall(
            backend=place.backend,
            method="PUT",
            bucket=place.bucket,
            key=place.key,
            headers=headers + self._conditions,
            body_length=size,
        )
        async with self._upstream.open(call, body) as answer:
            found, refused = await _read(answer)
            return refused or Answer(answer.status, answer.headers, len(found))

    async def create(self, headers: Headers) -> str | Answer:
        """The store's id of the upload, or its refusal."""
        async with self._upstream.open(create_call(self._place, headers), b"") as answer:
            found, refused = await _read(answer)
            return refused or read_initiated(found)

    async def put_parts(
        self, upload_id: str, parts: AsyncIterator[tuple[int, AsyncIterator[bytes], int]]
    ) -> Answer | None:
        """None if the store has taken every part, else its refusal of one."""
        async for number, body, size in parts:
            if self._confirm is not None:
                await self._confirm()
            async with self._upstream.open(part_call(self._place, upload_id, number, size), body) as answer:
                _, refused = await _read(answer)
                etag = answer.headers.get("etag")
            if refused is not None:
                return refused
            if not etag:
                raise UpstreamFailed(Reason.UPSTREAM_BROKE, f"the store gives part {number} no ETag")
            self._parts.append(CompletedPart(number, etag))
        return None

    async def complete(self, upload_id: str) -> Answer:
        text = complete_document(self._parts)
        call = complete_call(self._place, upload_id, text, self._conditions)
        async with self._upstream.open(call, partial(self._confirm_then_send, text)) as answer:
            found, refused = await _read(answer)
            if refused is not None:
                return refused
        etag = read_completed(found) or await ask_etag(self._upstream, call)
        if not etag:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store gives the completed upload no ETag")
        # What is left out describes the completing document, not the object.
        about = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return Answer(answer.status, {**about, "etag": etag}, 0)

    async def _confirm_then_send(self, text: bytes) -> bytes:
        if self._confirm is not None:
            await self._confirm()
        return text

    async def abort(self, upload_id: str) -> None:
        """Throw the parts away; a store that cannot be reached now keeps them until its own clean-up."""
        with suppress(UpstreamFailed):
            async with self._upstream.open(abort_call(self._place, upload_id)) as answer:
                await answer.body.read(ANSWER_LIMIT)


async def _read(answer: Answer) -> tuple[bytes, Answer | None]:
    """The body, and the refusal that it is. S3 may answer 200 and report the failure in the body."""
    body = await answer.body.read(ANSWER_LIMIT)
    if answer.status < 300 and store_fault(body) is None:
        return body, None
    status = answer.status if answer.status >= 300 else FAILED
    return body, Answer(status, answer.headers, len(body), BufferedBody(body))
