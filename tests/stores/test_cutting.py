"""The relay that tests cut: what it leaves behind when the test around it fails."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.stores.cutting import wire_to


@pytest.mark.parametrize("fault", ["none", "cut", "deafen"])
async def test_a_failing_test_leaves_nothing_open(fault: str) -> None:
    """No listener, no connection and no task, on whatever state of the wire the test failed."""
    reached = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()
        writer.close()

    async def fail_behind(url: str) -> str:
        async with wire_to(url) as wire:
            place = urlsplit(wire.url)
            _, writer = await asyncio.open_connection(place.hostname, place.port)
            await reached.wait()
            writer.write(b"on its way")
            getattr(wire, fault, str)()
            raise AssertionError(wire.url)

    async with asyncio.timeout(5), await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(AssertionError) as failed:
            await fail_behind(f"http://{host}:{port}")
        left = [task for task in asyncio.all_tasks() if "Wire" in task.get_coro().__qualname__]  # type: ignore[union-attr]
        place = urlsplit(str(failed.value))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(place.hostname, place.port)
        assert [] == left
