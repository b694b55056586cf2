"""What one trial showed."""

from __future__ import annotations

from dataclasses import asdict

from gateway.core.finding import Finding


def test_a_finding_is_told_by_its_fields() -> None:
    """In the order in which `--json` shows them."""
    assert ["backend", "check", "ok", "detail"] == list(asdict(Finding("lab", "clock", None, "")))
