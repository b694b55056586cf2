"""What is old is forgotten: how old, how often, and in spite of a store that is down."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.grant import GrantFilter
from gateway.core.reasons import DependencyDown
from gateway.stores import retention
from gateway.stores.retention import prune_for_ever
from gateway.stores.state import State, open_state
from tests.contract.sample import NOW, FakeClock, link, record

DAY = 86400.0


@pytest.fixture
async def state() -> Any:
    opened = await open_state("memory:", clock=FakeClock())
    yield opened
    await opened.close()


async def run_once(state: State, keep_expired: float | None, monkeypatch: pytest.MonkeyPatch) -> float:
    """How long it pauses after the first time."""
    pauses: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        pauses.put_nowait(seconds)
        await asyncio.Event().wait()

    monkeypatch.setattr(retention.asyncio, "sleep", sleep)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(prune_for_ever(state, lambda: DAY, keep_expired, lambda: NOW))
        paused = await pauses.get()
        task.cancel()
    return paused


@pytest.mark.parametrize(
    ("kept", "left", "pause"),
    [(30 * DAY, 3, 3600.0), (2 * DAY, 2, 3600.0), (60.0, 1, 15.0), (1.0, 1, 1.0), (None, 3, 3600.0)],
)
async def test_what_expired_is_kept_for_its_time(
    state: State, kept: float | None, left: int, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hourly is enough, unless the time is short; records have a time of their own."""
    for age in (None, DAY, 10 * DAY):
        await state.grants.create(link(expires_at=None if age is None else NOW - age))
    await state.ledger.append([record("l_1", NOW - 2 * DAY), record("l_1", NOW)])
    assert pause == await run_once(state, kept, monkeypatch)
    assert left == len((await state.grants.page(GrantFilter(now=NOW), None, 9)).grants)
    assert 1 == len((await state.ledger.records_of("l_1", None, 9)).records)


async def test_a_store_that_is_down_is_asked_again(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """It neither ends the task nor keeps the rest from being told."""

    class Down:
        async def prune(self, before: float) -> int:
            raise DependencyDown("audit", "down")

    assert 3600.0 == await run_once(replace(state, ledger=Down()), DAY, monkeypatch)  # type: ignore[arg-type]
