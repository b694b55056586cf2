"""Limits in a file of their own: shared, bounded, and made anew when they are damaged."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.core.limits import Demand
from gateway.core.reasons import DependencyDown
from gateway.core.units import Rate
from gateway.stores.sqlite.limits import SqliteLimits
from tests.contract.sample import NOW
from tests.stores.sqlite.conftest import children

SLOW = Rate(1, 3600.0, 2)


def test_processes_share_limits_exactly(path: Path) -> None:
    """Four processes that take from one limit at once get exactly its burst."""
    assert sum(children(path, "take", "40", "50")) == 50


async def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    """Counters are no treasure: a file that is no database is replaced, and the limit counts on."""
    path = tmp_path / "limits"
    path.write_bytes(b"no database at all" * 500)
    limits = SqliteLimits(path)
    verdicts = [await limits.take([Demand("a", SLOW)], NOW) for _ in range(3)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, False]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await limits.close()


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Without a folder there are no limits, and the posture decides."""
    limits = SqliteLimits(tmp_path / "nowhere" / "limits")
    with pytest.raises(DependencyDown) as caught:
        await limits.take([Demand("a", SLOW)], NOW)
    assert caught.value.dependency == "limits"
    await limits.close()


async def test_counters_that_ended_leave(tmp_path: Path) -> None:
    """Strangers who came once are forgotten as others come."""
    limits = SqliteLimits(tmp_path / "limits")
    for number in range(200):
        await limits.take([Demand(f"stranger {number}", Rate(1, 1.0, 1))], NOW + number)
    kept = await limits._writer.run("limits", lambda tx: tx.execute("SELECT count(*) FROM limits").fetchone()[0])
    assert kept <= 2
    await limits.close()


async def test_an_unused_store_makes_no_file(tmp_path: Path) -> None:
    """Where nothing is limited, nothing is written."""
    limits = SqliteLimits(tmp_path / "limits")
    await limits.close()
    assert list(tmp_path.iterdir()) == []
