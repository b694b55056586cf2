"""The commands about keys, before a real control API."""

from __future__ import annotations

import json


def test_create_prints_what_a_shell_takes(terminal):
    """Two assignments on standard output, the id for a person."""
    done = terminal.run("key", "create", "billing", "--label", "ci", "--expires", "30d")
    assert done.exit_code == 0, done.output
    names = [line.partition("=")[0] for line in done.stdout.splitlines()]
    assert names == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    assert "k_" in done.stderr
    (item,) = terminal.json("key", "ls")["keys"]
    assert (item["app"], item["label"], item["expires_at"]) == ("billing", "ci", "2027-02-14T08:00:00Z")


def test_a_principal_is_an_app_too(terminal):
    """`app:billing` and `billing` mean the same."""
    assert terminal.json("key", "create", "app:billing")["app"] == "billing"


def test_ls_shows_no_secret(terminal):
    """Neither the access key id nor the secret."""
    made = terminal.json("key", "create", "billing")
    for done in (terminal.run("key", "ls"), terminal.run("key", "ls", "--json")):
        assert made["access_key_id"] not in done.stdout
        assert made["secret_access_key"] not in done.stdout
        assert made["id"] in done.stdout


def test_a_key_is_revoked_by_either_of_its_names(terminal):
    """The access key id that leaked is enough, and is not repeated."""
    first, second = terminal.json("key", "create", "billing"), terminal.json("key", "create", "billing")
    done = terminal.run("key", "revoke", first["id"], second["access_key_id"])
    assert done.exit_code == 0, done.output
    assert second["access_key_id"] not in done.output
    assert {item["state"] for item in terminal.json("key", "ls")["keys"]} == {"revoked"}


def test_an_unknown_key_keeps_no_other_from_being_revoked(terminal):
    """As for links; the document of --json comes all the same."""
    made = [terminal.json("key", "create", "billing")["id"] for _ in range(2)]
    done = terminal.run("key", "revoke", made[0], "k_11111111111111111", made[1], "--json")
    assert done.exit_code == 4
    assert json.loads(done.stdout) == {"revoked": 2, "unknown": 1}


def test_an_unknown_key_is_exit_code_4_and_no_key_at_all_is_2(terminal):
    """Gone and mistyped are different things."""
    assert terminal.run("key", "revoke", "k_11111111111111111").exit_code == 4
    assert terminal.run("key", "revoke", "AKIAIOSFODNN7EXAMPLE").exit_code == 2


def test_an_end_in_the_past_is_wrong_usage(terminal):
    """Nothing is created."""
    assert terminal.run("key", "create", "billing", "--expires", "2001-01-01").exit_code == 2
    assert terminal.json("key", "ls")["keys"] == []


def test_reseal_adds_up_its_batches(terminal, monkeypatch):
    """One line in the end; what cannot be opened is exit code 1, and no sealing key at all is told."""
    asked = []
    batches = [
        {"examined": 500, "resealed": 400, "unreadable": 0, "cursor": "next"},
        {"examined": 20, "resealed": 20, "unreadable": 1, "cursor": None},
    ]

    def call(self, method, path, body):
        asked.append((method, path, body))
        return batches[len(asked) - 1]

    refused = terminal.run("key", "reseal")
    assert refused.exit_code == 1
    assert "state.sealing_keys" in refused.output
    monkeypatch.setattr("gateway.cli.client.Control.call", call)
    done = terminal.run("key", "reseal")
    assert (done.stdout, done.exit_code) == ("520 examined, 420 resealed, 1 unreadable\n", 1)
    assert asked == [("POST", "/v1/reseal", {}), ("POST", "/v1/reseal", {"cursor": "next"})]
