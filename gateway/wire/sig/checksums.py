"""Owns the checks of a body against the digests its sender declared, in headers or trailers.

Refuses to own framing (`gateway.wire.sig.aws_chunked`) and any digest that was not declared.

Law: a digest that was declared is checked, a malformed one is refused before a byte is read, and nothing else is
computed. CRC-32C and CRC-64/NVME have a table-driven fallback here; an application with a faster one registers it.
The xxHash family has none: it is refused unless an application registers it.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import struct
import zlib
from array import array
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, Protocol

from gateway.core.reasons import Reason, Refused

Crc = Callable[[bytes | memoryview, int], int]
"""A running CRC: the next bytes and the value so far (0 at first) to the new value."""

CHECKSUM_SIZES: Final[Mapping[str, int]] = {
    "x-amz-checksum-crc32": 4,
    "x-amz-checksum-crc32c": 4,
    "x-amz-checksum-crc64nvme": 8,
    "x-amz-checksum-md5": 16,
    "x-amz-checksum-sha1": 20,
    "x-amz-checksum-sha256": 32,
    "x-amz-checksum-sha512": 64,
    "x-amz-checksum-xxhash128": 16,
    "x-amz-checksum-xxhash3": 8,
    "x-amz-checksum-xxhash64": 8,
}
"""The checksum headers and trailers of S3, with the digest's size in bytes."""

_DECLARING: Final = frozenset({"content-md5", *CHECKSUM_SIZES})
_HEX_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)


@lru_cache(maxsize=2)
def _tables(polynomial: int, words: int) -> list[array[int]]:
    """Tables over 16 bits, for as many of them as one step takes; reflected polynomial, built on first use."""
    bytewise = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ polynomial if value & 1 else value >> 1
        bytewise.append(value)
    first = [0] * 65536
    for number in range(65536):
        value = bytewise[number & 0xFF] ^ number >> 8
        first[number] = bytewise[value & 0xFF] ^ value >> 8
    tables = [array("Q", first)]
    while len(tables) < words:
        tables.append(array("Q", [value >> 16 ^ first[value & 0xFFFF] for value in tables[-1]]))
    return tables


def _tail(data: bytes | memoryview, value: int, table: array[int]) -> int:
    """The last few bytes one by one: a byte's entry is the two-byte table's, where its second byte is zero."""
    for byte in data:
        value = table[(value ^ byte) << 8 & 0xFF00] ^ value >> 8
    return value


def crc32c(data: bytes | memoryview, value: int = 0) -> int:
    """CRC-32C (Castagnoli, RFC 3720 appendix B.4), continuing from `value`."""
    low, high = _tables(0x82F63B78, 2)
    value ^= 0xFFFFFFFF
    whole = len(data) & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        value ^= word
        value = high[value & 0xFFFF] ^ low[value >> 16]
    return _tail(data[whole:], value, low) ^ 0xFFFFFFFF


def crc64nvme(data: bytes | memoryview, value: int = 0) -> int:
    """CRC-64/NVME (NVM Express command set, section 5.2.1.3.4), continuing from `value`."""
    one, two, three, four = _tables(0x9A6C9329AC4BC9B5, 4)
    value ^= 0xFFFFFFFFFFFFFFFF
    whole = len(data) & ~7
    for (word,) in struct.iter_unpack("<Q", data[:whole]):
        value ^= word
        value = four[value & 0xFFFF] ^ three[value >> 16 & 0xFFFF] ^ two[value >> 32 & 0xFFFF] ^ one[value >> 48]
    return _tail(data[whole:], value, one) ^ 0xFFFFFFFFFFFFFFFF


_crcs: Final[dict[str, Crc]] = {"crc32": zlib.crc32, "crc32c": crc32c, "crc64nvme": crc64nvme}


_faster: Final[dict[str, Callable[[], Crc]]] = {}


def register_crc(name: Literal["crc32c", "crc64nvme"], load: Callable[[], Crc]) -> None:
    """Use the faster function that `load` brings, from the first body on that needs it."""
    _faster[name] = load


def _crc(name: str) -> Crc:
    """The function of an algorithm. A faster one is tried on the algorithm's check value first.

    Raises:
        ValueError: it computes something else.
    """
    load = _faster.pop(name, None)
    if load is not None:
        crc = load()
        if crc(b"6789", crc(b"12345", 0)) != {"crc32c": 0xE3069283, "crc64nvme": 0xAE8B14860A799888}[name]:
            raise ValueError(f"this is not {name}")
        _crcs[name] = crc
    return _crcs[name]


