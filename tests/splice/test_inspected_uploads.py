"""Large uploads whose bytes are looked at on their way: framed, signed in chunks, or with a digest."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from hashlib import md5, sha256

import awscrt.checksums
import pytest

from gateway.core.backend import Credentials
from gateway.core.record import Outcome
from gateway.data import body as bodies
from gateway.wire.sig import checksums
from gateway.wire.sig.sigv4 import SigningKeys
from tests.data.harness import Rig, request
from tests.data.real_store import before
from tests.splice.conftest import plain_only
from tests.splice.large import BODY, SIZE, Kept
from tests.waiting import until


@pytest.fixture(autouse=True)
def fast_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a gateway has them from the first body on that needs one."""
    monkeypatch.setitem(checksums._crcs, "crc64nvme", awscrt.checksums.crc64nvme)


def unsigned_chunks(body: bytes, size: int, crc: int) -> tuple[dict[str, str], bytes]:
    """Headers and wire bytes as SDKs send them over TLS."""
    parts = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in in_sizes(body, size)]
    trailer = b64encode(crc.to_bytes(8)).decode()
    wire = b"".join(parts) + f"0\r\nx-amz-checksum-crc64nvme:{trailer}\r\n\r\n".encode()
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-crc64nvme",
        "x-amz-decoded-content-length": str(len(body)),
        "Content-Length": str(len(wire)),
    }
    return headers, wire


def in_sizes(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


LOOKED_AT = {
    "chunks of 1 MiB": lambda body: unsigned_chunks(body, 1024**2, CRC),
    "chunks of 8 KiB": lambda body: unsigned_chunks(body, 8192, CRC),
    "chunks of 500 bytes": lambda body: unsigned_chunks(body, 500, CRC),
    "a digest": lambda body: ({"Content-MD5": MD5, "Content-Length": str(len(body))}, body),
    "a checksum": lambda body: ({"x-amz-checksum-crc64nvme": CRC_TEXT, "Content-Length": str(len(body))}, body),
}
CRC = awscrt.checksums.crc64nvme(BODY)
CRC_TEXT = b64encode(CRC.to_bytes(8)).decode()
MD5 = b64encode(md5(BODY).digest()).decode()


@pytest.mark.parametrize("kind", LOOKED_AT)
async def test_what_is_looked_at_arrives_whole(way: str, kind: str) -> None:
    """The object's own bytes, time after time on the same connections."""
    store = Kept()
    headers, wire = LOOKED_AT[kind](BODY)
    async with before(store) as (rig, seen), rig.client() as client:
        for number in range(1, 3):
            await client.send(request("PUT", "/reports/a", headers) + wire)
            assert (200, BODY) == ((await client.answer()).status, store.body)
            record = (await rig.recorded(number))[-1]
            assert (Outcome.OK, len(wire)) == (record.outcome, record.bytes_in)
    assert 1 == seen.connections


@pytest.mark.parametrize("kind", LOOKED_AT)
async def test_what_is_found_wrong_leaves_no_object(way: str, kind: str) -> None:
    """Though it differs in its last byte only: the store never hears that one."""
    store = Kept()
    headers, wire = LOOKED_AT[kind](BODY[:-1] + bytes([BODY[-1] ^ 1]))
    async with before(store) as (rig, seen), rig.client() as client:
        await client.send(request("PUT", "/reports/a", headers) + wire)
        assert 400 == (await client.answer()).status
        async with asyncio.timeout(5):
            await seen.closed.wait()
    assert ("cut", True) == (store.ended, len(store.body) < SIZE)


@plain_only
async def test_control_of_what_is_looked_at(monkeypatch: pytest.MonkeyPatch, spliced) -> None:
    """Without the byte that is held back, the store would have it all before it is found wrong."""

    def all_of_it(self: bodies._Rest, came: memoryview) -> list[memoryview]:
        self._proof.look(came)
        self.count(len(came))
        return [came]

    monkeypatch.setattr(bodies._Rest, "_look", all_of_it)
    carry = bodies.carry
    monkeypatch.setattr(bodies, "carry", lambda source, sink, most, through: carry(source, sink, most + 1, through))
    store = Kept()
    headers, wire = LOOKED_AT["a digest"](BODY[:-1] + bytes([BODY[-1] ^ 1]))
    async with before(store) as (rig, _), rig.client() as client:
        await client.send(request("PUT", "/reports/a", headers) + wire)
        await until(lambda: len(store.body) == SIZE)
    assert spliced.count


async def test_signed_chunks_are_verified_on_their_way(way: str) -> None:
    """A chunk whose signature is wrong goes no further, and neither does what follows it."""
    store = Kept()
    async with before(store) as (rig, _), rig.client() as client:
        pair, _ = await rig.key()
        for wrong in (False, True):
            headers, wire = signed_chunks(rig, pair, wrong=wrong)
            await client.send(request("PUT", "/reports/a", headers) + wire)
            assert (403 if wrong else 200) == (await client.answer()).status
            assert wrong or store.body == BODY
        assert len(store.body) < SIZE // 2 + 65536


def signed_chunks(rig: Rig, pair: Credentials, *, wrong: bool) -> tuple[dict[str, str], bytes]:
    """Headers and wire bytes of the form that every SDK once sent; a chunk in the middle may be another one."""
    sizes = in_sizes(BODY, 65536)
    length = sum(len(f"{len(piece):x};chunk-signature={'0' * 64}\r\n\r\n") + len(piece) for piece in [*sizes, b""])
    framing = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    given = {"x-amz-decoded-content-length": str(SIZE), "Content-Length": str(length)}
    _, headers = rig.signed(pair, "PUT", "reports/a", headers=given, payload_hash=framing)
    stamp = headers["x-amz-date"]
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    key = SigningKeys().derive(pair.secret_key, stamp[:8], "us-east-1", "s3")
    previous, parts = next(headers[name] for name in headers if name.lower() == "authorization")[-64:], []
    for number, piece in enumerate([*sizes, b""]):
        text = f"{framing[10:]}\n{stamp}\n{scope}\n{previous}\n{sha256().hexdigest()}\n{sha256(piece).hexdigest()}"
        previous = key.sign(text.encode())
        sent_piece = bytes(len(piece)) if wrong and number == len(sizes) // 2 else piece
        parts.append(f"{len(piece):x};chunk-signature={previous}\r\n".encode() + sent_piece + b"\r\n")
    return headers, b"".join(parts)
