"""Owns what is attacked: the real data listener before a store that agrees to everything and remembers its effects."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.core.revocation_target import FeedKind
from gateway.core.route import Answer, Backend, UpstreamCall
from gateway.core.token import hash_secret
from gateway.core.units import Rate
from gateway.data.state.guess_limiter import GuessLimiter
from tests.data.harness import Rig, running
from tests.data.scripted_store import Scripted, ScriptedStore, Seen, xml
from tests.fuzz.jobs import HOST
from tests.fuzz.sent import Sent
from tests.fuzz.signers import Pair
from tests.servers import over_tls

__all__ = ["Attacked", "Said", "attacked"]

CONTENT = b"the very bytes of the object"
_HANGING = 0.05


class _Agreeing(ScriptedStore):
    """Says yes to everything. `effects` are the calls it was sent whole: with their last byte, or without a body."""

    def __init__(self) -> None:
        super().__init__()
        self.effects: list[Seen] = []
        self.always = _agree

    async def _receive(self, seen: Seen, body: AsyncIterator[bytes] | bytes | None) -> None:
        await super()._receive(seen, body)
        if body is None or seen.whole:
            self.effects.append(seen)

    async def upload_parts(
        self,
        call: UpstreamCall,
        chunks: AsyncIterator[bytes],
        length: int | None,
        backend: Backend,
        confirm: Callable[[], Awaitable[None]],
    ) -> Answer:
        answer = await super().upload_parts(call, chunks, length, backend, confirm)
        self.effects.append(self.seen[-1])
        self.objects.clear()
        return answer


def _agree(call: UpstreamCall) -> Scripted:
    names = {name for name, _ in call.query}
    match call.method:
        case "PUT" if any(name == "x-amz-copy-source" for name, _ in call.headers):
            return xml(
                '<CopyObjectResult><ETag>"c"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></CopyObjectResult>'
            )
        case "PUT":
            return Scripted(200, {"etag": '"e"'})
        case "POST" if "delete" in names:
            return xml("<DeleteResult></DeleteResult>")
        case "POST" if "uploads" in names:
            return xml("<InitiateMultipartUploadResult><UploadId>up.1</UploadId></InitiateMultipartUploadResult>")
        case "POST":
            return xml('<CompleteMultipartUploadResult><ETag>"m"</ETag></CompleteMultipartUploadResult>')
        case "DELETE":
            return Scripted(204)
        case "GET" if "uploadId" in names:
            return xml("<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>")
        case "GET" if "tagging" in names:
            return xml("<Tagging><TagSet></TagSet></Tagging>")
        case "GET" if not call.key and "versions" in names:
            return xml("<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>")
        case "GET" if not call.key and "uploads" in names:
            return xml("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")
        case "GET" if not call.key:
            return xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    headers = {"content-type": "text/plain", "etag": '"e"'}
    if call.method == "HEAD":
        return Scripted(200, {**headers, "content-length": str(len(CONTENT))}, length=None)
    return Scripted(200, headers, [CONTENT])


class _Patient(GuessLimiter):
    """Guesses without an end: the altered requests are many more than a guesser would get."""

    def count_failure(self, guesser: str, rate: Rate, now: float) -> None: ...


@dataclass
class Said:
    """What came back for one request. `status` 0 is a connection that ended without an answer."""

    status: int
    effects: list[Seen] = field(default_factory=list)
    data: bytes = b""

    @property
    def accepted(self) -> bool:
        """Whether the gateway did anything that it was asked for."""
        return 200 <= self.status < 400 or bool(self.effects)


@dataclass
class Attacked:
    """The gateway under attack. `own` is the key that signs; the others must open nothing."""

    rig: Rig
    store: _Agreeing
    own: Pair
    other: Pair
    session: Pair
    revoked: Pair
    expired: Pair
    link: str

    @property
    def now(self) -> float:
        return self.rig.clock.now

    async def ask(self, sent: Sent, hanging: float = _HANGING) -> Said:
        """Send one request on a connection of its own; a body that never ends is ended after `hanging` seconds."""
        self.store.effects.clear()
        self.store.seen.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.rig.port, ssl=over_tls.client())
        try:
            writer.write(sent.encode())
            try:
                async with asyncio.timeout(hanging):
                    data = await _head(reader)
            except TimeoutError:
                if writer.can_write_eof():
                    writer.write_eof()
                else:  # of TLS both sides end at once
                    writer.close()
                data = await _head(reader)
        except ConnectionError:
            data = b""
        finally:
            writer.transport.abort()
        await self.rig.settled()
        self.rig.records.clear()
        self.rig.details.clear()
        status = int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.") else 0
        return Said(status, list(self.store.effects), data)


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The head of the answer; interim ones are passed over."""
    async with asyncio.timeout(10):
        while True:
            try:
                data = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as broken:
                return broken.partial
            if not data.startswith(b"HTTP/1.1 100"):
                return data


@asynccontextmanager
async def attacked(domains: tuple[str, ...] = (HOST,)) -> AsyncIterator[Attacked]:
    """A gateway whose clock stands at this second, and whose buckets are virtual hosts of `domains`."""
    async with running(domains=domains) as rig:
        store = _Agreeing()
        rig.clock.now = float(int(time.time()))
        rig.plane.upstream = store
        rig.plane.upload_parts = store.upload_parts
        rig.plane.guesses = _Patient()
        rig.store = store
        rig.idle.set()

        async def pair(**fields: object) -> Pair:
            made, _ = await rig.key(**fields)
            return Pair(made.access_key, made.secret_key)

        token = os.urandom(30).hex()
        with_token = await pair(session_hash=hash_secret(token))
        revoked, grant = await rig.key()
        await rig.revoke(FeedKind.KEY, grant.id)
        yield Attacked(
            rig=rig,
            store=store,
            own=await pair(),
            other=await pair(),
            session=Pair(with_token.key, with_token.secret, token),
            revoked=Pair(revoked.access_key, revoked.secret_key),
            expired=await pair(expires_at=rig.clock.now - 1),
            link=await rig.link("a.txt"),
        )
