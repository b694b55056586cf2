"""An acknowledged revocation survives the death of the process (promise 3); the long run is its own command."""

from __future__ import annotations

from pathlib import Path

from tests.faults.kill_sqlite import lost_after_kills


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    """Over ten kills at random moments, every acknowledged revocation is still there."""
    acknowledged, lost = lost_after_kills(tmp_path / "gateway.db", 10, seed=1)
    assert acknowledged > 10
    assert lost == 0
