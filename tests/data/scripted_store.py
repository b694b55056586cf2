"""A store in memory behind the `Upstream` interface: honest unless a test scripts its next answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import escape

from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.route import Answer, Backend, Capability, UploadBody, UpstreamCall

__all__ = ["Scripted", "ScriptedStore", "Seen", "xml"]

Piece = bytes | asyncio.Event | BaseException


@dataclass
class Scripted:
    """One answer as a test wants it.

    `pieces` are sent in order: bytes are yielded, an event is waited for, an exception is raised. `length` is what
    the framing promises (None is chunked), by default the bytes in `pieces`. `raises` fails the call itself.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Sequence[Piece] = ()
    length: int | None = -1
    raises: BaseException | None = None
    before_body: bool = False

    def answer(self) -> Answer:
        length = self.length
        if length == -1:
            length = sum(len(piece) for piece in self.pieces if isinstance(piece, bytes))
        return Answer(self.status, self.headers, length, _Body(self.pieces))


def xml(text: str, status: int = 200) -> Scripted:
    return Scripted(status, {"content-type": "application/xml"}, [text.encode()])


class _Body:
    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            elif isinstance(piece, BaseException):
                raise piece
            else:
                yield piece

    async def read(self, limit: int) -> bytes:
        whole = b"".join([chunk async for chunk in self])
        if len(whole) > limit:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "longer than the limit")
        return whole


@dataclass
class Seen:
    """One call as it reached the store. `whole` says that a body of the declared length arrived and ended well."""

    call: UpstreamCall
    body: bytes = b""
    whole: bool = False
    ended: bool = False

    def header(self, name: str) -> str | None:
        return dict(self.call.headers).get(name)


