"""Owns where the fast checksums come from: awscrt, which is loaded with the first body that carries one.

Refuses to own what is checked (`gateway.wire.sig.checksums`, which also tries each function before it is believed).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, cast

from gateway.wire.sig.checksums import Crc, Digest, register_crc, register_xxhash


def register_fast_checksums() -> None:
    """Have CRC32C and CRC64NVME computed at memory speed, and the xxHash family at all. The library is five
    megabytes."""

    def loading(name: str) -> Callable[[], Crc]:
        return lambda: cast("Crc", getattr(import_module("awscrt.checksums"), name))

    register_crc("crc32c", loading("crc32c"))
    register_crc("crc64nvme", loading("crc64nvme"))
    register_xxhash("xxhash64", partial(_XxHash, "new_xxhash64"))
    register_xxhash("xxhash3", partial(_XxHash, "new_xxhash3_64"))
    register_xxhash("xxhash128", partial(_XxHash, "new_xxhash3_128"))


class _XxHash(Digest):
    """awscrt's, in the shape of hashlib's objects; it takes no memoryview."""

    __slots__ = ("_state",)

    def __init__(self, begin: str) -> None:
        self._state: Any = getattr(import_module("awscrt.checksums").XXHash, begin)()

    def update(self, data: bytes | memoryview, /) -> None:
        self._state.update(bytes(data))

    def digest(self) -> bytes:
        return cast("bytes", self._state.finalize())
