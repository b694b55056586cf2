"""The command that tries backends for real, before users do."""

from __future__ import annotations

import json

from gateway.backends.profiles import PROFILES
from tests.cli.conftest import POLICIES, SETTINGS, reply


def test_the_command_shows_a_table_or_json_and_exits_by_the_worst(terminal, listener, write):
    """1 if anything is bad, 0 if nothing is, 4 for a backend nobody named."""
    listener.answers = [reply(200, b"<ListBucketResult/>")]
    config = str(write(SETTINGS, POLICIES.replace("http://127.0.0.1:7480", listener.url)))
    good = terminal.run("doctor", "lab", "--config", config)
    assert good.exit_code == 0, good.output
    assert "credentials" in good.stdout
    listener.answers = [reply(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")]
    bad = terminal.run("doctor", "--config", config, "--json")
    assert bad.exit_code == 1
    outcomes = {one["check"]: one["ok"] for one in json.loads(bad.stdout)["findings"]}
    assert outcomes["credentials"] is False
    assert "interpreter" in outcomes
    assert terminal.run("doctor", "other", "--config", config).exit_code == 4


def test_the_known_profiles_are_listed(terminal):
    """All of them, with what they can do."""
    assert {row["profile"] for row in terminal.json("doctor", "--profiles")["profiles"]} == set(PROFILES)
    assert "generic" in terminal.run("doctor", "--profiles").stdout
