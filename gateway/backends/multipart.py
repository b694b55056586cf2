"""Owns uploads too large for one PUT, or of unknown length: parts, completion, and cleaning up after a failure.

Refuses to own which uploads go this way, and checking what is uploaded: a source that raises ends the upload.

Law: completed once, or aborted. Nothing is completed unless every part was taken and the source ended well. With a
known length the parts are streamed and nothing is kept; with an unknown one exactly one part is kept in memory,
because a PUT has to declare its length.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from html import unescape
from typing import Final
from xml.sax.saxutils import escape

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.route import Answer, Upstream, UpstreamCall
from gateway.wire.calls import DEFAULT_TYPE

__all__ = ["MAX_PARTS", "PART_SIZE", "Destination", "Uploaded", "part_size", "upload"]

PART_SIZE: Final = 8 * 1024**2
"""Bytes. The usual default of S3 clients, above the 5 MiB that every store demands."""

MAX_PARTS: Final = 10_000
"""S3's limit on the parts of one upload."""

_STREAMED_PART: Final = 64 * 1024**2
_MIB: Final = 1024**2
_ANSWER_LIMIT: Final = 1024**2
_UPLOAD_ID: Final = re.compile(rb"<UploadId>([^<]{1,2048})</UploadId>")
_ETAG: Final = re.compile(rb"<ETag>([^<]{1,256})</ETag>")
_CODE: Final = re.compile(rb"<Error>.*?<Code>([A-Za-z0-9.]{1,64})</Code>", re.DOTALL)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Destination:
    """A real place: backend, real bucket and real key."""

    backend: str
    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The finished object. `etag` is as the store writes it, with quotes; `headers` are those of the last answer."""

    etag: str
    size: int
    parts: int
    headers: Mapping[str, str]


def part_size(number: int, *, length: int | None = None, equal: bool = False) -> int:
    """Bytes of part `number` (from 1).

    With a known length all parts are equal and `MAX_PARTS` are enough. With an unknown one they double after every
    thousand, which reaches 7.8 TiB, unless the store wants them `equal`.
    """
    if length is not None:
        least = -(-length // MAX_PARTS)
        return max(_STREAMED_PART, -(-least // _MIB) * _MIB)
    return PART_SIZE if equal else PART_SIZE << (number - 1) // 1000


async def upload(
    upstream: Upstream,
    place: Destination,
    chunks: AsyncIterator[bytes],
    *,
    length: int | None = None,
    headers: Headers = (),
    conditions: Headers = (),
    equal_parts: bool = False,
) -> Uploaded:
    """Upload all of `chunks`; `length` in bytes if known.

    `headers` describe the object. `conditions` (`if-match`, `if-none-match`) go with the step that makes the object
    appear; the caller has asked the profile whether the store heeds them.

    Raises:
        Refused: OBJECT_EXISTS or PRECONDITION_FAILED when a condition does not hold, INCOMPLETE_BODY when the source
            does not have the declared length, TOO_LARGE above `MAX_PARTS`; and whatever the source raises.
        UpstreamFailed: UPSTREAM_REFUSED for any other refusal of the store, and the failures of `Upstream.open`.
    """
    source = _Source(chunks, length)
    first = part_size(1, length=length, equal=equal_parts)
    kept = None if length is not None else await source.keep(first)
    whole = length if length is not None and length <= first else None
    if kept is not None and source.ended:
        whole = kept.size
    work = _Work(upstream, place, conditions)
    if whole is not None:
        return await work.put_whole(source.last(whole) if kept is None else kept.replay(), whole, headers)
    upload_id = await work.create(headers)
    try:
        number = 0
        while kept is not None or source.left:
            number += 1
            if number > MAX_PARTS:
                raise Refused(Reason.TOO_LARGE, f"the upload has more than {MAX_PARTS} parts")
            if kept is not None:
                await work.put_part(upload_id, number, kept.replay(), kept.size)
                kept = None if source.ended else await source.keep(part_size(number + 1, equal=equal_parts))
                kept = kept if kept is None or kept.size else None
            else:
                size = min(part_size(number, length=length), source.left)
                body = source.last(size) if size == source.left else source.slice(size)
                await work.put_part(upload_id, number, body, size)
        return await work.complete(upload_id, source.taken)
    except BaseException:
        await _finish(work.abort(upload_id))
        raise


async def _finish(cleanup: asyncio.Future[None]) -> None:
    """Wait for a cleanup that goes on even if this task is cancelled meanwhile."""
    try:
        await asyncio.shield(cleanup)
    except asyncio.CancelledError:
        await asyncio.wait({cleanup})
        raise


@dataclass(frozen=True, slots=True)
class _Kept:
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

    async def keep(self, size: int) -> _Kept:
        """Up to `size` bytes in memory; sets `ended` if nothing follows them."""
        chunks = tuple([chunk async for chunk in self.slice(size)])
        if not self.ended and not self._rest:
            following = await self._next()
            if following:
                self._rest.append(following)
        return _Kept(chunks, sum(map(len, chunks)))


class _Work:
    """The calls of one upload."""

    def __init__(self, upstream: Upstream, place: Destination, conditions: Headers) -> None:
        self._upstream = upstream
        self._place = place
        self._conditions = conditions
        self._etags: list[str] = []

    def _call(
        self, method: str, query: Headers = (), headers: Headers = (), body_length: int | None = None
    ) -> UpstreamCall:
        place = self._place
        return UpstreamCall(
            backend=place.backend,
            method=method,
            bucket=place.bucket,
            key=place.key,
            query=query,
            headers=headers,
            body_length=body_length,
        )

    async def put_whole(self, body: AsyncIterator[bytes], size: int, headers: Headers) -> Uploaded:
        async with self._upstream.open(self._call("PUT", (), headers + self._conditions, size), body) as answer:
            await self._accepted("the upload", answer)
            return Uploaded(answer.headers.get("etag", ""), size, 1, answer.headers)

    async def create(self, headers: Headers) -> str:
        if not any(name == "content-type" for name, _ in headers):
            headers = (*headers, ("content-type", DEFAULT_TYPE))
        async with self._upstream.open(self._call("POST", (("uploads", ""),), headers, 0), b"") as answer:
            match = _UPLOAD_ID.search(await self._accepted("starting an upload", answer))
        if match is None:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store names no upload id")
        return unescape(match[1].decode("utf-8", "replace"))

    async def put_part(self, upload_id: str, number: int, body: AsyncIterator[bytes], size: int) -> None:
        query = (("partNumber", str(number)), ("uploadId", upload_id))
        async with self._upstream.open(self._call("PUT", query, (), size), body) as answer:
            await self._accepted(f"part {number}", answer)
            etag = answer.headers.get("etag")
        if not etag:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, f"the store gives part {number} no ETag")
        self._etags.append(etag)

    async def complete(self, upload_id: str, size: int) -> Uploaded:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in enumerate(self._etags, 1)
        )
        text = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        headers = (*self._conditions, ("content-type", "application/xml"))
        call = replace(self._call("POST", (("uploadId", upload_id),), headers, len(text)), laborious=True)
        async with self._upstream.open(call, text) as answer:
            found = _ETAG.search(await self._accepted("completing the upload", answer))
        if found is None:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store gives the completed upload no ETag")
        return Uploaded(unescape(found[1].decode("utf-8", "replace")), size, len(self._etags), answer.headers)

    def abort(self, upload_id: str) -> asyncio.Task[None]:
        """A task that throws the parts away; a store that cannot be reached now keeps them until its own clean-up."""

        async def run() -> None:
            try:
                async with self._upstream.open(self._call("DELETE", (("uploadId", upload_id),))) as answer:
                    await answer.body.read(_ANSWER_LIMIT)
            except UpstreamFailed:
                return

        return asyncio.get_running_loop().create_task(run())

    async def _accepted(self, step: str, answer: Answer) -> bytes:
        """The body of a success. S3 may answer 200 and report the failure in the body."""
        body = await answer.body.read(_ANSWER_LIMIT)
        error = _CODE.search(body)
        if answer.status < 300 and error is None:
            return body
        code = error[1].decode() if error else ""
        if self._conditions and (answer.status == 412 or code == "PreconditionFailed"):
            exists = any(name == "if-none-match" for name, _ in self._conditions)
            raise Refused(Reason.OBJECT_EXISTS if exists else Reason.PRECONDITION_FAILED, f"{step} found it otherwise")
        raise UpstreamFailed(Reason.UPSTREAM_REFUSED, f"{step} was answered {answer.status} {code}".rstrip())
