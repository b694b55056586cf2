"""The promises of several replicas, measured small; `make replicas` measures them large."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.replicas import figures
from tests.replicas.figures import Report, Scene
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e


@pytest.fixture
async def scene(rclone: RunningStore, tmp_path: Path) -> AsyncIterator[Scene]:
    async with figures.opened(tmp_path, rclone, Report()) as opened:
        yield opened


async def test_replicas_keep_their_promises(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revocations, cuts and what follows them, single uses; then without PostgreSQL, then with a Valkey that hangs."""
    monkeypatch.setattr(figures, "FAULT_SECONDS", 6.0)
    monkeypatch.setattr(figures, "BACK_SECONDS", 2.5)
    await figures.revoke_to_refuse(scene, 10)
    await figures.cut_to_last_byte(scene, 2)
    await figures.left_after_cut(scene, 2)
    await figures.one_use(scene, 2, crowd=80)
    await figures.one_clients_downloads(scene, 4)
    await figures.database_fault(scene, "cut off", scene.wire.cut, scene.wire.heal, reaches=True)
    monkeypatch.setattr(figures, "FAULT_SECONDS", 2.0)
    await figures.counter_fault(scene, "stopped", scene.counters.pause, scene.counters.go_on)
    assert [row for row in scene.report.rows if not row[-1]] == []
    assert len(scene.report.rows) == 10
