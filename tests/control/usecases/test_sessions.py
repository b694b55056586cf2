"""Sessions without HTTP."""

from __future__ import annotations

import pytest

from gateway.control.usecases.sessions import SESSION_LIFE, Sessions
from gateway.core.reasons import DependencyDown
from tests.control.desk import Desk
from tests.control.usecases.test_keys import keys_of


async def test_apps_do_not_share_sessions(desk: Desk) -> None:
    """Each app has its own session."""
    sessions = Sessions(keys_of(desk), desk.clock, lambda grant: False)
    one, two = await sessions.current("one"), await sessions.current("two")
    assert (str(one.grant.owner), str(two.grant.owner)) == ("app:one", "app:two")


async def test_a_session_always_has_half_its_life_left(desk: Desk) -> None:
    """Whenever it is asked for, what is handed out lives for another half hour at least."""
    sessions = Sessions(keys_of(desk), desk.clock, lambda grant: False)
    for _ in range(40):
        desk.clock.now += 307
        key = await sessions.current("one")
        assert (key.grant.expires_at or 0) - desk.clock.now >= SESSION_LIFE / 2


async def test_a_failure_is_not_kept(desk: Desk) -> None:
    """When the store is down nothing is handed out, and the next call tries again."""
    sessions = Sessions(keys_of(desk), desk.clock, lambda grant: False)
    real = desk.state.create

    async def down(*_: object) -> None:
        raise DependencyDown("grants", "down")

    desk.state.create = down  # type: ignore[method-assign,assignment]
    with pytest.raises(DependencyDown):
        await sessions.current("one")
    desk.state.create = real  # type: ignore[method-assign]
    assert (await sessions.current("one")).grant.id


async def test_what_the_view_calls_ended_is_not_handed_out_again(desk: Desk) -> None:
    """A list may end a key that is stored as living; the next call makes one that came later."""
    ended: set[str] = set()
    sessions = Sessions(keys_of(desk), desk.clock, lambda grant: grant.id in ended)
    first = await sessions.current("one")
    assert first.grant.id == (await sessions.current("one")).grant.id
    ended.add(first.grant.id)
    assert first.grant.id != (await sessions.current("one")).grant.id
