"""As whom a command speaks: the environment before what a context keeps, and after the context that is named."""

from __future__ import annotations

import time

import click
import pytest

from gateway.cli.contexts import ChosenGateway, Context
from gateway.cli.identity import choose_credentials
from gateway.cli.private_files import write_object

URL = "https://gateway.example"
SIGN_IN = {"url": URL, "token": "signed-in", "ends": time.time() + 900, "refresh_token": None}
KEY = {"AWS_ACCESS_KEY_ID": "GWKABC", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}
ADMIN = {"GATEWAY_ADMIN_TOKEN": "admin"}


def shown(place: ChosenGateway) -> str | None:
    found = choose_credentials(place)
    if found is None:
        return None
    assert found.key is None or "s3cr3t" not in repr(found)
    return found.sign_in.token() if found.sign_in else found.key.access_key if found.key else found.token


@pytest.mark.parametrize(
    ("environ", "asked", "expected"),
    [
        ({}, False, "signed-in"),
        (KEY, False, "GWKABC"),
        (ADMIN | KEY, False, "admin"),
        ({}, True, "signed-in"),
        (KEY, True, "signed-in"),
        (ADMIN | KEY, True, "signed-in"),
    ],
)
def test_the_order(environ, asked, expected, monkeypatch):
    """A sign-in of the context in use gives way to the environment, one of `--context` does not."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    write_object("sign-ins/prod.json", SIGN_IN)
    assert expected == shown(ChosenGateway(URL, Context("prod", URL), asked))


def test_a_named_context_without_an_identity_takes_that_of_the_environment(monkeypatch):
    """An app with its key says `--context` alone."""
    place = ChosenGateway(URL, Context("prod", URL), asked=True)
    assert shown(place) is None
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "admin")
    assert "admin" == shown(place)


def test_a_token_is_read_where_the_context_says(monkeypatch, tmp_path):
    """A file, at every command, or a variable; before a sign-in."""
    write_object("sign-ins/prod.json", SIGN_IN)
    (tmp_path / "t").write_text(" one\n")
    place = ChosenGateway(URL, Context("prod", URL, token_file=str(tmp_path / "t")))
    assert "one" == shown(place)
    (tmp_path / "t").write_text("two")
    assert "two" == shown(place)
    monkeypatch.setenv("PROD", "three")
    assert "three" == shown(ChosenGateway(URL, Context("prod", URL, admin_token_env="PROD")))


@pytest.mark.parametrize("text", ["", "  \n", "ä", "a\nb", "a\x00b"])
def test_what_is_no_token_is_told_and_not_shown(text, tmp_path, capsys):
    """A client's own message about such a header would show it."""
    (tmp_path / "t").write_text(text)
    with pytest.raises(click.exceptions.Exit):
        choose_credentials(ChosenGateway(URL, Context("prod", URL, token_file=str(tmp_path / "t"))))
    told = capsys.readouterr().err
    assert "token" in told
    assert not text.strip() or text not in told


@pytest.mark.parametrize("context", [Context("a", URL, token_file="/nowhere"), Context("a", URL, admin_token_env="NO")])
def test_where_the_token_should_be_and_is_not_is_told(context, capsys):
    """Nobody acts as somebody else because a file is gone."""
    with pytest.raises(click.exceptions.Exit):
        choose_credentials(ChosenGateway(URL, context))
    assert {"/nowhere", "NO"} & set(capsys.readouterr().err.replace(":", " ").split())


def test_a_sign_in_goes_to_the_gateway_it_was_made_for(capsys):
    """A context that points elsewhere by now has none; nor has another address without a context."""
    write_object("sign-ins/prod.json", SIGN_IN)
    elsewhere = "https://other.example"
    with pytest.raises(click.exceptions.Exit):
        shown(ChosenGateway(elsewhere, Context("prod", elsewhere)))
    assert "was for another address" in capsys.readouterr().err
    assert shown(ChosenGateway(URL)) is None
