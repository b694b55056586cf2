"""People who sign in at an issuer: a real provider's code flow, and what comes back that was never asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit

import pytest

from gateway.core.identity import IdentityRules, SignIn, UserRules
from gateway.core.pattern import NamePattern
from gateway.oidc.issuers import Identity
from tests.control.console.seat import Page, Seat
from tests.control.desk import CONSOLE, Desk, serving
from tests.control.test_oidc import ANN, BOB, Clock, Provider, _serve

# The provider calls parts of its own library that are going.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def provider() -> Iterator[Provider]:
    yield from _serve()


@pytest.fixture
def settings(provider: Provider) -> dict[str, Any]:
    """What a test may change while the desk serves."""
    users = UserRules("email", "groups", (NamePattern.parse("user:*@acme.example"),))
    sign_in = SignIn("console", "a client's secret", ("openid", "email", "profile"), "Acme")
    rules = IdentityRules(provider.issuer, "gateway", None, {}, users=users, sign_in=sign_in)
    return {"rules": [rules], "roles": {"audit": (NamePattern.of("group:/ops"),)}}


@pytest.fixture
async def desk(settings: dict[str, Any]) -> AsyncIterator[Desk]:
    clock = Clock()
    async with serving(
        identity=Identity(lambda: settings["rules"], clock),
        clock=clock,
        roles=lambda: settings["roles"],
        console=lambda: replace(CONSOLE, sign_ins=tuple(settings["rules"])),
    ) as opened:
        yield opened


@pytest.fixture
def seat(desk: Desk) -> Seat:
    return Seat(desk, base=desk.url.replace("127.0.0.1", "localhost"))


async def go(seat: Seat) -> str:
    """The provider's address that the button leads to."""
    page = await seat.get("sign-in")
    found = re.search(r'href="(\./issuer\?issuer=0)">Sign in with Acme', page.text)
    assert found is not None, page.text
    return str((await seat.ask("GET", found[1])).headers["Location"])


async def consent(seat: Seat, place: str, sub: str) -> str:
    """Where the provider sends the browser back to, once somebody has said who they are."""
    async with seat.desk.session.post(place, data={"sub": sub}, allow_redirects=False) as answer:
        assert 302 == answer.status, await answer.text()
        return answer.headers["Location"]


async def come_back(seat: Seat, sub: str = ANN) -> Page:
    return await seat.ask("GET", await consent(seat, await go(seat), sub))


async def test_people_sign_in_at_their_issuer(seat: Seat) -> None:
    """By the button, the provider's own page, and back: as the user whom its token names, with their groups' role."""
    back = await come_back(seat)
    assert 303 == back.status, back.text
    page = await seat.follow(back)
    assert f"user:{ANN}" in page.text
    assert 200 == (await seat.ask("GET", "audit")).status
    assert "Acme" in (await seat.get("sessions")).text


async def test_what_is_sent_is_bound_to_the_browser_and_the_way(seat: Seat) -> None:
    """State, nonce and a challenge (S256) are of this way alone; nothing of them is the cookie."""
    asked = [dict(parse_qsl(urlsplit(await go(seat)).query)) for _ in range(2)]
    first, second = asked
    assert "S256" == first["code_challenge_method"]
    assert f"{seat.base}/ui/callback" == first["redirect_uri"]
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
    assert not set(seat.cookies.values()) & set(first.values())


