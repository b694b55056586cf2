"""The first pages among ten thousand links: how large they are with all that they load, and what they cost."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urljoin

import pytest

from tests.control.console.seat import Seat
from tests.control.desk import serving
from tests.replicas.filled import filled, varied

pytestmark = pytest.mark.slow

COUNT = 10_000
MOST_BYTES = 100 * 1024
MOST_SECONDS = 0.05
"""Of the whole process, the test's own client among it: what else the machine does is not counted."""

TURNS = 9


@asynccontextmanager
async def seated(engine: str, folder: Path, count: int = COUNT) -> AsyncIterator[Seat]:
    """An admin before a desk with so many links."""
    async with filled(engine, count, folder, varied(count)) as state:
        stores = {"grants": state.grants, "leases": state.leases, "feed": state.feed, "ledger": state.ledger}
        async with serving(**stores) as desk:
            seat = Seat(desk)
            await seat.sign_in()
            yield seat


async def size_of(seat: Seat, place: str) -> int:
    """A page, its style sheet in it, and its modules: as they are sent, which is not compressed."""
    page = await seat.get(place)
    assert (200, None) == (page.status, page.headers.get("Content-Encoding"))
    loaded = [
        await seat.ask("GET", urljoin(page.url, name)) for name in re.findall(r'<script[^>]* src="([^"]+)"', page.text)
    ]
    assert {200} == {module.status for module in loaded}
    return sum(len(one.text.encode()) for one in (page, *loaded))


async def seconds_of(seat: Seat, place: str) -> float:
    took = []
    for _ in range(TURNS):
        began = time.process_time()
        await seat.get(place)
        took.append(time.process_time() - began)
    return median(took)


@pytest.mark.parametrize("engine", ["memory", "SQLite"])
async def test_the_first_pages_are_small_and_cheap(engine: str, tmp_path: Path) -> None:
    """Each that somebody sees first is below 100 KiB in all and 50 ms among 10,000 links, and so are filtered lists."""
    async with seated(engine, tmp_path) as seat:
        places = ["", "links", "links?state=active", "links?owner=app:app17", "keys", "approvals"]
        sizes = {place: await size_of(seat, place) for place in places}
        assert 50 == (await seat.get("links")).text.count('type="checkbox"')
        assert {} == {place: size for place, size in sizes.items() if size >= MOST_BYTES}
        times = {place: await seconds_of(seat, place) for place in places}
        assert {} == {place: seconds for place, seconds in times.items() if seconds >= MOST_SECONDS}


async def test_a_list_without_pages_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a thousand in one page is above both bounds."""
    monkeypatch.setattr("gateway.control.console.grants._PAGE", "1000")
    async with seated("memory", tmp_path, 1100) as seat:
        assert await size_of(seat, "links") > MOST_BYTES
        assert await seconds_of(seat, "links") > MOST_SECONDS
