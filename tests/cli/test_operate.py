"""Changing a running process, before a real control API."""

from __future__ import annotations


def test_backends_are_listed(terminal):
    """With the one that is out of use."""
    done = terminal.run("backend", "ls")
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:]] == [
        ["archive", "ceph", "in"],
        ["lab", "ceph", "drained"],
    ]
    assert [one["name"] for one in terminal.json("backend", "ls")["backends"]] == ["archive", "lab"]


def test_draining_says_how_long_it_lasts(terminal):
    """So that nobody takes it for the policy's own way."""
    done = terminal.run("backend", "drain", "archive")
    assert done.stdout == "archive drained\n"
    assert "reloaded" in done.stderr
    assert terminal.run("backend", "resume", "archive").stdout == "archive in use\n"
    assert terminal.json("backend", "drain", "archive")["drained"] is True


def test_an_unknown_backend_is_exit_code_4(terminal):
    """Nothing drained must not look like something drained; no name leaves its place in the path."""
    assert terminal.run("backend", "drain", "none").exit_code == 4
    assert terminal.run("backend", "drain", "../log").exit_code == 4


def test_the_log_level_says_when_it_ends(terminal):
    """A time, or the reload that it takes; the API's clock stands at 2027-01-15T08:00:00Z."""
    assert terminal.run("log-level", "debug", "--for", "15m").stdout == "debug until 2027-01-15T08:15:00Z\n"
    assert terminal.run("log-level", "info").stdout == "info until the gateway is reloaded or ends\n"
    assert terminal.json("log-level", "error")["until"] is None
    assert terminal.run("log-level", "loud").exit_code == 2
    assert terminal.run("log-level", "info", "--for", "never").exit_code == 2


def test_it_says_when_other_processes_have_not_changed(terminal, monkeypatch):
    """A worker that did not answer goes on as before, and nobody should take the others for all of them."""
    lasts = "until the gateway is reloaded or ends"
    said = {"name": "lab", "drained": True, "lasts": lasts, "processes": 4, "changed": 3}
    monkeypatch.setattr("gateway.cli.client.Control.call", lambda *_: said)
    assert "Only 3 of 4 processes" in terminal.run("backend", "drain", "lab").stderr
    said["changed"] = 4
    assert "processes" not in terminal.run("backend", "drain", "lab").stderr
