"""Large bodies, the stores that give and take them, and what ends a transfer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from gateway.core.reasons import Reason
from gateway.core.revocation_target import FeedKind
from tests.backends.fault_server import Peer, reply
from tests.data.harness import Rig, request
from tests.data.raw_client import RawClient

SIZE = 3 * 1024 * 1024
BODY = os.urandom(SIZE)
AFTER_A_CUT = 256 * 1024


def moved(rig: Rig) -> int:
    """Bytes of the one transfer that runs."""
    return sum(permit.moved for permit in rig.plane.transfers)


async def whole(peer: Peer) -> None:
    """A store that gives the body to everybody, on the same connection."""
    while True:
        await peer.request()
        await peer.send(reply(BODY))


def in_pieces(*pieces: bytes | Callable[[], Awaitable[object]], length: int = SIZE):
    """A store that gives these, and does in between what it is told to; then it closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode())
        for piece in pieces:
            if isinstance(piece, bytes):
                await peer.send(piece)
            else:
                await piece()

    return script


class Kept:
    """A store's side of uploads: it takes them, as far as it is told to, and answers."""

    def __init__(self, answer: bytes = reply(extra='etag: "v1"\r\n'), most: int = SIZE) -> None:
        self.answer, self.most = answer, most
        self.body = b""
        self.ended = ""
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.head()
            self.body, self.ended = b"", "cut"
            while len(self.body) < self.most:
                await self.go_on.wait()
                piece = await peer.reader.read(65536)
                if not piece:
                    return
                self.body += piece
            self.ended = "whole"
            await peer.send(self.answer)


def putting(size: int = SIZE, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request("PUT", "/reports/a", {"Content-Length": str(size), **named})


async def sent(client: RawClient, data: bytes) -> None:
    """Send it, unless the other side ends it."""
    try:
        await client.send(data)
    except ConnectionError:  # which is told once, to whoever asks first
        client.reset = True


async def cut(rig: Rig) -> None:
    [permit] = rig.plane.transfers
    permit.cut(Reason.REVOKED)


async def revoked(rig: Rig) -> None:
    [permit] = rig.plane.transfers
    assert permit.grant is not None
    await rig.revoke(FeedKind.LINK, permit.grant.id)


async def expired(rig: Rig) -> None:
    rig.plane.transfers.cut_expired(rig.clock.now + 61)
