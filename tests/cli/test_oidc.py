"""What is said to an issuer: the answers that count, and every other one refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import click
import pytest

from gateway.cli.loopback import Loopback
from gateway.cli.oidc import (
    AuthorizationRequest,
    Issuer,
    Tokens,
    ask_on_a_device,
    discover,
    exchange_code,
    renew,
    withdraw,
)
from gateway.core.identity import PublicClient
from tests.servers.oidc import DEVICE, PERSON, Provider, running_provider

# The provider's library calls parts of its own that are going.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SCOPES = ("openid", "email", "profile")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def offer(provider: Provider) -> PublicClient:
    return PublicClient(provider.issuer, "cli", "cli", SCOPES)


@pytest.fixture
def issuer(offer: PublicClient) -> Issuer:
    return discover(offer, None)


def question(issuer: Issuer, back: str = "http://127.0.0.1:1/callback") -> AuthorizationRequest:
    return AuthorizationRequest(issuer, back, "s" * 43, "n" * 43, "v" * 64)


def refusal(capsys: pytest.CaptureFixture[str], call: Any, *arguments: Any, **more: Any) -> str:
    with pytest.raises(click.exceptions.Exit):
        call(*arguments, **more)
    return capsys.readouterr().err


def code_for(provider: Provider, asked: AuthorizationRequest) -> str:
    back = provider.sign_in(asked.address, follow=False)
    return asked.read_answer(urlsplit(back).query)


def test_somebody_who_signs_in_has_a_token(provider: Provider, issuer: Issuer):
    """By a code, with PKCE, state and nonce; a public client shows no secret."""
    with Loopback() as back:
        asked = question(issuer, back.address)
        provider.sign_in(asked.address)
        found = exchange_code(asked, asked.read_answer(back.take_answer(5)))
    assert PERSON == found.subject
    assert found.refresh in provider.refresh
    [form] = provider.forms("/token")
    assert {"grant_type", "code", "redirect_uri", "client_id", "code_verifier"} == form.keys()
    query = parse_qs(urlsplit(asked.address).query)
    assert (["S256"], ["code"]) == (query["code_challenge_method"], query["response_type"])
    assert "v" * 64 not in asked.address
    assert all(text not in repr(found) + repr(asked) for text in (found.token, str(found.refresh), "v" * 64))


@pytest.mark.parametrize("changes", [{"verifier": "w" * 64}, {"verifier": ""}, {"back": "http://127.0.0.1:2/callback"}])
def test_a_code_alone_is_worth_nothing(changes: dict[str, str], provider: Provider, issuer: Issuer, capsys):
    """Whoever caught it has not the verifier of the question, or another way back; with both it is worth a token."""
    asked = question(issuer)
    caught = replace(asked, **changes)
    assert "The issuer refuses: invalid_" in refusal(capsys, exchange_code, caught, code_for(provider, asked))
    assert PERSON == exchange_code(asked, code_for(provider, asked)).subject


def test_a_code_counts_once(provider: Provider, issuer: Issuer, capsys):
    """Replayed, it is refused, and no token is in what is said."""
    asked = question(issuer)
    code = code_for(provider, asked)
    exchange_code(asked, code)
    told = refusal(capsys, exchange_code, asked, code)
    assert "invalid_grant" in told
    assert code not in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": "t" * 43}, "another question (state)"),
        ({"state": None}, "another question (state)"),
        ({"state": ""}, "another question (state)"),
        ({"state": "ß" * 43}, "another question (state)"),
        ({"iss": "https://other.example"}, "another issuer (iss)"),
        ({"iss": None}, "another issuer (iss)"),
        ({"iss": ""}, "another issuer (iss)"),
        ({"code": None}, "no code"),
        ({"code": ""}, "no code"),
        ({"code": None, "error": "access_denied", "error_description": "no\nway"}, "refuses: access_denied: no way"),
        ({"code": None, "error": "x", "state": "t"}, "another question (state)"),
    ],
)
def test_an_answer_to_another_question_is_none(
    changes: dict[str, Any], told: str, provider: Provider, issuer: Issuer, capsys
):
    """Its code is not even shown to the issuer."""
    asked = question(issuer)
    provider.answer = changes
    back = provider.sign_in(asked.address, follow=False)
    assert told in refusal(capsys, asked.read_answer, urlsplit(back).query)
    assert [] == provider.forms("/token")


def test_what_an_answer_says_twice_is_nothing(issuer: Issuer, capsys):
    """Two readers could take another one each."""
    said = urlencode([("state", "s" * 43), ("iss", issuer.offer.issuer), ("code", "a"), ("code", "b")])
    assert "twice" in refusal(capsys, question(issuer).read_answer, said)


def test_an_issuer_that_does_not_say_that_it_names_itself_need_not(provider: Provider, offer: PublicClient, capsys):
    """But where it does, the name has to be its own."""
    provider.document = {"authorization_response_iss_parameter_supported": None}
    asked = question(discover(offer, None))
    provider.answer = {"iss": None}
    assert code_for(provider, asked)
    provider.answer = {"iss": "https://other.example"}
    assert "(iss)" in refusal(capsys, code_for, provider, asked)


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"nonce": "m" * 43}, "another question (nonce)"),
        ({"nonce": None}, "another question (nonce)"),
        ({"iss": "https://other.example"}, "another issuer (iss)"),
        ({"aud": "another"}, "another client (aud)"),
        ({"aud": ["another"]}, "another client (aud)"),
        ({"exp": 1}, "no token for 'cli'"),
        ({"exp": "soon"}, "no token for 'cli'"),
    ],
)
def test_a_token_for_somebody_else_is_none(
    claims: dict[str, Any], told: str, provider: Provider, issuer: Issuer, capsys
):
    """Another sign-in's, another issuer's, another client's, one that is over."""
    asked = question(issuer)
    provider.claims = claims
    assert told in refusal(capsys, exchange_code, asked, code_for(provider, asked))


