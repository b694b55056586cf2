"""Explaining and testing decisions."""

from __future__ import annotations

import pytest

from tests.cli.conftest import POLICIES, SETTINGS


def test_an_allowed_attempt_names_its_rule_and_exits_with_0(terminal):
    """A script can branch on it."""
    done = terminal.run("policy", "explain", "app:billing", "GetObject", "reports/invoices/a.pdf")
    assert done.exit_code == 0, done.output
    assert "allowed by 'billing shares invoices'" in done.stdout


def test_a_refused_attempt_tells_every_reason_and_exits_with_1(terminal):
    """Not only the first one."""
    done = terminal.run("policy", "explain", "admin:ops", "read", "reports/payroll/a.pdf")
    assert done.exit_code == 1
    assert "refused" in done.stdout
    assert "denied_by_rule" in done.stdout
    assert "nobody touches payroll" in done.stdout


def test_a_link_can_be_asked_about(terminal):
    """By its id, as its user would be judged."""
    ident = terminal.json("link", "create", "reports/a.pdf", "--cidr", "192.0.2.0/24")["id"]
    outside = terminal.run("policy", "explain", ident, "read", "reports/a.pdf", "--from", "198.51.100.1")
    inside = terminal.run("policy", "explain", ident, "read", "reports/a.pdf", "--from", "192.0.2.7")
    assert (outside.exit_code, inside.exit_code) == (1, 0), outside.output + inside.output
    assert "peer_not_allowed" in outside.stdout


def test_somebody_comes_to_a_link_for_certain_people(terminal):
    """Who it is decides, and is named as not said where it was not."""
    ident = terminal.json("link", "create", "reports/a.pdf", "--holder", "@acme.example")["id"]
    asked = ("policy", "explain", ident, "read", "reports/a.pdf")
    unsaid, ann, eve = (
        terminal.run(*asked, *more) for more in ((), ("--holder", "ann@acme.example"), ("--holder", "eve@b.example"))
    )
    assert (1, 0, 1) == (unsaid.exit_code, ann.exit_code, eve.exit_code), ann.output
    assert ["not said: holder" in done.stdout for done in (unsaid, ann, eve)] == [True, False, False]
    assert "holder_required: who was proved is none of the link's holders" in eve.stdout


def test_a_link_and_a_key_are_known_by_whatever_one_has_of_them(terminal):
    """An id, an address, an access key id; what is none is told."""
    link = terminal.json("link", "create", "reports/a.pdf")
    key = terminal.json("key", "create", "billing")
    for who, on in (
        (link["url"], "reports/a.pdf"),
        (link["token"], "reports/a.pdf"),
        (key["id"], "reports/invoices/a"),
        (key["access_key_id"], "reports/invoices/a"),
    ):
        done = terminal.run("policy", "explain", who, "read", on)
        assert done.exit_code == 0, done.output
        assert terminal.run("policy", "explain", who, "delete", on).exit_code == 1
    assert terminal.run("policy", "explain", key["access_key_id"] + "X", "read", "reports/a").exit_code == 4


def test_an_unknown_operation_is_refused_with_a_sentence(terminal):
    """The API's own."""
    done = terminal.run("policy", "explain", "admin:ops", "GetEverything", "reports/a.pdf")
    assert done.exit_code == 1
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("expect", "code"), [("allow", 0), ("deny", 5)])
def test_examples_run_without_a_gateway(terminal, write, expect, code):
    """One that is decided otherwise than it says is exit code 5, with its place."""
    config = write(SETTINGS, POLICIES.replace("expect: allow", f"expect: {expect}"))
    done = terminal.run("policy", "test", "--config", str(config))
    assert done.exit_code == code, done.output
    if code:
        assert "policies/a.yaml:" in done.stderr
    else:
        assert "2 examples" in done.stdout
