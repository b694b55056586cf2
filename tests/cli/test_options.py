"""The options that say what a link is."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from gateway.cli.options import ask_password, build_members, link_options, read_password


@click.command()
@link_options
def probe(**chosen):
    click.echo(repr(build_members(chosen)))


def members(*arguments: str):
    done = CliRunner().invoke(probe, arguments)
    return done.stdout.strip() if done.exit_code == 0 else done.exit_code


def test_what_is_not_said_is_not_sent():
    """An edit with one option changes one thing."""
    assert members() == "{}"
    assert members("--label", "x") == "{'label': 'x'}"


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (["--uses", "none"], "{'uses': None}"),
        (["--bytes", "none"], "{'bytes': None}"),
        (["--max-size", "2GiB"], "{'max_size': 2147483648}"),
        (["--rate", "none"], "{'rate': None}"),
        (["--max-files", "3", "--total-bytes", "1KiB"], "{'total_bytes': 1024, 'max_files': 3}"),
        (["--max-files", "none", "--total-bytes", "none"], "{'total_bytes': None, 'max_files': None}"),
        (["--type", "image/*", "--type", "text/csv"], "{'types': ['image/*', 'text/csv']}"),
        (["--type", "none"], "{'types': None}"),
        (["--names", "{uuid}-{name}"], "{'names': '{uuid}-{name}'}"),
        (["--on-conflict", "rename", "--blind"], "{'on_conflict': 'rename', 'blind': True}"),
        (["--undo", "15m", "--message", "Hi"], "{'undo': '15m', 'message': 'Hi'}"),
        (["--undo", "none", "--message", "none"], "{'undo': None, 'message': None}"),
        (["--label", "none"], "{'label': None}"),
        (["--not-before", "none"], "{'not_before': None}"),
        (["--cidr", "none"], "{'cidrs': []}"),
        (["--overwrite"], "{'overwrite': True}"),
        (["--no-overwrite"], "{'overwrite': False}"),
        (["--confirm", "--once"], "{'confirm': True, 'once': True}"),
        (["--shows", "page", "--shows", "card"], "{'shows': ['page', 'card']}"),
        (["--shows", "none"], "{'shows': []}"),
        (["--no-confirm", "--no-once"], "{'confirm': False, 'once': False}"),
    ],
)
def test_none_takes_a_limit_away(arguments, body):
    """As null, or as the empty list."""
    assert members(*arguments) == body


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cidr", "10.0.0.1/8"],
        ["--cidr", "here"],
        ["--rate", "fast"],
        ["--uses", "-1"],
        ["--undo", "soon"],
        ["--on-conflict", "ask"],
        ["--max-files", "x"],
        ["--expires", "x"],
    ],
)
def test_a_wrong_value_is_wrong_usage(arguments):
    """Exit code 2, before anything is sent."""
    assert members(*arguments) == 2


def test_a_password_comes_by_one_way():
    """Asked for and piped at once cannot be meant."""
    with pytest.raises(click.UsageError):
        read_password({"wants_password": True, "password_stdin": True})
    assert read_password({}) is None


def test_a_new_password_is_typed_twice():
    """Two different ones are asked for again."""

    @click.command()
    def ask():
        click.echo(len(ask_password(confirm=True)))

    done = CliRunner().invoke(ask, input="one\ntwo\nthree\nthree\n")
    assert done.stdout == "5\n"
    assert "three" not in done.output
