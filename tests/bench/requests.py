"""Owns the requests that are sent, to the byte: plain, signed in headers, presigned, and framed as SDKs frame a body.

Refuses to own sending them (`tests.bench.load`, `tests.bench.connection`).

`CHUNK` is the chunk of the SDKs for Go and JavaScript (64 KiB); boto3's are larger, and cost less.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
import uuid
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from awscrt import checksums

from gateway.core.backend import Credentials
from gateway.wire.sig.sigv4 import SigningKeys, presign, sign_headers

__all__ = [
    "CHUNK",
    "Message",
    "Upload",
    "framed",
    "framed_upload",
    "plain",
    "plain_upload",
    "presigned",
    "signed",
    "signed_anew",
]

CHUNK = 64 * 1024
_AGENT = ("User-Agent", "bench/1.0")
_KEYS = SigningKeys()
_REGION = "us-east-1"
_FRAMING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_PIECE = 1 << 20
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Message:
    """One request as it stands on the wire; sent to `host` and `port`."""

    host: str
    port: int
    head: bytes
    body: bytes = b""

    @property
    def data(self) -> bytes:
        return self.head + self.body


@dataclass(frozen=True, slots=True)
class Upload:
    """One large upload: the head, a piece that is sent so many times, and what follows the last one."""

    host: str
    port: int
    head: bytes
    piece: bytes
    times: int
    tail: bytes
    size: int


def plain(method: str, url: str, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> Message:
    """A request that nothing is added to."""
    place = urlsplit(url)
    assert place.hostname is not None
    assert place.port is not None
    target = place.path + (f"?{place.query}" if place.query else "")
    fields = [("Host", place.netloc), _AGENT, *headers]
    told = any(name.lower() == "content-length" for name, _ in headers)
    if not told and (body or method in {"PUT", "POST"}):
        fields.append(("Content-Length", str(len(body))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return Message(place.hostname, place.port, f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode(), body)


def signed(
    method: str,
    url: str,
    pair: Credentials,
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
    payload_hash: str = "",
    age: int = 0,
) -> Message:
    """The same, signed by SigV4 in its headers `age` seconds ago; the body's SHA-256 is among them unless another
    `payload_hash` is told."""
    place = urlsplit(url)
    added = sign_headers(
        pair,
        _KEYS,
        method=method,
        host=place.netloc,
        path=place.path,
        query=parse_qsl(place.query, keep_blank_values=True),
        headers=headers,
        region=_REGION,
        now=time.time() - age,
        payload_hash=payload_hash or hashlib.sha256(body).hexdigest(),
    )
    return plain(method, url, body, (*headers, *added))


def signed_anew(
    method: str,
    url: str,
    pair: Credentials,
    count: int,
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
) -> list[Message]:
    """The same so many times, each with an id and a time of its own, as SDKs send it: no two heads are alike."""
    messages = [signed(method, url, pair, body, headers, age=number % _SECONDS) for number in range(count)]
    return [
        replace(message, head=message.head[:-2] + f"amz-sdk-invocation-id: {uuid.uuid4()}\r\n\r\n".encode())
        for message in messages
    ]


def presigned(method: str, url: str, pair: Credentials) -> str:
    """A URL that carries its signature, for an hour."""
    place = urlsplit(url)
    query = presign(
        pair,
        _KEYS,
        method=method,
        host=place.netloc,
        path=place.path,
        region=_REGION,
        now=time.time(),
        expires=3600,
    )
    return f"{url}?{query}"


def framed(url: str, pair: Credentials, body: bytes) -> Message:
    """An upload as SDKs send it: signed, the body in aws-chunked framing, its CRC64NVME in a trailer."""
    whole = b"".join(
        b"%x\r\n%b\r\n" % (len(piece), piece)
        for piece in (body[start : start + CHUNK] for start in range(0, len(body), CHUNK))
    )
    sum_ = base64.b64encode(checksums.crc64nvme(body).to_bytes(8, "big"))
    whole += b"0\r\nx-amz-checksum-crc64nvme:%b\r\n\r\n" % sum_
    return signed("PUT", url, pair, whole, _framed_headers(len(body)), _FRAMING)


def plain_upload(url: str, size: int, pair: Credentials | None = None) -> Upload:
    """Noise of this size, as it is; signed with the body left out of the signature, if there is somebody to sign."""
    length = (("content-length", str(size)),)
    if pair is None:
        message = plain("PUT", url, headers=length)
    else:
        message = signed("PUT", url, pair, headers=length, payload_hash="UNSIGNED-PAYLOAD")
    piece = os.urandom(min(size, _PIECE))
    return Upload(message.host, message.port, message.head, piece, size // len(piece), b"", size)


def framed_upload(url: str, size: int, pair: Credentials) -> Upload:
    """Noise of this size in aws-chunked framing with its CRC64NVME in the trailer, a whole number of chunks."""
    chunk = os.urandom(CHUNK)
    count, sum_ = size // CHUNK, 0
    for _ in range(count):
        sum_ = checksums.crc64nvme(chunk, sum_)
    piece = b"%x\r\n%b\r\n" % (CHUNK, chunk)
    encoded = base64.b64encode(sum_.to_bytes(8, "big"))
    tail = b"0\r\nx-amz-checksum-crc64nvme:%b\r\n\r\n" % encoded
    headers = (
        ("content-length", str(len(piece) * count + len(tail))),
        *_framed_headers(count * CHUNK),
    )
    message = signed("PUT", url, pair, headers=headers, payload_hash=_FRAMING)
    return Upload(message.host, message.port, message.head, piece, count, tail, count * CHUNK)


def _framed_headers(size: int) -> tuple[tuple[str, str], ...]:
    return (
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", str(size)),
        ("x-amz-trailer", "x-amz-checksum-crc64nvme"),
    )