async def test_nobody_is_signed_in_by_what_they_did_not_begin(seat: Seat) -> None:
    """A way back that another browser began, or none, or an earlier one; another issuer's word; no code."""
    theirs = Seat(seat.desk, base=seat.base)
    stolen = await consent(theirs, await go(theirs), ANN)
    assert 403 == (await seat.ask("GET", stolen)).status, "no cookie at all"
    old = await consent(seat, await go(seat), ANN)
    mine = await consent(seat, await go(seat), ANN)
    held = dict(seat.cookies)
    parts, query = urlsplit(mine), parse_qs(urlsplit(mine).query)
    plain = {name: values[0] for name, values in query.items()}
    wrong = [
        stolen,
        old,
        parts._replace(query=urlencode(plain | {"iss": "https://evil.example"})).geturl(),
        parts._replace(query=urlencode({"state": plain["state"], "error": "access_denied"})).geturl(),
        parts._replace(query=urlencode(plain | {"code": "another"})).geturl(),
        parts._replace(query="").geturl(),
    ]
    for place in wrong:
        seat.cookies = dict(held)
        assert 403 == (await seat.ask("GET", place)).status, place
    seat.cookies = dict(held)
    assert 303 == (await seat.ask("GET", mine)).status, "the control: the very way that was begun"
    assert 403 == (await seat.ask("GET", mine)).status, "and it is gone"


@pytest.mark.parametrize("sub", [BOB, "eve"])
async def test_whom_the_issuer_may_not_name_is_nobody(sub: str, seat: Seat) -> None:
    """A user of another domain, and an address that is not confirmed."""
    assert 403 == (await come_back(seat, sub)).status
    assert 303 == (await seat.ask("GET", "links")).status


async def test_a_token_for_the_api_is_none_for_the_console(seat: Seat, settings: dict[str, Any]) -> None:
    """The id token has to be made for the client that asked."""
    identity = seat.desk.deps.live.identity
    assert identity is not None
    provider = Provider(settings["rules"][0].issuer)
    good = await provider.login(ANN, audience="console", nonce="n")
    assert ANN == (await identity.prove_sign_in(settings["rules"][0], good, "n") or {})["email"]
    assert None is await identity.prove_sign_in(settings["rules"][0], good, "m")
    assert None is await identity.prove_sign_in(settings["rules"][0], await provider.login(ANN, nonce="n"), "n")


async def test_the_settings_are_asked_for_anew(seat: Seat, settings: dict[str, Any]) -> None:
    """A role that is taken away counts at the next request, and so does a user of whom the issuer may not speak."""
    await come_back(seat)
    assert 200 == (await seat.ask("GET", "audit")).status
    settings["roles"] = {}
    assert 403 == (await seat.ask("GET", "audit")).status
    assert 200 == (await seat.ask("GET", "links")).status
    rules = settings["rules"][0]
    settings["rules"] = [replace(rules, users=replace(rules.users, admit=(NamePattern.parse("user:x@acme.example"),)))]
    assert 303 == (await seat.ask("GET", "links")).status


async def test_an_issuer_that_does_not_answer_is_told(seat: Seat, settings: dict[str, Any]) -> None:
    """503 and a page, no traceback."""
    settings["rules"] = [replace(settings["rules"][0], issuer="http://localhost:1")]
    await seat.get("sign-in")
    page = await seat.ask("GET", urljoin(seat.root, "issuer?issuer=0"))
    assert (503, True) == (page.status, "That did not work" in page.text)
    assert 404 == (await seat.ask("GET", "issuer?issuer=7")).status


async def test_the_issuer_is_asked_for_no_code_of_another_way(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another browser began is refused before anything is redeemed, and so is another issuer's answer."""
    redeemed: list[str] = []

    async def redeem(rules: IdentityRules, said: object, browser: object, code: str) -> str:
        redeemed.append(code)
        return "no.token.atall"

    monkeypatch.setattr("gateway.oidc.code_flow._redeem", redeem)
    theirs = Seat(seat.desk, base=seat.base)
    stolen = await consent(theirs, await go(theirs), ANN)
    mine = await consent(seat, await go(seat), ANN)
    held = dict(seat.cookies)
    other_issuer = f"{mine}&{urlencode({'iss': 'https://evil.example'})}"
    for place in (stolen, other_issuer):
        seat.cookies = dict(held)
        assert 403 == (await seat.ask("GET", place)).status
    assert [] == redeemed
    seat.cookies = dict(held)
    assert 403 == (await seat.ask("GET", mine)).status
    assert 1 == len(redeemed), "the control: the way that was begun gets as far as the issuer"
