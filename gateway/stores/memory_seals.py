"""Owns the book of sealing keys in one process's memory.

Refuses to own the keys themselves (`gateway.stores.keyring`).
"""

from __future__ import annotations

from collections.abc import Mapping


class MemorySeals:
    """A `SealBook`."""

    def __init__(self) -> None:
        self._seals: dict[int, str] = {}

    async def seals(self) -> Mapping[int, str]:
        return dict(self._seals)

    async def note_seal(self, number: int, mark: str) -> str:
        return self._seals.setdefault(number, mark)

    async def forget_seal(self, number: int) -> None:
        self._seals.pop(number, None)
