"""Which gateway a command speaks to: option, environment, context, this machine, in this order."""

from __future__ import annotations

import click
import pytest

from gateway.cli import group
from gateway.cli.contexts import DEFAULT_URL, Context, Contexts, change_contexts, choose_place, read_contexts
from gateway.cli.group import LOCAL, cli
from tests.cli.conftest import Terminal, reply

WHO = b'{"principal": "admin:ops", "groups": [], "sees": "everything", "may": ["read"], "until": null}'
PROD, LAB = Context("prod", "https://prod.example"), Context("lab", "https://lab.example", "/ca.pem", "/t", None)


@pytest.fixture
def two():
    """Two contexts, the first of which is in use."""
    change_contexts(lambda before: Contexts({"prod": PROD, "lab": LAB}, "prod"))


def test_what_is_kept_comes_back(two):
    """Each part of each context, and which is in use."""
    assert Contexts({"prod": PROD, "lab": LAB}, "prod") == read_contexts()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "https://prod.example"),
        ({"GATEWAY_CONTEXT": "lab"}, "https://lab.example"),
        ({"GATEWAY_URL": "http://here:1"}, "http://here:1"),
        ({"GATEWAY_URL": "https://lab.example", "GATEWAY_CONTEXT": "lab"}, "https://lab.example"),
    ],
)
def test_the_environment_comes_before_the_context_in_use(environ, expected, two, monkeypatch):
    """An address before a context; a context that it names before the one in use."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    place = choose_place()
    assert (expected, False) == (place.url, place.asked)
    assert ("lab" if "GATEWAY_CONTEXT" in environ else None if environ else "prod") == (
        place.context and place.context.name
    )


def test_an_option_comes_before_the_environment(two, monkeypatch):
    """Whatever that says."""
    monkeypatch.setenv("GATEWAY_URL", "http://here:1")
    monkeypatch.setenv("GATEWAY_CONTEXT", "prod")
    with click.Context(cli) as ctx:
        ctx.meta["gateway.cli.context"] = "lab"
        place = choose_place()
    assert (LAB, True, "/ca.pem") == (place.context, place.asked, place.ca_file)


def test_two_gateways_in_the_environment_are_none(two, monkeypatch, capsys):
    """Nobody's token goes to the one that was not meant."""
    monkeypatch.setenv("GATEWAY_URL", "http://here:1")
    monkeypatch.setenv("GATEWAY_CONTEXT", "lab")
    with pytest.raises(click.exceptions.Exit):
        choose_place()
    assert "unset one of them" in capsys.readouterr().err


def test_without_any_of_them_it_is_this_machine():
    """As before there were contexts."""
    assert (DEFAULT_URL, None) == (choose_place().url, choose_place().context)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_command_takes_it_before_and_after_its_name(where, listener):
    """`gateway --context NAME whoami` is `gateway whoami --context NAME`; the one at the command counts."""
    listener.answers = [reply(200, WHO)]
    change_contexts(lambda before: Contexts({"here": Context("here", listener.url), "prod": PROD}, "prod"))
    option = ["--context", "here"]
    arguments = [*option, "whoami"] if where == "before" else ["--context", "prod", "whoami", *option]
    done = Terminal("http://127.0.0.1:1").run(*arguments)
    assert (0, "admin:ops\n") == (done.exit_code, done.stdout)
    assert f"at here ({listener.url})" in done.stderr


def test_an_unknown_context_is_one_sentence(two):
    """With the name that was probably meant."""
    for arguments, environ in ((("whoami", "--context", "prood"), {}), (("whoami",), {"GATEWAY_CONTEXT": "prood"})):
        done = Terminal("").run(*arguments, **environ)
        assert (2, "Error: No context is named 'prood': did you mean prod.\n") == (done.exit_code, done.stderr)


def test_every_command_that_speaks_to_a_gateway_takes_a_context():
    """All but those that are named as local; and nothing is named that is not there."""
    found = {}

    def walk(command: click.Command, path: str) -> None:
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                below = command.get_command(click.Context(command), name)
                assert below is not None
                walk(below, f"{path} {name}".strip())
        else:
            found[path] = any("--context" in parameter.opts for parameter in command.params)

    walk(cli, "")
    local = {path for path in found if path in LOCAL or path.partition(" ")[0] in LOCAL}
    assert local == {path for path, takes in found.items() if not takes}
    assert {"link create", "key ls", "revoke", "whoami", "login", "support-bundle"} <= {
        path for path, takes in found.items() if takes
    }


def test_a_command_is_given_the_option_once():
    """However often it is looked up."""
    for _ in range(2):
        command = group.cli.get_command(click.Context(cli), "whoami")
    assert 1 == sum("--context" in parameter.opts for parameter in command.params)
