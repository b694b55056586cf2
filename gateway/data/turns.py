"""Owns giving way: work of many small steps lets everybody else come first every few milliseconds.

Refuses to own the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import monotonic
from typing import Final, TypeVar

from gateway.core.route import AnswerBody
from gateway.wire.s3.documents import Document, store_reader
from gateway.wire.s3.xml import PIECE, Reader

XML_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of one page of a store's listing: 1,000 names of 1,024 bytes, percent-encoded, with room for the rest."""

_AT_ONCE: Final = 4 * PIECE
"""Bytes of a document that are read in one go."""

_TURN_SECONDS: Final = 0.005

Item = TypeVar("Item")


async def give_way() -> None:
    """Let everybody else come first: between steps that take milliseconds each."""
    await asyncio.sleep(0)


async def in_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, one by one, as long as each turn lasts."""
    ends = monotonic() + _TURN_SECONDS
    for item in items:
        yield item
        if monotonic() >= ends:
            await give_way()
            ends = monotonic() + _TURN_SECONDS


async def feed_in_turns(reader: Reader, data: bytes) -> None:
    """Give a reader of a document all of this.

    Raises whatever it raises.
    """
    async for start in in_turns(range(0, len(data), PIECE)):
        reader.feed(data[start : start + PIECE])


async def store_document(body: AnswerBody) -> Document:
    """A store's document whole. A large one is read already, since that takes its time.

    Raises:
        UpstreamFailed: UPSTREAM_BROKE for one above `XML_LIMIT`, and for a large one that is none.
    """
    found = await body.read(XML_LIMIT)
    if len(found) <= _AT_ONCE:
        return found
    reader = store_reader()
    await feed_in_turns(reader, found)
    return reader.finish()
