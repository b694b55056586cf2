"""Work of many small steps gives way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Self

import pytest

from gateway.core.reasons import UpstreamFailed
from gateway.data import turns
from gateway.data.turns import feed_in_turns, in_turns, store_document
from gateway.wire.s3.xml import Node, Reader


class _Others:
    """Whoever else is served by the same loop: `turns` is how often they came."""

    def __init__(self) -> None:
        self.turns = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a millisecond whenever somebody looks."""
    ticks = count()
    monkeypatch.setattr(turns, "monotonic", lambda: next(ticks) / 1000)


@pytest.mark.usefixtures("hours")
async def test_everybody_else_comes_in_between() -> None:
    """Every few milliseconds, and not after each item: a turn costs something too."""
    async with _Others() as others:
        assert list(range(1000)) == [item async for item in in_turns(range(1000))]
        assert 100 < others.turns < 300


async def test_quick_work_is_done_in_one_turn() -> None:
    """Whoever has few items keeps nobody waiting."""
    async with _Others() as others:
        assert [1, 2, 3] == [item async for item in in_turns([1, 2, 3])]
        assert 0 == others.turns


@pytest.mark.usefixtures("hours")
async def test_a_document_is_read_in_turns() -> None:
    """A large one, from a caller or a store."""
    body = b"<L>" + b"<K>k</K>" * 30_000 + b"</L>"
    async with _Others() as others:
        reader = Reader()
        await feed_in_turns(reader, body)
        assert 30_000 == len(reader.finish().children)
        assert others.turns > 2
        found = await store_document(_Body(body))
        assert isinstance(found, Node)
        assert others.turns > 4


@pytest.mark.usefixtures("hours")
async def test_without_turns_nobody_would_come() -> None:
    """The control: the same work in one go."""
    async with _Others() as others:
        reader = Reader()
        reader.feed(b"<L>" + b"<K>k</K>" * 30_000 + b"</L>")
        reader.finish()
        assert 0 == others.turns


async def test_a_small_document_is_left_as_it_is() -> None:
    """Whoever understands it reads it at once; it need not even be XML."""
    assert b"OK" == await store_document(_Body(b"OK"))


async def test_a_large_document_that_is_none_is_the_stores_failure() -> None:
    """Whatever was asked."""
    with pytest.raises(UpstreamFailed):
        await store_document(_Body(b"<L>" * 100_000))


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content

    async def read(self, limit: int) -> bytes:
        return self._content[:limit]
