"""What the tests of resumable uploads share: the protocol as a client speaks it."""

from __future__ import annotations

import hashlib
import random
import zlib
from base64 import b64encode

from gateway.core.request import Action
from gateway.core.route import Capability
from tests.data.harness import Rig
from tests.data.parts_store import PartsStore
from tests.data.raw_client import Got
from tests.waiting import until

__all__ = [
    "BARE",
    "BODY",
    "PART",
    "WRITE",
    "checksum",
    "create",
    "created",
    "later",
    "metadata",
    "offset",
    "patch",
    "patching",
    "store_of",
    "until_moved",
]

WRITE = frozenset({Action.WRITE})
PART = 1000
"""Bytes of a part in these tests."""
BARE = frozenset({Capability.BATCH_DELETE})
"""A store that can do next to nothing."""
BODY = random.Random(7).randbytes(4321)


def store_of(rig: Rig) -> PartsStore:
    assert isinstance(rig.store, PartsStore)
    return rig.store


def checksum(algorithm: str, body: bytes) -> str:
    """An `Upload-Checksum`."""
    raw = zlib.crc32(body).to_bytes(4, "big") if algorithm == "crc32" else hashlib.new(algorithm, body).digest()
    return f"{algorithm} {b64encode(raw).decode()}"


def metadata(**pairs: str) -> str:
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in pairs.items())


async def create(rig: Rig, path: str, length: int | None, body: bytes = b"", **headers: str) -> Got:
    told = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    if body:
        told["Content-Type"] = "application/offset+octet-stream"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await rig.ask("POST", path, {"Tus-Resumable": "1.0.0", **told, **named}, body)


async def created(rig: Rig, token: str, length: int | None, **headers: str) -> str:
    got = await create(rig, f"/s/{token}", length, **headers)
    assert 201 == got.status, got.body
    return got.header("location") or ""


def patching(offset: int, **headers: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        **named,
    }


async def patch(rig: Rig, address: str, offset: int, body: bytes, **headers: str) -> Got:
    named = {"Content-Length": str(len(body))} | patching(offset, **headers)
    if "Transfer-Encoding" in named:
        del named["Content-Length"]
    return await rig.ask("PATCH", address, named, body)


async def later(rig: Rig, seconds: float) -> None:
    """Some time passes, in which nobody was revoked."""
    rig.clock.tick(seconds)
    await rig.plane.follower.catch_up()


async def offset(rig: Rig, address: str) -> int:
    got = await rig.ask("HEAD", address, {"Tus-Resumable": "1.0.0"})
    assert 200 == got.status
    return int(got.header("upload-offset") or -1)


async def until_moved(rig: Rig, size: int | None = None) -> None:
    """Wait until a running request has moved exactly `size` bytes, or any at all."""
    await until(lambda: any(permit.moved and size in {None, permit.moved} for permit in rig.plane.transfers))