class ScriptedStore:
    """`core.route.Upstream`. `script` takes the next calls in order; what is not scripted is answered honestly."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], tuple[bytes, dict[str, str]]] = {}
        self.seen: list[Seen] = []
        self.open_now = 0
        self.answers = asyncio.Event()
        """Cleared, every call that `waits` gets no answer, once its body was received."""
        self.waits: Callable[[UpstreamCall], bool] = lambda call: True
        self.answers.set()
        self._script: deque[Scripted | Callable[[UpstreamCall], Scripted | None]] = deque()
        self.always: Callable[[UpstreamCall], Scripted | None] = lambda call: None

    def script(self, *answers: Scripted) -> None:
        self._script.extend(answers)

    def hold(self, key: str, body: bytes, bucket: str = "real", **headers: str) -> None:
        """Put an object."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        self.objects[bucket, key] = (body, {"content-type": "application/octet-stream", "etag": etag, **named})

    def stored(self, key: str, bucket: str = "real") -> bytes | None:
        found = self.objects.get((bucket, key))
        return None if found is None else found[0]

    def calls(self, method: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.call.method == method]

    @asynccontextmanager
    async def open(self, call: UpstreamCall, body: UploadBody | None = None) -> AsyncIterator[Answer]:
        seen = Seen(call)
        self.seen.append(seen)
        scripted = self.always(call)
        if scripted is None and self._script:
            scripted = self._script.popleft()
        if scripted is not None and scripted.raises is not None:
            raise scripted.raises
        self.open_now += 1
        try:
            if scripted is None or not scripted.before_body:
                await self._receive(seen, body)
            if self.waits(call):
                await self.answers.wait()
            yield scripted.answer() if scripted is not None else self._honest(seen).answer()
        finally:
            self.open_now -= 1
            seen.ended = True

    async def _receive(self, seen: Seen, body: UploadBody | None) -> None:
        if isinstance(body, bytes):
            seen.body = body
        elif callable(body):
            seen.body = await body()
        elif body is not None:
            async for chunk in body:
                seen.body += chunk if isinstance(chunk, bytes) else b""  # no socket here that a stretch could fill
        seen.whole = body is not None and len(seen.body) == (seen.call.body_length or 0)

    def _honest(self, seen: Seen) -> Scripted:
        call = seen.call
        place = (call.bucket, call.key)
        if call.method == "PUT":
            if ("if-none-match", "*") in call.headers and place in self.objects:
                return xml("<Error><Code>PreconditionFailed</Code></Error>", 412)
            assert seen.whole, "a body of another length than declared"
            self.hold(call.key, seen.body, call.bucket)
            return Scripted(200, {"etag": self.objects[place][1]["etag"]})
        if call.method == "GET" and not call.key:
            return self._listing(call)
        if place not in self.objects:
            missing = xml("<Error><Code>NoSuchKey</Code><Message>secret words</Message></Error>", 404)
            return missing if call.method == "GET" else Scripted(404)
        content, headers = self.objects[place]
        if call.method == "DELETE":
            del self.objects[place]
            return Scripted(204)
        asked = dict(call.headers)
        if asked.get("if-none-match") == headers["etag"]:
            return Scripted(304, {"etag": headers["etag"]})
        if asked.get("if-match", headers["etag"]) != headers["etag"]:
            return xml("<Error><Code>PreconditionFailed</Code></Error>", 412)
        if call.method == "HEAD":
            return Scripted(200, {**headers, "content-length": str(len(content))}, length=None)
        if "range" in asked:
            first, _, last = asked["range"].removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(content) - 1), len(content) - 1)
            shown = {"content-range": f"bytes {start}-{end}/{len(content)}"}
            return Scripted(206, headers | shown, [content[start : end + 1]])
        return Scripted(200, headers, [content[at : at + 65536] for at in range(0, len(content), 65536)])

    def _listing(self, call: UpstreamCall) -> Scripted:
        asked = dict(call.query)
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        after, most = asked.get("continuation-token", ""), int(asked.get("max-keys", "1000"))
        rows, folders = [], []
        for bucket, key in sorted(self.objects):
            below = key.removeprefix(prefix)
            if bucket != call.bucket or not key.startswith(prefix) or key <= after:
                continue
            if delimiter and delimiter in below:
                folders.append(prefix + below.partition(delimiter)[0] + delimiter)
            else:
                rows.append(key)
        cut, rows = rows[most:], rows[:most]
        inner = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-02T03:04:05Z</LastModified>"
            f"<ETag>{escape(self.objects[call.bucket, key][1]['etag'])}</ETag>"
            f"<Size>{len(self.objects[call.bucket, key][0])}</Size></Contents>"
            for key in rows
        )
        inner += "".join(
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in dict.fromkeys(folders)
        )
        inner += f"<IsTruncated>{'true' if cut else 'false'}</IsTruncated>"
        inner += f"<NextContinuationToken>{escape(rows[-1])}</NextContinuationToken>" if cut else ""
        return xml(f"<ListBucketResult><Name>{call.bucket}</Name>{inner}</ListBucketResult>")

    def presign(self, call: UpstreamCall, expires_in: int) -> str:
        query = "&".join(f"{name}={value}" for name, value in call.query)
        return f"https://store.example/{call.bucket}/{call.key}?expires={expires_in}&{query}"

    async def upload_parts(
        self,
        call: UpstreamCall,
        chunks: AsyncIterator[bytes],
        length: int | None,
        backend: Backend,
        confirm: Callable[[], Awaitable[None]],
    ) -> Answer:
        """`data.plane.PartsUpload`: the object appears when the last part was taken, or not at all."""
        seen = Seen(call)
        self.seen.append(seen)
        async for chunk in chunks:
            seen.body += chunk
        await self.answers.wait()
        await confirm()
        seen.whole = True
        heeded = ("if-none-match", "*") in call.headers and Capability.CONDITIONAL_COMPLETE in backend.capabilities
        if heeded and (call.bucket, call.key) in self.objects:
            return xml("<Error><Code>PreconditionFailed</Code></Error>", 412).answer()
        wanted, held = seen.header("if-match"), self.objects.get((call.bucket, call.key))
        if wanted is not None and (held is None or held[1]["etag"] != wanted):
            return xml("<Error><Code>PreconditionFailed</Code></Error>", 412).answer()
        self.hold(call.key, seen.body, call.bucket)
        return Answer(200, {"etag": self.objects[call.bucket, call.key][1]["etag"]}, 0)
