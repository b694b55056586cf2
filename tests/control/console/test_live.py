"""What an open page hears, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from gateway.control.console import live
from gateway.control.console.live import Streams
from gateway.core.reasons import Refused
from tests.control.console.seat import Seat
from tests.control.desk import APP


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_EVERY", 0.05)


async def listen(seat: Seat, page: str = "transfers") -> aiohttp.ClientResponse:
    headers = {"Cookie": f"gateway={seat.cookies['gateway']}"}
    return await seat.desk.session.get(f"{seat.root}live?page={page}", headers=headers)


async def event(answer: aiohttp.ClientResponse) -> str:
    lines = []
    while line := (await answer.content.readline()).decode():
        if line == "\n" and lines:
            return "".join(lines)
        if line.startswith("data: "):
            lines.append(line.removeprefix("data: "))
    return ""


@pytest.mark.usefixtures("quick")
async def test_a_page_hears_what_changes(seat: Seat) -> None:
    """The same part as the page has, again and again, never kept by a cache."""
    await seat.sign_in()
    for page, text in (("transfers", "Nothing moves."), ("home", "Requests")):
        answer = await listen(seat, page)
        assert ("text/event-stream", "no-store") == (answer.content_type, answer.headers["Cache-Control"])
        assert text in await event(answer)
        assert text in await event(answer)
        answer.close()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_of_a_page_is_no_field_of_an_event(end: str) -> None:
    """Whichever end of a line stands in a text that is shown (HTML, 9.2.5: each of the three ends a field)."""
    assert b"data: <td>a\ndata: event: gone</td>\n\n" == live._event(f"<td>a{end}event: gone</td>")


@pytest.mark.usefixtures("quick")
async def test_it_ends_with_the_session(seat: Seat) -> None:
    """Cleanly; and an open page keeps no session alive."""
    await seat.sign_in()
    answer = await listen(seat)
    assert await event(answer)
    seat.desk.clock.now += 1000
    for _ in range(3):
        assert await event(answer)
    seat.desk.clock.now += 800
    async with asyncio.timeout(5):
        while await event(answer):
            pass
    assert 303 == (await seat.ask("GET", "links")).status


@pytest.mark.usefixtures("quick")
async def test_it_ends_with_the_listener(seat: Seat) -> None:
    """A shutdown waits for no page."""
    await seat.sign_in()
    answer = await listen(seat)
    assert await event(answer)
    seat.desk.plane.end_waits()
    async with asyncio.timeout(5):
        while await event(answer):
            pass


async def test_nobody_holds_too_many() -> None:
    """Five of one, a hundred in all; one that ends makes room."""
    streams, held = Streams(), []
    for holder in range(20):
        for _ in range(5):
            held.append(streams.hold(str(holder)))
            held[-1].__enter__()
        with pytest.raises(Refused), streams.hold(str(holder)):
            pass
    with pytest.raises(Refused), streams.hold("another"):
        pass
    held[0].__exit__(None, None, None)
    with streams.hold("another"):
        pass


@pytest.mark.usefixtures("quick")
async def test_the_sixth_page_is_told_to_wait(seat: Seat) -> None:
    """Its reload still works."""
    await seat.sign_in(APP)
    answers: list[Any] = [await listen(seat) for _ in range(6)]
    assert [200] * 5 + [429] == [answer.status for answer in answers]
    for answer in answers:
        answer.close()
    assert 200 == (await seat.get("transfers")).status


async def test_only_pages_that_change_are_followed(seat: Seat) -> None:
    """And only by whoever may see them."""
    await seat.sign_in(APP)
    assert 404 == (await seat.ask("GET", "live?page=links")).status
    assert 403 == (await seat.ask("GET", "live?page=home")).status
    seat.cookies = {}
    assert 303 == (await seat.ask("GET", "live?page=transfers")).status
