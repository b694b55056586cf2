"""Owns the book of sealing keys (`gateway.core.sealing.SealBook`) in Redis: one hash, of numbers with marks.

Refuses to own connections (`server`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.stores.redis.server import PREFIX, RedisServer

_SEALS: Final = f"{PREFIX}seals"


class RedisSeals:
    """A `SealBook`."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    async def seals(self) -> Mapping[int, str]:
        with self._server.reach("grants") as client:
            return {int(number): mark.decode() for number, mark in (await client.hgetall(_SEALS)).items()}

    async def note_seal(self, number: int, mark: str) -> str:
        with self._server.reach("grants") as client:
            pipe = client.pipeline(transaction=False)
            pipe.hsetnx(_SEALS, str(number), mark)
            await self._server.sync("grants", pipe)
            noted: bytes = await client.hget(_SEALS, str(number))
        return noted.decode()

    async def forget_seal(self, number: int) -> None:
        with self._server.reach("grants") as client:
            pipe = client.pipeline(transaction=False)
            pipe.hdel(_SEALS, str(number))
            await self._server.sync("grants", pipe)
