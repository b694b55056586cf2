"""Owns where the fast checksums come from: awscrt, which is loaded with the first body that carries one.

Refuses to own what is checked (`gateway.wire.sig.checksums`, which also tries each function before it is believed).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from gateway.wire.sig.checksums import Crc, register_crc


def register_fast_checksums() -> None:
    """Have CRC32C and CRC64NVME computed at memory speed. The library is five megabytes."""

    def loading(name: str) -> Callable[[], Crc]:
        return lambda: cast("Crc", getattr(import_module("awscrt.checksums"), name))

    register_crc("crc32c", loading("crc32c"))
    register_crc("crc64nvme", loading("crc64nvme"))
