"""A link for people who sign in: the way to a real provider and back, and what comes back that was never asked for."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from gateway.core.grant import Grant
from gateway.core.holders import Holders, ProvedBy
from gateway.core.identity import IdentityRules, SignIn, UserRules
from gateway.core.pattern import NamePattern
from gateway.core.units import Rate
from gateway.data.links import sign_in as room
from gateway.oidc.issuers import Identity
from tests.data.harness import Rig
from tests.data.raw_client import Got
from tests.servers.oidc import Provider, come_back, running_provider

# The provider calls parts of its own library that are going.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ANN, EVE = "ann@acme.example", "eve@evil.example"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
BACK = "/s/-/signed-in"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


def rules_of(provider: Provider, *admit: str, **more: Any) -> IdentityRules:
    patterns = tuple(NamePattern.parse(f"user:{one}") for one in admit or ("*@*",))
    users = UserRules("email", "groups", patterns, **more)
    client = SignIn("links", None, ("openid", "email"), "Acme")
    return IdentityRules(provider.issuer, "gateway", None, {}, users=users, sign_in=client)


def signing_in(rig: Rig, *known: IdentityRules, **more: Any) -> None:
    """Have people sign in at these issuers."""
    base = {"public_url": f"http://127.0.0.1:{rig.port}", "sign_ins": known} | more
    rig.plane.snapshot = replace(rig.plane.snapshot, **base)
    rig.plane.identity = Identity(list, time.time)


def for_people(**more: Any) -> Holders:
    return Holders(**{"emails": (ANN,), "by": ProvedBy.OIDC, "key": bytes(range(32)), **more})


async def linked(rig: Rig, **more: Any) -> tuple[str, Grant]:
    rig.store.hold("inside/a.txt", b"hello")
    return await rig.granted(holders=for_people(**more))


@dataclass
class Person:
    """A browser."""

    rig: Rig
    cookies: dict[str, str] = field(default_factory=dict)

    async def open(self, path: str, **headers: str) -> Got:
        sent = dict(BROWSER) | headers
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        got = await self.rig.ask("GET", path, sent)
        for header, text in got.headers:
            if header.lower() == "set-cookie":
                name, _, value = text.partition(";")[0].partition("=")
                self.cookies[name] = value
                if "Max-Age=0" in text:
                    del self.cookies[name]
        return got

    async def go(self, token: str, number: str = "0", tail: str = "") -> str:
        """To the issuer: the address there."""
        got = await self.open(f"/s/{token}{tail}?sign_in={number}")
        assert 303 == got.status, got.text
        return str(got.header("location"))

    async def return_by(self, address: str) -> Got:
        """What somebody is answered in the end whom an issuer sent back to this address."""
        parts = urlsplit(address)
        got = await self.open(f"{parts.path}?{parts.query}")
        assert 303 == got.status, got.text
        return await self.open(str(got.header("location")))


async def consent(address: str, sub: str = ANN) -> str:
    """Where the provider sends the browser of somebody who says that they are this."""
    return await asyncio.to_thread(come_back, address, sub, follow=False)


async def sign_in(person: Person, token: str, sub: str = ANN, tail: str = "") -> Got:
    return await person.return_by(await consent(await person.go(token, tail=tail), sub))


async def test_who_signs_in_as_a_holder_has_it(rig: Rig, provider: Provider) -> None:
    """By a button, the provider's page and back; then the link is its bytes, and its record says who."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    person = Person(rig)
    asked = await person.open(f"/s/{token}")
    assert (401, True, False) == (
        asked.status,
        'href="?sign_in=0"' in asked.text and "Sign in with Acme" in asked.text,
        "hello" in asked.text,
    )
    assert 'Holder realm="link", by="oidc"' == asked.header("www-authenticate")
    back = await sign_in(person, token)
    assert (303, f"/s/{token}") == (back.status, back.header("location"))
    assert ["gateway_holder"] == list(person.cookies), "the way's cookie is gone"
    got = await person.open(f"/s/{token}")
    assert (200, "hello", ANN) == (got.status, got.text, (await rig.last()).holder)


