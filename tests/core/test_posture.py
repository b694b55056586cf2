"""The law of failing: what decides on access fails closed, what only counts may fail open."""

from __future__ import annotations

from gateway.core.posture import FailPosture


def test_the_default_posture_is_declared_for_every_dependency() -> None:
    """Grants and revocations are closed, limits and audit open, unless an operator says otherwise."""
    posture = FailPosture()
    assert ("closed", "closed", "open", "open") == (
        posture.grants,
        posture.revocations,
        posture.limits,
        posture.audit,
    )
