"""An acknowledged revocation survives a power cut (promise 3); the long run is its own command."""

from __future__ import annotations

from tests.faults.cut_sqlite import lost_after_cuts


def test_thirty_power_cuts_lose_nothing() -> None:
    """With unsynced sectors kept or dropped at random, every acknowledged revocation is still there."""
    checked, lost = lost_after_cuts(30, seed=1, revocations=60)
    assert checked > 1000
    assert lost == 0