async def test_groups_are_enough(rig: Rig, provider: Provider) -> None:
    """Whoever is in one of the link's groups, by what the issuer says; who is in none is told so."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig, emails=(), groups=("finance",))
    assert 303 == (await sign_in(Person(rig), token, EVE)).status
    provider.groups = ["sales"]
    got = await sign_in(Person(rig), token, EVE)
    assert (403, "not_a_holder") == (got.status, (await rig.last()).reason)


@pytest.mark.parametrize(
    ("claims", "admit", "unverified", "status"),
    [
        ({}, ("*@acme.example",), False, 303),
        ({"email_verified": False}, ("*@acme.example",), False, 401),
        ({"email_verified": "true"}, ("*@acme.example",), False, 401),
        ({"email_verified": None}, ("*@acme.example",), True, 401),
        ({}, ("*@other.example",), False, 401),
        ({"email": "ann@acme.example\r\nBcc: eve@evil.example"}, ("*@*",), False, 401),
        ({"email": ["ann@acme.example"]}, ("*@*",), False, 401),
        ({"email": "o'hara@acme.example"}, ("*@acme.example",), False, 403),
        ({"email": "Ann@ACME.example"}, ("*@acme.example",), False, 303),
        ({"email": "ann@evil.example@acme.example"}, ("*@acme.example",), False, 401),
        ({"email": "ann"}, ("*",), False, 401),
        ({"aud": ["another"]}, ("*@*",), False, 401),
        ({"azp": "another"}, ("*@*",), False, 401),
        ({"iss": "https://evil.example"}, ("*@*",), False, 401),
        ({"exp": 1}, ("*@*",), False, 401),
        ({"nonce": "another"}, ("*@*",), False, 401),
    ],
)
async def test_only_what_an_issuer_proves_and_may_say_counts(
    rig: Rig, provider: Provider, claims: dict[str, Any], admit: tuple[str, ...], unverified: bool, status: int
) -> None:
    """An address that is not confirmed, not the issuer's to speak of, or none; a token for others, of others, over, or
    of another way."""
    signing_in(rig, rules_of(provider, *admit, unverified=unverified))
    provider.claims = claims
    token, _ = await linked(rig)
    got = await sign_in(Person(rig), token)
    assert status == got.status, got.text
    if status == 401:
        assert ("sign_in_failed", True) == ((await rig.last()).reason, 'href="?sign_in=other-0"' in got.text)
        assert 0 == len([1 for name, _ in got.headers if name.lower() == "set-cookie"])


async def test_somebody_else_is_told_and_may_take_another_account(rig: Rig, provider: Provider) -> None:
    """They signed in, so nothing is betrayed; the next way has the issuer ask for the account."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    person = Person(rig)
    got = await sign_in(person, token, EVE)
    assert (403, "not_a_holder", True) == (got.status, (await rig.last()).reason, "sign_in=other-0" in got.text)
    assert "gateway_holder" not in person.cookies
    assert "select_account" == dict(parse_qsl(urlsplit(await person.go(token, "other-0")).query))["prompt"]


async def test_nobody_is_signed_in_by_what_they_did_not_begin(rig: Rig, provider: Provider) -> None:
    """A way back that another browser began (login CSRF), none, an earlier one, the same twice; another issuer's word
    (mix-up); no code, a wrong one; each without a pass. The very way that was begun is the control."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    person, other = Person(rig), Person(rig)
    theirs = await consent(await other.go(token), EVE)
    parts = urlsplit(theirs)
    lost = await Person(rig).open(f"{parts.path}?{parts.query}")
    assert (400, None) == (lost.status, lost.header("location")), "no way was begun"
    assert "Allow cookies" in lost.text
    earlier = await consent(await person.go(token))
    mine = urlsplit(await consent(await person.go(token)))
    kept, said = dict(person.cookies), dict(parse_qsl(mine.query))
    wrong = [
        theirs,
        earlier,
        mine._replace(query=urlencode(said | {"iss": "https://evil.example"})).geturl(),
        mine._replace(query=urlencode({name: value for name, value in said.items() if name != "iss"})).geturl(),
        mine._replace(query=urlencode({"state": said["state"], "error": "access_denied"})).geturl(),
        mine._replace(query=urlencode(said | {"code": "another"})).geturl(),
        mine._replace(query=urlencode(said | {"state": ""})).geturl(),
        mine._replace(query="").geturl(),
    ]
    for address in wrong:
        person.cookies = dict(kept)
        got = await person.return_by(address)
        assert (401, "sign_in_failed") == (got.status, (await rig.last()).reason), address
        assert "gateway_holder" not in person.cookies
    person.cookies = dict(kept)
    assert 303 == (await person.return_by(mine.geturl())).status
    person.cookies = dict(kept)
    assert 401 == (await person.return_by(mine.geturl())).status, "a code is redeemed once"


async def test_what_is_sent_is_of_this_way_alone(rig: Rig, provider: Provider) -> None:
    """One exact address to come back to, whatever the link; state, nonce and challenge anew; no token of the link."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    person = Person(rig)
    first, second = [dict(parse_qsl(urlsplit(await person.go(token)).query)) for _ in range(2)]
    assert f"http://127.0.0.1:{rig.port}{BACK}" == first["redirect_uri"]
    assert {"S256", "code", "links"} == {
        first[name] for name in ("code_challenge_method", "response_type", "client_id")
    }
    assert [] == [name for name in ("state", "nonce", "code_challenge") if first[name] == second[name]]
    [kept] = person.cookies.values()
    assert not any(token in value or kept.partition(".")[0] in value for value in first.values())


