"""The page that takes a command line's code."""

from __future__ import annotations

from tests.control.console.seat import Seat
from tests.control.desk import APP, serving


async def a_code(seat: Seat) -> str:
    made = await seat.desk.ask("POST", "/v1/console/codes", {"url": seat.desk.url})
    assert 201 == made.status
    assert made.json["url"].startswith(f"{seat.desk.url}/ui/enter#")
    return str(made.json["code"])


async def test_a_code_signs_in_after_it_was_asked(seat: Seat) -> None:
    """First the page says as whom, and by whom it was asked for; the button then signs in, and what was shown at the
    command line is neither sent nor needed."""
    code = await a_code(seat)
    assert 200 == (await seat.get("enter")).status
    asked = await seat.post("enter", {"code": code})
    assert (200, True, True) == (asked.status, "admin:ops" in asked.text, "127.0.0.1" in asked.text)
    assert "sign-in" in (await seat.ask("GET", "links")).headers["Location"]
    entered = await seat.post("enter", asked.filled())
    assert (303, "./") == (entered.status, entered.headers["Location"])
    assert "admin:ops" in (await seat.get("sessions")).text


async def test_a_code_is_not_used_again(seat: Seat) -> None:
    """Neither by who had it nor by who saw it."""
    code = await a_code(seat)
    await seat.get("enter")
    assert 303 == (await seat.post("enter", {"code": code, "confirmed": "yes"})).status
    for other in (seat, Seat(seat.desk)):
        await other.get("enter")
        again = await other.post("enter", {"code": code, "confirmed": "yes"})
        assert (403, True) == (again.status, "gateway ui" in again.text)


async def test_a_code_comes_from_a_page_of_ours_alone(seat: Seat) -> None:
    """A form of another site signs nobody in, and takes nothing."""
    code = await a_code(seat)
    await seat.get("enter")
    form = {"code": code, "confirmed": "yes"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert 403 == (await seat.post("enter", form, headers=headers)).status
    assert 403 == (await seat.post("enter", form | {"form_token": "x" * 43})).status
    assert 303 == (await seat.post("enter", form)).status


async def test_wrong_codes_are_throttled(seat: Seat) -> None:
    """As wrong secrets are, whose count they share."""
    await seat.get("enter")
    answers = [(await seat.post("enter", {"code": f"wrong-{number}"})).status for number in range(40)]
    assert {403, 429} == set(answers)
    assert 429 == answers[-1]


async def test_a_session_ends_with_what_was_shown_for_it() -> None:
    """A token that is taken out of the settings is worth nothing here either, although nobody pasted it."""
    from tests.control.desk import CALLERS  # noqa: PLC0415

    apps = dict(CALLERS["apps"])
    async with serving(apps=lambda: apps) as desk:
        seat = Seat(desk)
        desk.token = APP
        code = await a_code(seat)
        await seat.get("enter")
        await seat.post("enter", {"code": code, "confirmed": "yes"})
        assert 200 == (await seat.get("links")).status
        apps.clear()
        assert "sign-in" in (await seat.ask("GET", "links")).headers["Location"]
