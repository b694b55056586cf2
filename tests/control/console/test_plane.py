"""The way of a request for a page, and what becomes of what fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.console.table import PAGES
from gateway.core.reasons import DependencyDown
from tests.control.console.seat import Seat
from tests.control.desk import APP, CONSOLE, serving


async def test_the_console_is_below_its_own_slash(seat: Seat) -> None:
    """`/ui` leads there, wherever a proxy has put it."""
    page = await seat.ask("GET", "../ui")
    assert (308, "ui/") == (page.status, page.headers["Location"])


async def test_a_page_that_is_none_is_told_to_who_is_signed_in(seat: Seat) -> None:
    """Nobody else learns which there are; a method that is none is no page either."""
    assert 303 == (await seat.ask("GET", "nothing")).status
    await seat.sign_in()
    for path in ("nothing", "links/a/b/c", "sign-in/x"):
        assert 404 == (await seat.ask("GET", path)).status
    assert 405 == (await seat.ask("DELETE", "links")).status
    assert 200 == (await seat.ask("HEAD", "links")).status


async def test_what_breaks_is_a_page_without_its_inside(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is down, and a fault of ours."""
    await seat.sign_in()

    async def down(*_: object, **__: object) -> None:
        raise DependencyDown("grants", "secret inside")

    monkeypatch.setattr(type(seat.desk.state.grants), "page", down)
    page = await seat.get("links")
    assert (503, False) == (page.status, "secret inside" in page.text)
    assert "1" == page.headers["Retry-After"]
    monkeypatch.setattr(type(seat.desk.state.grants), "page", lambda *_, **__: 1 / 0)
    page = await seat.get("links")
    assert (500, False) == (page.status, "division" in page.text)


async def test_pages_work_behind_a_prefix() -> None:
    """With the prefix left in the path by the proxy, or taken out."""
    rules = replace(CONSOLE, public_url="http://127.0.0.1/gw")
    async with serving(console=lambda: rules) as desk:
        for base in (desk.url + "/gw", desk.url):
            seat = Seat(desk, base=base)
            assert 200 == (await seat.get("sign-in")).status
            page = await seat.post("sign-in", {"token": APP}, headers={"Origin": "http://127.0.0.1"})
            assert (303, "./") == (page.status, page.headers["Location"])
            assert 200 == (await seat.get("links")).status
        async with desk.session.get(desk.url + "/other/ui/") as answer:
            assert 404 == answer.status


async def test_a_refusal_is_told_in_the_visitors_words(seat: Seat) -> None:
    """Why, what one can do next, and the request's id for whoever is asked; never JSON, and never what is inside."""
    await seat.sign_in()
    english = await seat.get("links/l_never")
    german = await seat.get("links/l_never", headers={"Accept-Language": "de"})
    assert (404, 404) == (english.status, german.status)
    assert "Look for it in the list." in english.text
    assert "Suchen Sie es in der Liste." in german.text
    assert english.headers["X-Request-Id"] in english.text
    assert "{" not in english.text.partition("</style>")[2]


@pytest.mark.parametrize("page", [page for page in PAGES if not page.open], ids=lambda page: page.method + page.path)
async def test_every_page_asks_who_is_there(page: object, seat: Seat) -> None:
    """Whoever is not known is led to the sign-in, and a form of theirs does nothing."""
    path = page.path.replace("{id}", "l_1").replace("{act}", "revoke").replace("{name}", "lab")  # type: ignore[attr-defined]
    await seat.get("sign-in")
    method = page.method  # type: ignore[attr-defined]
    answer = await (seat.ask("GET", path[1:]) if method == "GET" else seat.post(path[1:], {"id": "l_1"}))
    assert (303 if method == "GET" else 403) == answer.status
    assert [] == seat.desk.audited()