@pytest.mark.parametrize(
    ("url", "name", "secure"),
    [("https://files.example", "__Host-gateway_sign_in", True), ("http://127.0.0.1:1", "gateway_sign_in", False)],
)
async def test_the_ways_cookie_is_this_hosts_alone(rig: Rig, provider: Provider, url, name, secure) -> None:
    """Over TLS by its name; never for scripts, nor for what other sites send; and gone within minutes."""
    signing_in(rig, rules_of(provider), public_url=url)
    token, _ = await linked(rig)
    got = await rig.ask("GET", f"/s/{token}?sign_in=0", BROWSER)
    [cookie] = [text for header, text in got.headers if header.lower() == "set-cookie"]
    assert cookie.startswith(f"{name}=")
    assert {"Path=/", "Max-Age=600", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert secure == ("Secure" in cookie.split("; "))
    assert "no-referrer" == got.header("referrer-policy")
    other = "gateway_sign_in" if secure else "__Host-gateway_sign_in"
    value = cookie.partition("=")[2].partition(";")[0]
    for header in (f"{other}={value}", f"{name}={value}; {name}={value}"):
        lost = await rig.ask("GET", f"{BACK}?code=c&state=s", BROWSER | {"Cookie": header})
        assert (400, None) == (lost.status, lost.header("location"))


@pytest.mark.parametrize(
    "place",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example", "/s/", "/s/a?b", "/s/a#b", "/s/a b", "/", ""),
        *("/s//evil.example", "/s/a\r\nX: y", "s/a", "/ui/", "/s/\u00e4", "javascript:alert(1)", "/s/a/" + "b" * 5000),
    ],
)
async def test_the_way_back_leads_to_a_link_of_this_host_and_nowhere_else(rig: Rig, provider: Provider, place) -> None:
    """Whoever can set the cookie (another host of the domain, a plain connection) opens no redirect."""
    signing_in(rig, rules_of(provider))
    kept = f"{'a' * 43}.{urlsafe_b64encode(place.encode()).decode().rstrip('=')}"
    got = await rig.ask("GET", f"{BACK}?code=c&state=s", BROWSER | {"Cookie": f"gateway_sign_in={kept}"})
    assert (400, None) == (got.status, got.header("location"))


@pytest.mark.parametrize("more", ["&".join(f"a{number}=b" for number in range(40)), "state=%ff&code=%00", "=&=&;"])
async def test_an_answer_that_is_none_leads_back_all_the_same(rig: Rig, provider: Provider, more: str) -> None:
    """Anybody can lead a browser there in the midst of its way: what is no answer of an issuer is left out."""
    signing_in(rig, rules_of(provider))
    kept = f"{'a' * 43}.{urlsafe_b64encode(b'/s/token').decode().rstrip('=')}"
    got = await rig.ask("GET", f"{BACK}?{more}", BROWSER | {"Cookie": f"gateway_sign_in={kept}"})
    assert 303 == got.status
    assert str(got.header("location")).startswith("/s/token?sign_in=back")


async def test_one_comes_back_to_where_one_was(rig: Rig, provider: Provider) -> None:
    """Below a folder's link, with the letters of its path as they were sent; nothing else of the query is kept."""
    signing_in(rig, rules_of(provider))
    rig.store.hold("inside/f/a b.txt", b"hello")
    token, _ = await rig.granted(prefix="f/", holders=for_people())
    person = Person(rig)
    back = await sign_in(person, token, tail=f"/{quote('a b.txt')}")
    assert (303, f"/s/{token}/a%20b.txt") == (back.status, back.header("location"))
    assert "hello" == (await person.open(f"/s/{token}/a%20b.txt")).text


