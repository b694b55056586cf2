"""Four eyes, before a real control API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.approval import ApprovalTerms
from gateway.core.pattern import NamePattern
from tests.control.desk import ADMIN, POLICY, rule

TERMS = ApprovalTerms((NamePattern.of("admin:night"),), 3600.0)
NIGHT = {"GATEWAY_ADMIN_TOKEN": ADMIN + "2"}


@pytest.fixture
def in_force():
    """Whoever shares drafts, or has a key of signer, needs somebody else."""
    asking = (
        rule("drafts", "admin:*", "read share", "drafts/**", approval=TERMS),
        rule("signing", "app:signer", "read", "reports/**", approval=TERMS),
    )
    return replace(POLICY, rules=(*POLICY.rules[:-1], *asking))


@pytest.mark.parametrize(("noun", "made_of"), [("link", "drafts/a.pdf"), ("key", "signer")])
def test_it_waits_is_listed_and_released(terminal, noun, made_of):
    """Whoever made it is told so and is not asked; who is asked sees its version, and approves of that one alone."""
    made = terminal.run(noun, "create", made_of)
    assert 0 == made.exit_code, made.output
    assert "Not released yet" in made.stderr
    [waiting] = terminal.json(noun, "ls", "--state", "awaiting_approval")[f"{noun}s"]
    ident = waiting["id"]
    assert "waits for" in terminal.run(noun, "show", ident).stdout
    assert {"links": [], "keys": []} == terminal.json("approvals")
    assert 1 == terminal.run("approve", ident).exit_code
    listed = terminal.run("approvals", **NIGHT).stdout.splitlines()
    assert ["ID", "VERSION", "UNTIL", "OWNER", "MAY", "RULE", "LABEL"] == listed[0].split()
    assert listed[1].startswith(f"{ident}  1 ")
    assert 1 == terminal.run("approve", ident, "--version", "2", **NIGHT).exit_code
    done = terminal.run("approve", ident, "--version", "1", "--reason", "fine", **NIGHT)
    assert (0, f"{ident} active\n") == (done.exit_code, done.stdout)
    assert "approved" in terminal.run(noun, "show", ident).stdout


@pytest.mark.parametrize(("noun", "made_of"), [("link", "drafts/a.pdf"), ("key", "signer")])
def test_it_is_rejected(terminal, noun, made_of):
    """It is revoked, with the reason that its maker reads; what has no such id is exit code 4, what is no id 2."""
    ident = terminal.json(noun, "create", made_of)["id"]
    done = terminal.run("reject", ident, "--reason", "ask legal", **NIGHT)
    assert (0, f"{ident} revoked\n") == (done.exit_code, done.stdout)
    assert "ask legal" in terminal.run(noun, "show", ident).stdout
    for act in ("approve", "reject"):
        assert 4 == terminal.run(act, f"{noun[0]}_11111111111111111", **NIGHT).exit_code
        assert 2 == terminal.run(act, "https://files.example/s/x", **NIGHT).exit_code
