"""Large pieces of resumable uploads, on both ways that their bytes may take, and on both event loops."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.data.tus import append as room
from gateway.data.tus.append import Arriving
from gateway.wire.links.tus_state import HEAD_BYTES
from tests.backends.fault_server import Peer, reply
from tests.data.harness import Rig, request
from tests.data.real_store import before
from tests.data.uploading import WRITE, created, offset, patch, patching, until_moved
from tests.splice.conftest import Spliced, plain_only

_MIB = 1024**2
BODY = os.urandom(20 * _MIB)
_RANGE = re.compile(r"\r\nrange: bytes=(\d+)-(\d+)\r\n")


@dataclass
class Kept:
    """A store on sockets that keeps objects, and has one upload in parts at a time."""

    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)

    async def __call__(self, peer: Peer) -> None:
        while True:
            head, body = await peer.request()
            method, target, _ = head.split(" ", 2)
            place = urlsplit(target)
            query = {name: values[0] for name, values in parse_qs(place.query, keep_blank_values=True).items()}
            await peer.send(self._answer(method, place.path, query, head, body))

    def _answer(self, method: str, key: str, query: dict[str, str], head: str, body: bytes) -> bytes:
        if "partNumber" in query:
            self.parts[int(query["partNumber"])] = body
            return reply(extra='etag: "p"\r\n')
        if "uploads" in query:
            return reply(b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        if "uploadId" in query and method == "POST":
            self.objects[key] = b"".join(self.parts[number] for number in sorted(self.parts))
            return reply(b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>')
        if "uploadId" in query:
            told = "".join(
                f"<Part><PartNumber>{number}</PartNumber><Size>{len(part)}</Size><ETag>p</ETag></Part>"
                for number, part in sorted(self.parts.items())
            )
            return reply(f"<ListPartsResult>{told}</ListPartsResult>".encode())
        if "prefix" in query:
            return reply(b"<ListBucketResult></ListBucketResult>")
        if method == "PUT":
            self.objects[key] = body
            return reply(extra='etag: "e"\r\n')
        found = self.objects.get(key)
        if found is None:
            return reply(status="404 Not Found")
        ranged = _RANGE.search(head)
        if ranged is None:
            return reply(b"" if method == "HEAD" else found)
        first, last = int(ranged[1]), min(int(ranged[2]), len(found) - 1)
        extra = f"content-range: bytes {first}-{last}/{len(found)}\r\n"
        return reply(found[first : last + 1], "206 Partial Content", extra)

    @property
    def made(self) -> bytes | None:
        """The one object that is no record."""
        return next((body for key, body in self.objects.items() if ".gateway-uploads" not in key), None)


@asynccontextmanager
async def upload(length: int = len(BODY), **options: Any) -> AsyncIterator[tuple[Rig, Kept, str]]:
    store = Kept()
    async with before(store, **options) as (rig, _):
        yield rig, store, await created(rig, await rig.link(actions=WRITE), length)


@pytest.mark.parametrize("piece", [len(BODY), 9 * _MIB, 8 * _MIB, 3 * _MIB + 1])
async def test_an_upload_in_large_pieces_is_the_file(way: str, piece: int) -> None:
    """Wherever pieces and parts end, and whatever part of the tail is moved from the store to the store."""
    async with upload() as (rig, store, address):
        for start in range(0, len(BODY), piece):
            assert start == await offset(rig, address)
            assert 204 == (await patch(rig, address, start, BODY[start : start + piece])).status
        assert store.made == BODY


@pytest.mark.parametrize("at", [_MIB, 5 * _MIB + 1])
async def test_what_came_of_a_large_piece_is_kept(way: str, at: int) -> None:
    """A client that breaks off goes on where it stopped, and what had moved already is no loss."""
    async with upload() as (rig, store, address):
        assert 204 == (await patch(rig, address, 0, BODY[:_MIB])).status
        async with rig.client() as client:
            head = request("PATCH", address, patching(_MIB) | {"Content-Length": str(len(BODY) - _MIB)})
            await client.send(head + BODY[_MIB : _MIB + at])
            await until_moved(rig, at)
        await rig.settled()
        assert _MIB + at == await offset(rig, address)
        assert 204 == (await patch(rig, address, _MIB + at, BODY[_MIB + at :])).status
        assert store.made == BODY


@plain_only
async def test_control_of_what_is_kept(monkeypatch: pytest.MonkeyPatch, spliced: Spliced) -> None:
    """Without the look at what moves, the offset falls back to what was acknowledged."""
    note = Arriving._note
    monkeypatch.setattr(
        room.Arriving, "_note", lambda self, chunk: note(self, chunk) if isinstance(chunk, bytes) else None
    )
    async with upload() as (rig, _, address):
        async with rig.client() as client:
            head = request("PATCH", address, patching(0) | {"Content-Length": str(len(BODY))})
            await client.send(head + BODY[: 3 * _MIB])
            await until_moved(rig, 3 * _MIB)
        await rig.settled()
        assert 3 * _MIB > await offset(rig, address)
    assert spliced.count


async def test_memory_for_what_is_kept_is_used_again(way: str) -> None:
    """Piece after piece has the same buffer, and all room is given back."""
    async with upload() as (rig, _, address):
        room_before = rig.plane.body_memory.room
        assert 204 == (await patch(rig, address, 0, BODY[: 8 * _MIB])).status
        spare = rig.plane.body_memory._spare
        assert 204 == (await patch(rig, address, 8 * _MIB, BODY[8 * _MIB : 16 * _MIB])).status
        assert (room_before, True) == (rig.plane.body_memory.room, spare is rig.plane.body_memory._spare)
        assert spare is not None


async def test_a_record_without_a_tail_is_as_long_as_its_head(way: str) -> None:
    """What has become a part is in no tail."""
    async with upload() as (rig, store, address):
        assert 204 == (await patch(rig, address, 0, BODY[: 8 * _MIB])).status
        assert [HEAD_BYTES] == [len(body) for key, body in store.objects.items() if ".gateway-uploads" in key]