def test_the_token_for_the_gateways_audience_is_taken(provider: Provider, offer: PublicClient, capsys):
    """The id token, where it names that beside its client; without any the settings are told."""
    asked = question(discover(replace(offer, audience="https://gateway.example"), None))
    assert "have it name that in `aud`" in refusal(capsys, exchange_code, asked, code_for(provider, asked))
    provider.claims = {"aud": ["cli", "https://gateway.example"]}
    assert PERSON == exchange_code(asked, code_for(provider, asked)).subject


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"issuer": "https://other.example"}, "does not say of itself"),
        ({"issuer": None}, "does not say of itself"),
        ({"token_endpoint": None}, "no token endpoint"),
        ({"token_endpoint": "http://other.example/token"}, "no https address"),
        ({"authorization_endpoint": "http://other.example/authorize"}, "no https address"),
        ({"device_authorization_endpoint": "file:///etc/passwd"}, "no https address"),
        ({"revocation_endpoint": 5}, "no https address"),
        ({"authorization_endpoint": "https://a.example/\x1b[2J"}, "no https address"),
        ({"authorization_endpoint": "https://a.example/ b"}, "no https address"),
        ({"code_challenge_methods_supported": ["plain"]}, "no PKCE with S256"),
    ],
)
def test_an_issuer_is_believed_about_itself_alone(
    document: dict[str, Any], told: str, provider: Provider, offer: PublicClient, capsys
):
    """Over TLS, or on this machine."""
    provider.document = document
    assert told in refusal(capsys, discover, offer, None)


@pytest.mark.parametrize("address", ["http://login.example", "ftp://login.example", "login.example", ""])
def test_nobody_signs_in_in_clear(address: str, capsys):
    """Whatever a gateway offers."""
    assert "no https address" in refusal(capsys, discover, PublicClient(address, "cli", "cli", SCOPES), None)


def test_an_issuer_that_is_not_there_is_one_sentence(capsys):
    """With its name."""
    told = refusal(capsys, discover, PublicClient("http://127.0.0.1:9", "cli", "cli", SCOPES), None)
    assert "127.0.0.1:9 does not answer" in told


def on_a_device(
    provider: Provider, issuer: Issuer, *, decide_after: float, approved: bool = True
) -> tuple[list[float], Any]:
    """The waits, and what it ended with. Somebody decides once so many seconds of the clock have gone by."""
    waits: list[float] = []
    shown: list[str] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if sum(waits) >= decide_after:
            provider.decide(shown[0], approved=approved)

    try:
        found = ask_on_a_device(
            issuer, show=lambda _, code: shown.append(code), wait=wait, monotonic=lambda: sum(waits)
        )
    except click.exceptions.Exit as ended:
        found = ended
    return waits, found