class Digest(Protocol):
    """A digest in the making, as hashlib has them."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


_XXHASHES: Final[Mapping[str, str]] = {
    "xxhash64": "8cb841db40e6ae83",
    "xxhash3": "72dcb18b67a17dff",
    "xxhash128": "33119477ede5dcd5e9716427681d5860",
}
"""Of `123456789`, in the order of bytes that S3 takes (the canonical one, as programs print it)."""

_xxhashes: Final[dict[str, Callable[[], Digest]]] = {}


def register_xxhash(name: Literal["xxhash64", "xxhash3", "xxhash128"], begin: Callable[[], Digest]) -> None:
    """Check bodies by this algorithm, too; `begin` makes a digest of nothing, with the seed 0."""
    _xxhashes[name] = begin


@lru_cache
def _require_right(name: str, begin: Callable[[], Digest]) -> None:
    """Raises ValueError: it computes something else."""
    digest = begin()
    digest.update(b"123456789")
    if digest.digest().hex() != _XXHASHES[name]:
        raise ValueError(f"this is not {name}")


def _xxhash(name: str) -> Digest:
    begin = _xxhashes.get(name)
    if begin is None:
        raise Refused(Reason.UNSUPPORTED_OPERATION, f"{name} cannot be computed here")
    _require_right(name, begin)
    return begin()


class _CrcDigest:
    """A CRC in the shape of hashlib's objects."""

    __slots__ = ("_crc", "_size", "_value")

    def __init__(self, name: str, size: int) -> None:
        self._crc = _crc(name)
        self._size = size
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = self._crc(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def _digest(name: str) -> Digest:
    """The running digest of an `x-amz-checksum-*` name."""
    algorithm = name.rpartition("-")[2]
    if algorithm in _crcs:
        return _CrcDigest(algorithm, CHECKSUM_SIZES[name])
    if algorithm in _XXHASHES:
        return _xxhash(algorithm)
    return hashlib.new(algorithm, usedforsecurity=False)


def _decoded(name: str, text: str, size: int) -> bytes:
    try:
        # b64decode alone forgives stray bits and missing padding in some versions.
        value = b64decode(text, validate=True) if _BASE64.fullmatch(text) else b""
    except binascii.Error:
        value = b""
    if len(value) != size or binascii.b2a_base64(value, newline=False).decode() != text:
        reason = Reason.INVALID_DIGEST if name == "content-md5" else Reason.BAD_REQUEST
        raise Refused(reason, f"{name} is not the base64 of {size} bytes")
    return value


class BodyChecks:
    """The digests one body has to match. Feed it the plain bytes, then call `finish`.

    `needed` is whether there is any, so that the body has to be fed here.
    """

    __slots__ = ("_expected", "_trailing", "needed")

    def __init__(
        self, expected: Sequence[tuple[str, Digest, bytes, Reason]], trailing: tuple[str, Digest] | None = None
    ) -> None:
        self._expected = expected
        self._trailing = trailing
        self.needed = trailing is not None or len(expected) > 0

    @classmethod
    def from_request(
        cls, headers: Mapping[str, str], payload_hash: str | None, trailer_names: Sequence[str] = ()
    ) -> BodyChecks:
        """What lower-cased `headers`, the verified `x-amz-content-sha256` and the declared trailers ask for.

        `payload_hash` in any other form than 64 hex digits asks for nothing. Completing a multipart upload carries a
        checksum of the object and not of its body: leave that header out for it.

        Raises:
            Refused: INVALID_DIGEST for a Content-MD5 that no body can have, BAD_REQUEST for such a checksum (S3 tells
                the two apart), for two checksums or an unknown trailer, UNSUPPORTED_OPERATION for an algorithm that
                nobody registered.
        """
        expected: list[tuple[str, Digest, bytes, Reason]] = []
        if payload_hash is not None and _HEX_SHA256.fullmatch(payload_hash):
            value = bytes.fromhex(payload_hash)
            expected.append(("x-amz-content-sha256", hashlib.sha256(), value, Reason.BAD_CONTENT_HASH))
        if not trailer_names and headers.keys().isdisjoint(_DECLARING):
            return cls(expected)
        md5 = headers.get("content-md5")
        if md5 is not None:
            value = _decoded("content-md5", md5, 16)
            expected.insert(0, ("content-md5", hashlib.md5(usedforsecurity=False), value, Reason.BAD_DIGEST))
        named = [name for name in CHECKSUM_SIZES if name in headers]
        if len(named) + len(trailer_names) > 1:
            raise Refused(Reason.BAD_REQUEST, "more than one checksum for one body")
        if not CHECKSUM_SIZES.keys() >= set(trailer_names):
            raise Refused(Reason.BAD_REQUEST, "a trailer that is no checksum")
        for name in named:
            value = _decoded(name, headers[name], CHECKSUM_SIZES[name])
            expected.append((name, _digest(name), value, Reason.BAD_DIGEST))
        trailing = [(name, _digest(name)) for name in trailer_names]
        return cls(expected, trailing[0] if trailing else None)

    def update(self, data: bytes | memoryview) -> None:
        """The next plain bytes of the body."""
        for _, digest, _, _ in self._expected:
            digest.update(data)
        if self._trailing is not None:
            self._trailing[1].update(data)

    def finish(self, trailers: Mapping[str, str] | None = None) -> None:
        """Compare everything; `trailers` are the values that came after the body.

        Raises:
            Refused: BAD_DIGEST, BAD_CONTENT_HASH, BAD_REQUEST (a malformed or missing trailer).
        """
        expected = self._expected
        if self._trailing is not None:
            name, digest = self._trailing
            text = (trailers or {}).get(name)
            if text is None:
                raise Refused(Reason.BAD_REQUEST, f"the trailer {name} did not come")
            value = _decoded(name, text, CHECKSUM_SIZES[name])
            expected = [*expected, (name, digest, value, Reason.BAD_DIGEST)]
        for name, digest, value, reason in expected:
            if not hmac.compare_digest(digest.digest(), value):
                raise Refused(reason, f"the body does not match {name}")
