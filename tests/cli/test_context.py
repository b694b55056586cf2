"""`gateway context`: gateways by name."""

from __future__ import annotations

import json

import pytest

from gateway.cli.private_files import read_object, write_object
from tests.cli.conftest import Terminal

URL = "https://gateway.acme.example:8081"


@pytest.fixture
def shell():
    return Terminal("", "")


def test_the_first_is_in_use_and_another_can_be(shell):
    """`ls` shows the star; `use` moves it; `rm` takes the context and its sign-in."""
    assert 0 == shell.run("context", "add", "prod", "--url", f"{URL}/").exit_code
    assert (
        0 == shell.run("context", "add", "lab", "--url", "http://127.0.0.1:8081", "--admin-token-env", "LAB").exit_code
    )
    listed = shell.run("context", "ls").stdout.splitlines()
    assert ["*", "prod", URL, "none", "kept"] == listed[1].split()
    assert ["lab", "http://127.0.0.1:8081", "token", "in", "$LAB"] == listed[2].split()
    assert 0 == shell.run("context", "use", "lab").exit_code
    assert {"prod": False, "lab": True} == {
        one["name"]: one["current"] for one in shell.json("context", "ls")["contexts"]
    }
    write_object("sign-ins/lab.json", {"token": "x"})
    assert ["prod"] == [one["name"] for one in shell.json("context", "rm", "lab")["contexts"]]
    assert {} == read_object("sign-ins/lab.json")
    assert [False] == [one["current"] for one in shell.json("context", "ls")["contexts"]]


def test_no_secret_is_in_what_is_kept(shell, tmp_path, config):
    """A context says where a token is."""
    token = tmp_path / "token"
    token.write_text("canary")
    made = shell.json("context", "add", "a", "--url", URL, "--token-file", str(token), "--ca-file", str(token))
    assert f"token in {token}" == made["contexts"][0]["identity"]
    assert "canary" not in (config / "contexts.json").read_text()
    assert {"url": URL, "token_file": str(token), "ca_file": str(token)} == json.loads(
        (config / "contexts.json").read_text()
    )["contexts"]["a"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "a b", "--url", URL), "is no name"),
        (("add", "", "--url", URL), "is no name"),
        (("add", "a", "--url", "gateway.acme.example"), "is no control API"),
        (("add", "a", "--url", "ftp://x"), "is no control API"),
        (("add", "a", "--url", "https://ann:secret@x"), "is no control API"),
        (("add", "a", "--url", "https://x?y=1"), "is no control API"),
        (("add", "a", "--url", "https://x:99999"), "is no control API"),
        (("add", "a"), "--url"),
        (("add", "a", "--url", URL, "--ca-file", "/nowhere"), "does not exist"),
        (("add", "prod", "--url", URL), "--replace"),
        (("use", "nobody"), "No context is named"),
        (("rm", "nobody"), "No context is named"),
    ],
)
def test_what_makes_no_sense_is_told(arguments, told, shell):
    """In one sentence, with exit code 2; and nothing has changed."""
    shell.run("context", "add", "prod", "--url", URL)
    done = shell.run("context", *arguments)
    assert 2 == done.exit_code
    assert told in done.stderr
    assert "secret" not in done.stderr
    assert ["prod"] == [one["name"] for one in shell.json("context", "ls")["contexts"]]


def test_two_places_for_one_token_are_none(shell, tmp_path):
    """A file or a variable."""
    token = tmp_path / "token"
    token.write_text("x")
    done = shell.run("context", "add", "a", "--url", URL, "--token-file", str(token), "--admin-token-env", "A")
    assert (2, True) == (done.exit_code, "do not go together" in done.stderr)


def test_a_context_can_be_written_over(shell):
    """When that is asked for."""
    shell.run("context", "add", "prod", "--url", URL)
    assert 0 == shell.run("context", "add", "prod", "--url", "https://other.example", "--replace").exit_code
    assert "https://other.example" == shell.json("context", "ls")["contexts"][0]["url"]


def test_who_would_send_tokens_in_clear_is_told(shell):
    """Another machine without TLS; not this machine."""
    for url, warned in (("http://gateway.lab:8081", True), ("http://localhost:8081", False), (URL, False)):
        assert warned is ("Without TLS" in shell.run("context", "add", "a", "--url", url, "--replace").stderr)
