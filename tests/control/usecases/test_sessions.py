"""Sessions without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.control.usecases.sessions import SESSION_LIFE, Sessions
from gateway.core.grant import Grant
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.source import from_entry
from gateway.core.token import hash_secret
from tests.control.desk import Desk

ENTRY = from_entry("https://gw.example", hash_secret("an app's token"))


def _sessions(desk: Desk, ended: Callable[[Grant], bool] = lambda grant: False) -> Sessions:
    return Sessions(desk.state.grants, desk.api.keys, desk.clock, ended)


def _take_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the store answers nothing."""

    async def down(*_: object) -> None:
        raise DependencyDown("grants", "down")

    for name in ("find", "create"):
        monkeypatch.setattr(desk.state.grants, name, down)


async def test_apps_do_not_share_sessions(desk: Desk) -> None:
    """Each app has its own session."""
    sessions = _sessions(desk)
    one, two = await sessions.get_or_issue("one", ENTRY), await sessions.get_or_issue("two", ENTRY)
    assert (str(one.grant.owner), str(two.grant.owner)) == ("app:one", "app:two")


async def test_a_session_always_has_half_its_life_left(desk: Desk) -> None:
    """Whenever it is asked for, what is handed out lives for another half hour at least."""
    sessions = _sessions(desk)
    for _ in range(40):
        desk.clock.now += 307
        key = await sessions.get_or_issue("one", ENTRY)
        assert (key.grant.expires_at or 0) - desk.clock.now >= SESSION_LIFE / 2


async def test_a_failure_is_not_kept(desk: Desk) -> None:
    """When the store is down nothing is handed out, and the next call tries again."""
    sessions = _sessions(desk)
    real = desk.state.grants.create

    async def down(*_: object) -> None:
        raise DependencyDown("grants", "down")

    desk.state.grants.create = down  # type: ignore[method-assign,assignment]
    with pytest.raises(DependencyDown):
        await sessions.get_or_issue("one", ENTRY)
    desk.state.grants.create = real  # type: ignore[method-assign]
    assert (await sessions.get_or_issue("one", ENTRY)).grant.id


async def test_what_the_view_calls_ended_is_not_handed_out_again(desk: Desk) -> None:
    """A list may end a key that is stored as living; the next call makes one that came later."""
    ended: set[str] = set()
    sessions = _sessions(desk, lambda grant: grant.id in ended)
    first = await sessions.get_or_issue("one", ENTRY)
    assert first.grant.id == (await sessions.get_or_issue("one", ENTRY)).grant.id
    ended.add(first.grant.id)
    assert first.grant.id != (await sessions.get_or_issue("one", ENTRY)).grant.id


async def test_the_last_one_is_handed_out_while_nobody_can_be_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it ends and no longer, and never one of which the view says that it ended."""
    ended: set[str] = set()
    sessions = _sessions(desk, lambda grant: grant.id in ended)
    first, other = await sessions.get_or_issue("one", ENTRY), await sessions.get_or_issue("two", ENTRY)
    with monkeypatch.context() as away:
        _take_away(desk, away)
        for _ in range(2):
            desk.clock.now += SESSION_LIFE / 2 - 1
            assert first == await sessions.get_or_issue("one", ENTRY)
        ended.add(other.grant.id)
        with pytest.raises(DependencyDown):
            await sessions.get_or_issue("two", ENTRY)
        desk.clock.now += 2
        with pytest.raises(DependencyDown):
            await sessions.get_or_issue("one", ENTRY)
    assert first.grant.id != (await sessions.get_or_issue("one", ENTRY)).grant.id


async def test_what_is_stored_as_revoked_is_not_kept_for_an_outage(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it was seen to be revoked, a store that fails after that brings it back no more."""
    sessions = _sessions(desk)
    first = await sessions.get_or_issue("one", ENTRY)
    await desk.api.revocations.end(first.grant.owner, first.grant, "leaked")

    async def down(*_: object) -> None:
        raise DependencyDown("grants", "down")

    monkeypatch.setattr(desk.state.grants, "create", down)
    for _ in range(2):
        with pytest.raises(DependencyDown):
            await sessions.get_or_issue("one", ENTRY)


async def test_a_refusal_is_an_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer that makes no keys of the app is no issuer that is away: the old one is not handed out for it."""
    sessions = _sessions(desk)
    await sessions.get_or_issue("one", ENTRY)
    desk.clock.now += SESSION_LIFE / 2

    async def refuse(*_: object) -> None:
        raise Refused(Reason.NOT_ALLOWED, "not this app")

    monkeypatch.setattr(type(sessions.issuer), "issue_session", refuse)
    with pytest.raises(Refused):
        await sessions.get_or_issue("one", ENTRY)


async def test_who_does_not_answer_is_not_waited_for_long(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one is handed out before an SDK gives up, and the next callers do not wait at all."""
    monkeypatch.setattr("gateway.control.usecases.sessions._ANSWER_SECONDS", 0.05)
    sessions = _sessions(desk)
    first = await sessions.get_or_issue("one", ENTRY)
    asked = 0

    async def hang(_: object) -> None:
        nonlocal asked
        asked += 1
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(desk.state.grants, "find", hang)
    async with asyncio.timeout(5):
        assert [first] * 9 == [await sessions.get_or_issue("one", ENTRY) for _ in range(9)]
        assert 1 == asked
        desk.clock.now += 6
        assert first == await sessions.get_or_issue("one", ENTRY)
    assert 2 == asked


async def test_who_shows_another_token_gets_another_session(desk: Desk) -> None:
    """Each ends with the token that it was given for, and neither takes the other's place."""
    sessions, other = _sessions(desk), from_entry("https://gw.example", hash_secret("the next token"))
    first, second = await sessions.get_or_issue("one", ENTRY), await sessions.get_or_issue("one", other)
    assert [ENTRY, other] == [first.grant.source, second.grant.source]
    assert [first, second] == [await sessions.get_or_issue("one", ENTRY), await sessions.get_or_issue("one", other)]
