"""Bandwidth, as arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import Limit
from gateway.data.state.bandwidth import BandwidthShaper
from tests.data.harness import Clock


def test_nothing_limited_waits_for_nothing() -> None:
    """Limits of other kinds do not slow bytes down."""
    shaper = BandwidthShaper(Clock().monotonic)
    limits = (Limit("a", concurrent=1),)
    assert None is shaper.piece(limits)
    assert 0.0 == shaper.pay(limits, 10**12)


def test_a_piece_is_a_quarter_second_of_the_tightest_limit() -> None:
    """So that nobody waits for long at once, and a slow limit still moves."""
    assert 1000 * 1024 // 4 == BandwidthShaper.piece((Limit("a", bandwidth=1000 * 1024), Limit("b", bandwidth=10**9)))
    assert 1024 == BandwidthShaper.piece((Limit("a", bandwidth=10),))


@given(rate=st.integers(1000, 10**8), pieces=st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_the_rate_is_kept(rate: int, pieces: list[int]) -> None:
    """Waiting as told, bytes never run ahead of rate x time by more than the burst and one piece."""
    clock = Clock()
    shaper = BandwidthShaper(clock.monotonic)
    limits, started, moved = (Limit("a", bandwidth=rate),), clock.passed, 0
    for size in pieces:
        moved += size
        clock.tick(shaper.pay(limits, size))
        assert moved <= rate * (clock.passed - started + 0.25) + 1
    assert moved / rate - 0.25 <= clock.passed - started + 1e-6


def test_those_who_share_a_limit_share_its_bytes() -> None:
    """What one moves, the other waits for."""
    shaper = BandwidthShaper(Clock().monotonic)
    limits = (Limit("shared", bandwidth=1000),)
    assert 0.75 == shaper.pay(limits, 1000)
    assert 1.75 == shaper.pay(limits, 1000)
    assert 0.0 == shaper.pay((Limit("own", bandwidth=1000),), 100)
