"""Owns the book of sealing keys in Redis (`gateway.core.sealing.SealBook`): one hash, of numbers with marks.

Refuses to own connections and the wall for errors (`gateway.stores.redis`), which these functions are called behind;
`synced` executes a pipeline of one command and waits until it is on the disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.core.sealing import UNSEALED

__all__ = ["forget_seal", "note_seal", "seals"]

Synced = Callable[[Any], Awaitable[Any]]


async def seals(client: Any, prefix: str) -> dict[int, str]:
    noted = await client.hgetall(f"{prefix}seals")
    if not noted and await client.exists(f"{prefix}grants"):
        return {UNSEALED: ""}  # written before there was a book
    return {int(number): mark.decode() for number, mark in noted.items()}


async def note_seal(client: Any, prefix: str, number: int, mark: str, synced: Synced) -> str:
    """The mark that stands. The first number of a book also writes down what was true before it."""
    if number != UNSEALED and await seals(client, prefix) == {UNSEALED: ""}:
        await note_seal(client, prefix, UNSEALED, "", synced)
    pipe = client.pipeline(transaction=False)
    pipe.hsetnx(f"{prefix}seals", str(number), mark)
    await synced(pipe)
    stands: bytes = await client.hget(f"{prefix}seals", str(number))
    return stands.decode()


async def forget_seal(client: Any, prefix: str, number: int, synced: Synced) -> None:
    pipe = client.pipeline(transaction=False)
    pipe.hdel(f"{prefix}seals", str(number))
    await synced(pipe)
