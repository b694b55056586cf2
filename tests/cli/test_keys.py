"""The commands about keys, before a real control API."""

from __future__ import annotations

import json

from gateway.cli.keys import format_scopes


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


def test_a_key_is_narrowed_shown_and_edited(terminal):
    """Places by what may be done there, a life, bytes, uses and networks; `none` and --whole take limits away."""
    made = terminal.json(
        "key", "create", "billing", "--read", "reports/2026/", "--write", "reports/in/", "--expires", "8h", "--bytes",
        "50GiB", "--cidr", "10.0.0.0/8", "--uses", "4", "--label", "ci",
    )  # fmt: skip
    assert [
        {"bucket": "reports", "prefix": "2026/", "keys": None, "actions": ["list", "read"]},
        {"bucket": "reports", "prefix": "in/", "keys": None, "actions": ["write"]},
    ] == made["scopes"]
    assert (50 * 1024**3, 4, ["10.0.0.0/8"]) == (made["bytes"], made["uses"], made["cidrs"])
    shown = terminal.run("key", "show", made["id"]).stdout
    for text in ("list,read reports/2026/; write reports/in/", "0 of 4", "0 B of 50.0 GiB", "10.0.0.0/8"):
        assert text in shown
    assert made["secret_access_key"] not in shown
    assert "list,read reports/2026/" in terminal.run("key", "ls").stdout
    edited = terminal.json(
        "key", "edit", made["id"], "--read", "reports/a.pdf", "--read", "reports/b.pdf", "--uses", "none"
    )
    assert [{"bucket": "reports", "prefix": None, "keys": ["a.pdf", "b.pdf"], "actions": ["read"]}] == edited["scopes"]
    assert (None, 50 * 1024**3) == (edited["uses"], edited["bytes"])
    assert terminal.json("key", "edit", made["id"], "--whole")["scopes"] is None


def test_an_edit_says_something_and_names_an_id(terminal):
    """Nothing to change, two opposite wishes, an access key id in place of an id: wrong usage; a gone key is 4."""
    made = terminal.json("key", "create", "billing")
    wrong = (
        ("edit", made["id"]),
        ("edit", made["id"], "--whole", "--read", "reports/"),
        ("show", made["access_key_id"]),
        ("edit", made["id"], "--expires", "2001-01-01"),
    )
    assert [2] * 4 == [terminal.run("key", *words).exit_code for words in wrong]
    assert 4 == terminal.run("key", "show", "k_11111111111111111").exit_code


def test_a_key_that_stands_for_a_link_says_so() -> None:
    """It never looks like one that may do all that its app may."""
    assert "what l_1 may" == format_scopes({"link": "l_1", "scopes": None})
    assert "all" == format_scopes({"link": None, "scopes": None})