def test_a_code_is_typed_elsewhere(provider: Provider, issuer: Issuer):
    """It is asked for at the pace that the issuer gives, until somebody has said yes."""
    waits, found = on_a_device(provider, issuer, decide_after=4)
    assert ([1.0] * 4, PERSON) == (waits, found.subject)
    assert [DEVICE] * 4 == [form["grant_type"] for form in provider.forms("/token")]


def test_who_asks_too_often_asks_less_often(provider: Provider, issuer: Issuer):
    """Each time by five seconds, for all that comes (RFC 8628, 3.5)."""
    provider.slow_downs = 2
    waits, found = on_a_device(provider, issuer, decide_after=25)
    assert ([1.0, 6.0, 11.0, 11.0], PERSON) == (waits, found.subject)


def test_a_device_is_told_no_and_too_late(provider: Provider, issuer: Issuer, capsys):
    """By the person, by the issuer, by the clock."""
    _, ended = on_a_device(provider, issuer, decide_after=2, approved=False)
    assert isinstance(ended, click.exceptions.Exit)
    assert "access_denied" in capsys.readouterr().err
    waits, ended = on_a_device(provider, issuer, decide_after=1e9)
    assert isinstance(ended, click.exceptions.Exit)
    assert (60.0, True) == (sum(waits), "in time" in capsys.readouterr().err)

    def expire(_: float) -> None:
        for credential in provider.devices.values():
            credential["expires_at"] = 0

    told = refusal(capsys, ask_on_a_device, issuer, show=lambda *_: None, wait=expire, monotonic=lambda: 0.0)
    assert "Nobody came in time" in told


def test_an_issuer_without_devices_is_told(provider: Provider, offer: PublicClient, capsys):
    """And what to do instead."""
    provider.document = {"device_authorization_endpoint": None}
    assert "leave --device out" in refusal(capsys, ask_on_a_device, discover(offer, None), show=lambda *_: None)


def test_what_an_issuer_shows_moves_no_cursor(provider: Provider, issuer: Issuer, monkeypatch, capsys):
    """The address and the code of a device flow are text."""
    said = {"device_code": "d", "user_code": "A\x1b[2J", "verification_uri": "https://a/\r\nb", "expires_in": 1}
    monkeypatch.setattr("gateway.cli.oidc._ask", lambda *_, **__: (200, said))
    shown: list[str] = []
    clock = iter((0.0, 9.0))
    refusal(
        capsys, ask_on_a_device, issuer, show=lambda *both: shown.extend(both), wait=lambda _: None,
        monotonic=lambda: next(clock),
    )  # fmt: skip
    assert all(text.isprintable() for text in shown)
    assert 2 == len(shown)


def signed_in(provider: Provider, issuer: Issuer) -> Tokens:
    asked = question(issuer)
    return exchange_code(asked, code_for(provider, asked))


def test_a_token_is_renewed(provider: Provider, issuer: Issuer):
    """Each renewal counts once where the issuer gives another one."""
    first = signed_in(provider, issuer)
    second = renew(issuer, first)
    assert second is not None
    assert second.refresh not in {None, first.refresh}
    assert renew(issuer, first) is None
    assert renew(issuer, replace(second, refresh=None)) is None


def test_a_renewal_speaks_of_the_same_person(provider: Provider, issuer: Issuer, capsys):
    """Another subject's token is refused; and one without an id token is none for us."""
    found = signed_in(provider, issuer)
    provider.claims = {"sub": "eve"}
    assert "somebody else's" in refusal(capsys, renew, issuer, found)
    provider.claims, provider.renews_with_id_token = {}, False
    assert "no token for 'cli'" in refusal(capsys, renew, issuer, signed_in(provider, issuer))


def test_what_renews_is_taken_back(provider: Provider, issuer: Issuer):
    """At the issuer; where it has no such door, that is no fault."""
    found = signed_in(provider, issuer)
    assert not withdraw(replace(issuer, revocation=None), found)
    assert withdraw(issuer, found)
    assert {} == provider.refresh
    assert renew(issuer, found) is None


def test_an_issuers_redirect_is_not_followed(provider: Provider, issuer: Issuer, capsys):
    """A code goes to the door that was named, and nowhere else."""
    asked = question(issuer)
    code = code_for(provider, asked)
    elsewhere = replace(asked, issuer=replace(issuer, token=f"{provider.issuer}/moved"))
    assert "The issuer refuses" in refusal(capsys, exchange_code, elsewhere, code)
    assert (1, []) == (len(provider.forms("/moved")), provider.forms("/landed"))
