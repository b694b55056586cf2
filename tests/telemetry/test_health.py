"""Readiness is the sum of what its checks say."""

from __future__ import annotations

from gateway.telemetry.health import Health


def test_a_process_without_faults_is_ready():
    """Checks that answer None do not stand in the way."""
    health = Health()
    health.check("view", lambda: None)
    assert {} == health.faults()


def test_every_fault_is_named():
    """Not only the first one, so that one probe tells the whole story."""
    health = Health()
    health.check("view", lambda: "the revocation view is 7 s old")
    health.check("store", lambda: "the state store does not answer")
    health.draining = True
    assert ["draining", "view", "store"] == list(health.faults())


def test_a_check_is_asked_at_every_probe():
    """Readiness comes back by itself when its cause is gone."""
    health = Health()
    answers = iter(["down", None])
    health.check("store", lambda: next(answers))
    assert health.faults()
    assert {} == health.faults()


def test_a_check_given_again_replaces_the_first():
    """A reload can renew what is asked."""
    health = Health()
    health.check("store", lambda: "old")
    health.check("store", lambda: None)
    assert {} == health.faults()
