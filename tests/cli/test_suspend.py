"""Suspending and resuming, before a real control API."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("noun", "made_of", "unknown"),
    [("link", "reports/a.pdf", "l_11111111111111111"), ("key", "billing", "k_11111111111111111")],
)
def test_it_is_suspended_and_resumed(terminal, noun, made_of, unknown):
    """Its state says so, in the list too; an unknown one is exit code 4."""
    made = terminal.json(noun, "create", made_of)
    assert "suspended" in terminal.run(noun, "suspend", made["id"], "--reason", "odd").stdout
    assert [made["id"]] == [item["id"] for item in terminal.json(noun, "ls", "--state", "suspended")[f"{noun}s"]]
    assert "active" == terminal.json(noun, "resume", made["id"])["state"]
    assert 4 == terminal.run(noun, "suspend", unknown).exit_code
