"""Changing a running process over HTTP."""

from __future__ import annotations

import pytest

from tests.control.desk import Desk, serving


async def test_a_drain_reaches_the_process_and_the_trail() -> None:
    """The answer says how long it lasts; each act is audited."""
    done: list[tuple[str, bool]] = []

    async def drain(name: str, drained: bool) -> int:
        done.append((name, drained))
        return 1

    async with serving(drain=drain) as desk:
        answer = await desk.ask("PUT", "/v1/backends/archive", {"drained": True})
        assert answer.json == {
            "name": "archive",
            "drained": True,
            "lasts": "until the gateway is reloaded or ends",
            "processes": 1,
            "changed": 1,
        }
        assert (await desk.ask("PUT", "/v1/backends/archive", {"drained": False})).status == 200
        assert (await desk.ask("PUT", "/v1/backends/none", {"drained": True})).status == 404
        assert done == [("archive", True), ("archive", False)]
        assert desk.audited() == ["drain", "resume"]


async def test_a_level_reaches_the_process_and_the_trail() -> None:
    """With the seconds that were meant, the instant when they are over, and how many of the processes took it."""
    done: list[tuple[str, float | None]] = []

    async def log_at(level: str, seconds: float | None) -> int:
        done.append((level, seconds))
        return 3

    async with serving(log_at=log_at, processes=4) as desk:
        answer = await desk.ask("PUT", "/v1/log", {"level": "debug", "for": "15m"})
        assert answer.json == {"level": "debug", "until": "2027-01-15T08:15:00Z", "processes": 4, "changed": 3}
        assert (await desk.ask("PUT", "/v1/log", {"level": "info"})).json["until"] is None
        assert done == [("debug", 900.0), ("info", None)]
        assert desk.audited() == ["log level", "log level"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/backends/archive", {}),
        ("/v1/backends/archive", {"drained": "yes"}),
        ("/v1/log", {"level": "loud"}),
        ("/v1/log", {"level": "debug", "for": 0}),
        ("/v1/log", {"level": "debug", "seconds": 5}),
    ],
)
async def test_wrong_words_change_nothing(desk: Desk, path: str, body: dict[str, object]) -> None:
    """Faults are told, nothing is audited."""
    assert (await desk.ask("PUT", path, body)).status == 422
    assert desk.audited() == []


async def test_only_admins_change_a_process(desk: Desk) -> None:
    """Without a token there is no level and no drain."""
    desk.token = None
    assert (await desk.ask("PUT", "/v1/log", {"level": "debug"})).status == 401
    assert (await desk.ask("PUT", "/v1/backends/archive", {"drained": True})).status == 401


async def test_a_backend_is_examined_as_it_is_in_use(desk: Desk) -> None:
    """Every finding with its outcome, in order; a backend that is none is not tried, and nothing is audited."""
    found = await desk.ask("POST", "/v1/backends/archive/examination")
    assert [
        {"check": "connection", "ok": True, "detail": "answered 200"},
        {"check": "clock", "ok": False, "detail": "<61> s off"},
    ] == found.json["findings"]
    assert 404 == (await desk.ask("POST", "/v1/backends/none/examination")).status
    assert [] == desk.audited()
