"""Sign-ins that are kept: renewed in time, by one at a time, for the gateway they were made for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from gateway.cli.contexts import ChosenGateway, Context
from gateway.cli.oidc import AuthorizationRequest, Issuer, Tokens, discover, exchange_code
from gateway.cli.private_files import read_object
from gateway.cli.sign_ins import KeptSignIn, drop_sign_in, find_sign_in, has_sign_in, keep_sign_in, remove_sign_in
from gateway.core.identity import PublicClient
from tests.servers.oidc import Provider, running_provider

# The provider's library calls parts of its own that are going.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PLACE = ChosenGateway("https://gateway.example", Context("prod", "https://gateway.example"))


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def issuer(provider: Provider) -> Issuer:
    return discover(PublicClient(provider.issuer, "cli", "cli", ("openid", "email", "profile")), None)


def sign_in(provider: Provider, issuer: Issuer, *, over: bool = False) -> Tokens:
    """Tokens, whose end is near where that is asked for."""
    asked = AuthorizationRequest(issuer, "http://127.0.0.1:1/callback", "s" * 43, "n" * 43, "v" * 64)
    code = asked.read_answer(provider.sign_in(asked.address, follow=False).partition("?")[2])
    found = exchange_code(asked, code)
    return replace(found, ends=time.time() + 5) if over else found


def found() -> KeptSignIn:
    kept = find_sign_in(PLACE)
    assert kept is not None
    return kept


def test_what_is_kept_is_the_persons_alone(provider: Provider, issuer: Issuer, config: Path) -> None:
    """Under the context's name, or the address; and shows in no repr."""
    tokens = sign_in(provider, issuer)
    assert not has_sign_in("prod")
    keep_sign_in(PLACE, issuer, tokens)
    assert has_sign_in("prod")
    assert tokens.token == found().token()
    assert tokens.token not in repr(found())
    assert 0o600 == (config / "sign-ins" / "prod.json").stat().st_mode & 0o777
    assert find_sign_in(ChosenGateway(PLACE.url)) is None
    keep_sign_in(ChosenGateway(PLACE.url), issuer, tokens)
    assert find_sign_in(ChosenGateway(PLACE.url)) is not None
    drop_sign_in(ChosenGateway(PLACE.url))
    assert find_sign_in(ChosenGateway(PLACE.url)) is None
    assert remove_sign_in("prod")
    assert find_sign_in(PLACE) is None


def test_a_token_is_renewed_before_it_ends_and_kept(provider: Provider, issuer: Issuer) -> None:
    """Once; the next command takes what this one has kept, and what renews it next."""
    old = sign_in(provider, issuer, over=True)
    keep_sign_in(PLACE, issuer, old)
    renewed = found().token()
    assert old.token != renewed
    assert renewed == found().token() == read_object("sign-ins/prod.json")["token"]
    assert [old.refresh] != list(provider.refresh)
    assert [read_object("sign-ins/prod.json")["refresh_token"]] == list(provider.refresh)


def test_commands_at_once_renew_once(provider: Provider, issuer: Issuer) -> None:
    """An issuer that gives another renewal each time takes a second use of the first for theft."""
    keep_sign_in(PLACE, issuer, sign_in(provider, issuer, over=True))
    asked, tokens = [found() for _ in range(8)], []
    threads = [threading.Thread(target=lambda one=one: tokens.append(one.token())) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 == len(set(tokens))
    assert ["authorization_code", "refresh_token"] == [form["grant_type"] for form in provider.forms("/token")]


def test_a_sign_in_ends_with_its_token_where_nothing_renews_it(provider: Provider, issuer: Issuer, capsys) -> None:
    """Up to its last second it is shown; then it is forgotten, and that is said."""
    provider.renews = False
    tokens = sign_in(provider, issuer, over=True)
    keep_sign_in(PLACE, issuer, tokens)
    assert tokens.token == found().token()
    keep_sign_in(PLACE, issuer, replace(tokens, ends=time.time() - 1))
    with pytest.raises(click.exceptions.Exit):
        found().token()
    assert f"Your sign-in at {provider.issuer} has ended: gateway login." in capsys.readouterr().err
    assert find_sign_in(PLACE) is None


def test_what_the_issuer_took_back_is_over(provider: Provider, issuer: Issuer, capsys) -> None:
    """As when somebody has left."""
    keep_sign_in(PLACE, issuer, replace(sign_in(provider, issuer), ends=time.time() - 1))
    provider.refresh.clear()
    with pytest.raises(click.exceptions.Exit):
        found().token()
    assert "has ended" in capsys.readouterr().err
