"""The whole process in one loop, while a part of it is down or works in part."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import app as room
from gateway.core.reasons import DependencyDown
from gateway.stores.limits import MemoryLimits
from gateway.stores.memory import MemoryFeed, MemoryGrants, MemoryLedger, MemoryTables
from tests.one_process import serving, until_answered


class Fault:
    """Methods of the state that cannot answer while `down`. To be made before the process starts."""

    def __init__(self, patch: pytest.MonkeyPatch, store: type, dependency: str, *names: str) -> None:
        self.down = False
        for name in names:
            patch.setattr(store, name, self._wrapped(dependency, getattr(store, name)))

    def _wrapped(self, dependency: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def perhaps(*arguments: Any, **named: Any) -> Any:
            if self.down:
                raise DependencyDown(dependency, "gone")
            return await method(*arguments, **named)

        return perhaps


@pytest.mark.parametrize(("posture", "status"), [("open", 200), ("closed", 503)])
async def test_limits_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posture: str, status: int) -> None:
    """As the settings declare."""
    fault = Fault(monkeypatch, MemoryLimits, "limits", "take")
    async with serving(tmp_path, f"fail: {{limits: {posture}}}") as running:
        link = await running.link()
        fault.down = True
        assert status == await running.fetch(link)
        assert await running.metric('gateway_state_store_up{store="limits"} 0.0')


async def test_grants_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 for who is not known, while those in the cache go on."""
    fault = Fault(monkeypatch, MemoryGrants, "grants", "find")
    async with serving(tmp_path) as running:
        known, unknown = await running.link(), await running.link()
        assert 200 == await running.fetch(known)
        fault.down = True
        assert (200, 503) == (await running.fetch(known), await running.fetch(unknown))


async def test_the_feed_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds of grace, then 503 for everybody, and readiness fails; it heals by itself."""
    ahead = 0.0
    shifted = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead, time=time.time)
    monkeypatch.setattr(room, "time", shifted)
    fault = Fault(monkeypatch, MemoryFeed, "revocations", "since", "changed")
    async with serving(tmp_path) as running:
        link = await running.link()
        fault.down = True
        assert 200 == await running.fetch(link)
        await until_answered(lambda: running.metric('gateway_state_store_up{store="revocations"} 0.0'), True)
        ahead = 5.1
        assert 503 == await running.fetch(link)
        assert 503 == await running.readiness()
        fault.down = False
        await until_answered(lambda: running.fetch(link), 200)


@pytest.mark.parametrize(("posture", "status"), [("open", 200), ("closed", 503)])
async def test_the_ledger_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posture: str, status: int) -> None:
    """Closed refuses once a record could not be written, readiness says so, and it heals by itself."""
    fault = Fault(monkeypatch, MemoryLedger, "audit", "append")
    async with serving(tmp_path, f"fail: {{audit: {posture}}}") as running:
        link = await running.link()
        fault.down = True
        assert 200 == await running.fetch(link)
        await until_answered(running.readiness, 503)
        assert status == await running.fetch(link)
        fault.down = False
        await until_answered(running.readiness, 200)
        assert 200 == await running.fetch(link)


async def test_a_store_that_works_in_part_is_not_ready_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grants that cannot be written take the gateway out of service until they can; the cause stands in /readyz."""
    monkeypatch.setattr("gateway.stores.monitor.PERIOD_SECONDS", 0.01)
    fault = Fault(monkeypatch, MemoryTables, "grants", "probe")
    async with serving(tmp_path) as running:
        assert 200 == await running.readiness()
        fault.down = True
        await until_answered(running.readiness, 503)
        assert "store of grants: gone" in str((await running.api("GET", "/readyz"))[1])
        fault.down = False
        await until_answered(running.readiness, 200)