async def test_a_sign_in_opens_no_link_that_asks_for_codes_or_for_nobody(rig: Rig, provider: Provider) -> None:
    """And a code none that asks for a sign-in. A link without holders does not know the words."""
    signing_in(rig, rules_of(provider))
    rig.store.hold("inside/a.txt", b"hello")
    token, _ = await rig.granted(holders=for_people(by=ProvedBy.CODE))
    assert "holder_required" == await reason(rig, "GET", f"/s/{token}?sign_in=0")
    assert "holder_required" == await reason(rig, "GET", f"/s/{token}?sign_in=back&code=c&state=s")
    plain = await rig.link()
    assert "hello" == (await rig.ask("GET", f"/s/{plain}?sign_in=0&code=c&state=s&iss=i&error=e")).text
    token, _ = await linked(rig)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert 400 == (await rig.ask("POST", f"/s/{token}", form, f"email={ANN}".encode())).status


async def reason(rig: Rig, method: str, path: str) -> str:
    await rig.ask(method, path, BROWSER)
    return (await rig.last()).reason


async def test_an_issuer_that_is_not_there_is_told(rig: Rig, provider: Provider) -> None:
    """503 for one that does not answer, a sentence for one that does not exist; never an error of ours."""
    token, _ = await linked(rig)
    signing_in(rig, replace(rules_of(provider), issuer="http://127.0.0.1:9"))
    assert "dependency_down" == await reason(rig, "GET", f"/s/{token}?sign_in=0")
    for number in ("1", "-1", "", "x", "other-", "back"):
        assert "sign_in_failed" == await reason(rig, "GET", f"/s/{token}?sign_in={number}"), number
    rig.plane.identity = None
    assert "sign_in_failed" == await reason(rig, "GET", f"/s/{token}?sign_in=back&code=c&state=s")


async def test_two_issuers_do_not_answer_for_each_other(rig: Rig, provider: Provider) -> None:
    """What was begun at one is ended by its own answer alone, even if another sends the browser back with a good code
    of its own."""
    with running_provider() as other:
        signing_in(rig, rules_of(provider, "*@acme.example"), rules_of(other, "*@other.example"))
        token, _ = await linked(rig)
        person = Person(rig)
        begun = dict(parse_qsl(urlsplit(await person.go(token, "0")).query))
        kept = dict(person.cookies)
        # The other one, hostile, signs somebody in as Ann for the same state.
        hostile = f"{other.issuer}/authorize?{urlencode(begun)}"
        mixed = await consent(hostile)
        assert 401 == (await person.return_by(mixed)).status
        person.cookies = kept
        said = dict(parse_qsl(urlsplit(mixed).query)) | {"iss": provider.issuer}
        assert 401 == (await person.return_by(f"{BACK}?{urlencode(said)}")).status
        assert 401 == (await sign_in_at(person, token, "1")).status, "the other one may not speak of Ann"


async def sign_in_at(person: Person, token: str, number: str) -> Got:
    return await person.return_by(await consent(await person.go(token, number)))


async def test_many_steps_ask_the_issuer_few_times(rig: Rig, provider: Provider, monkeypatch) -> None:
    """One client's network has so many in an hour; then it is told to wait, and the issuer hears nothing of it."""
    monkeypatch.setattr(room, "_OF_CLIENT", Rate(3, 3600.0, 3))
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    for _ in range(3):
        await Person(rig).go(token)
    heard = len(provider.asked)
    reasons = {await reason(rig, "GET", f"/s/{token}?sign_in={step}") for step in ("0", "back&code=c&state=s") * 50}
    assert ({"too_many_requests"}, heard) == (reasons, len(provider.asked))


async def test_a_pass_by_sign_in_ends_with_the_list(rig: Rig, provider: Provider) -> None:
    """Who is taken off `holders` is refused at once, as with a code."""
    signing_in(rig, rules_of(provider))
    token, grant = await linked(rig)
    person = Person(rig)
    await sign_in(person, token)
    assert 200 == (await person.open(f"/s/{token}")).status
    await rig.edit(grant, holders=for_people(emails=("bob@acme.example",)))
    assert 401 == (await person.open(f"/s/{token}")).status
