"""A program that opens a link as whoever signs in for it in a browser: before a real provider."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from gateway.core.holder_pass import HANDOVER_SECONDS, open_pass
from gateway.core.password import hash_password
from gateway.core.units import Rate
from gateway.data.links import handover as room
from tests.data.harness import Rig
from tests.data.links.test_sign_in import ANN, BROWSER, EVE, Person, consent, for_people, linked, rules_of, signing_in
from tests.data.raw_client import Got
from tests.servers.oidc import Provider, running_provider

# The provider calls parts of its own library that are going.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

VERIFIER = "a-verifier-of-the-program-that-nobody-else-has-seen"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
WAITING = "http://127.0.0.1:4321/callback"
NAMED = {"redirect_uri": WAITING, "code_challenge": CHALLENGE}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


async def begin(person: Person, token: str, number: str = "any", named: Mapping[str, str] = NAMED) -> Got:
    return await person.open(f"/s/{token}?{urlencode({'sign_in': number, **named})}")


async def code_for(rig: Rig, token: str, sub: str = ANN, person: Person | None = None) -> str:
    """The code of the address on the page at the end of somebody's sign-in for the program."""
    person = person or Person(rig)
    away = await begin(person, token)
    assert 303 == away.status, away.text
    page = await person.return_by(await consent(str(away.header("location")), sub))
    assert 200 == page.status, page.text
    [address] = [part.partition('"')[0] for part in page.text.split('href="') if part.startswith("http://127")]
    assert WAITING == unescape(address).partition("?")[0]
    return parse_qs(urlsplit(unescape(address)).query)["code"][0]


async def redeem(
    rig: Rig, token: str, code: str, verifier: str = VERIFIER, **headers: str
) -> tuple[int, dict[str, Any]]:
    form = urlencode({"code": code, "code_verifier": verifier}).encode()
    got = await rig.ask("POST", f"/s/{token}", FORM | headers, form)
    return got.status, json.loads(got.body)


async def test_a_program_gets_the_pass_of_who_signed_in_for_it(rig: Rig, provider: Provider) -> None:
    """By the link's own address, the provider's page, a page that says who and where, and a code; no pass is in an
    address, and the browser has none."""
    signing_in(rig, rules_of(provider))
    token, grant = await linked(rig)
    person = Person(rig)
    code = await code_for(rig, token, person=person)
    assert ({}, None) == (person.cookies, open_pass(grant, code, rig.clock.now))
    status, said = await redeem(rig, token, code)
    assert (200, ANN) == (status, (await rig.last()).holder)
    got = await rig.ask("GET", f"/s/{token}", {"Gateway-Holder": said["pass"]})
    assert ("hello", ANN) == (got.text, (await rig.last()).holder)


async def test_a_person_is_told_before_it_goes_there(rig: Rig, provider: Provider) -> None:
    """As whom, and to which port; nothing is led there by itself."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    person = Person(rig)
    away = await begin(person, token)
    page = await person.return_by(await consent(str(away.header("location"))))
    assert (200, None, True, True) == (page.status, page.header("location"), ANN in page.text, "4321" in page.text)
    assert ("no-referrer", "private, no-store") == (page.header("referrer-policy"), page.header("cache-control"))
    assert "frame-ancestors 'none'" in str(page.header("content-security-policy"))


async def test_a_code_is_for_one_link_one_secret_and_one_time(rig: Rig, provider: Provider) -> None:
    """Another link, the same under another token, another secret, none, a changed code, later, and twice: no pass. The
    code itself is the control."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    other, _ = await linked(rig)
    code = await code_for(rig, token)
    for wrong in (
        await redeem(rig, other, code),
        await redeem(rig, token, code, "another secret"),
        await redeem(rig, token, code, CHALLENGE),
        await redeem(rig, token, code, ""),
        await redeem(rig, token, code[:-2] + ("AA" if code[-2:] != "AA" else "BB")),
        await redeem(rig, token, ""),
    ):
        assert (401, "code_wrong") == (wrong[0], wrong[1]["reason"])
    assert 200 == (await redeem(rig, token, code))[0]
    assert "code_wrong" == (await redeem(rig, token, code))[1]["reason"], "used before"
    late = await code_for(rig, token)
    rig.clock.now += HANDOVER_SECONDS
    assert "code_wrong" == (await redeem(rig, token, late))[1]["reason"]
    shown = {"Gateway-Holder": code}
    assert 401 == (await rig.ask("GET", f"/s/{token}", shown)).status, "a code is no pass"


async def test_somebody_else_brings_no_code(rig: Rig, provider: Provider) -> None:
    """They are told so, and may take another account for the same program."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    person = Person(rig)
    away = await begin(person, token)
    got = await person.return_by(await consent(str(away.header("location")), EVE))
    assert (403, "not_a_holder") == (got.status, (await rig.last()).reason)
    assert "http://127" not in got.text
    assert f"?sign_in=other-0&{urlencode(NAMED)}" in unescape(got.text)


async def test_who_is_taken_off_meanwhile_has_no_pass(rig: Rig, provider: Provider) -> None:
    """The list is asked again when the code is brought."""
    signing_in(rig, rules_of(provider))
    token, grant = await linked(rig)
    code = await code_for(rig, token)
    await rig.edit(grant, holders=for_people(emails=("bob@acme.example",)))
    status, said = await redeem(rig, token, code)
    assert (403, "not_a_holder") == (status, said["reason"])


@pytest.mark.parametrize(
    "named",
    [
        {"redirect_uri": "https://evil.example/callback", "code_challenge": CHALLENGE},
        {"redirect_uri": "http://127.0.0.1:1@evil.example:2/callback", "code_challenge": CHALLENGE},
        {"redirect_uri": WAITING},
        {"code_challenge": CHALLENGE},
    ],
)
async def test_no_browser_is_led_to_a_strangers_address(rig: Rig, provider: Provider, named: dict[str, str]) -> None:
    """Neither on the way there nor back; the address is nowhere in what is answered."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    for number in ("any", "0", "back"):
        got = await begin(Person(rig), token, number, named)
        assert (400, "bad_return_address") == (got.status, (await rig.last()).reason)
        assert (None, False) == (got.header("location"), "evil" in got.text)
    asked = await rig.ask("GET", f"/s/{token}?{urlencode(named)}", BROWSER)
    assert (401, False) == (asked.status, "evil" in asked.text)


@pytest.mark.parametrize(
    "query", ["redirect_uri=https%3A%2F%2Fevil.example%2Fcallback", "a=b", urlencode(NAMED) + "&a=b"]
)
async def test_a_cookie_that_others_set_leads_nowhere(rig: Rig, provider: Provider, query: str) -> None:
    """It names a program of this computer in one spelling, or nothing."""
    signing_in(rig, rules_of(provider))
    good = f"/s/a?{urlencode(NAMED)}"
    for place, answer in ((f"/s/a?{query}", (400, None)), (good, (303, good + "&sign_in=back&code=c"))):
        kept = f"{'a' * 43}.{urlsafe_b64encode(place.encode()).decode().rstrip('=')}"
        got = await rig.ask("GET", "/s/-/signed-in?code=c", BROWSER | {"Cookie": f"gateway_sign_in={kept}"})
        assert answer == (got.status, got.header("location"))


async def test_a_sign_in_for_one_program_is_for_no_other(rig: Rig, provider: Provider) -> None:
    """Nor for the browser's own, nor the other way round: the program is part of the way."""
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    theirs = {"redirect_uri": "http://127.0.0.1:9999/callback", "code_challenge": "b" * 43}
    for begun, ended in ((NAMED, theirs), (NAMED, {}), ({}, theirs)):
        person = Person(rig)
        away = await begin(person, token, "0", begun)
        back = dict(parse_qsl(urlsplit(await consent(str(away.header("location")))).query))
        got = await person.open(f"/s/{token}?{urlencode({'sign_in': 'back', **ended, **back})}")
        assert (401, "sign_in_failed") == (got.status, (await rig.last()).reason)


async def test_of_several_issuers_a_person_chooses(rig: Rig, provider: Provider) -> None:
    """On the link's page, whose buttons go on for the program."""
    signing_in(rig, rules_of(provider), rules_of(provider))
    token, _ = await linked(rig)
    person = Person(rig)
    page = await begin(person, token)
    assert (401, "holder_required") == (page.status, (await rig.last()).reason)
    assert f'href="?sign_in=1&{urlencode(NAMED)}"' in unescape(page.text)
    away = await begin(person, token, "1")
    assert 200 == (await person.return_by(await consent(str(away.header("location"))))).status


async def test_a_password_is_asked_for_on_the_way(rig: Rig, provider: Provider) -> None:
    """By the browser, and then it is asked who it is, for the program; the program shows the password by itself."""
    signing_in(rig, rules_of(provider))
    rig.store.hold("inside/a.txt", b"hello")
    token, _ = await rig.granted(holders=for_people(), password=hash_password("word", bytes(16)))
    path = f"/s/{token}?{urlencode({'sign_in': 'any', **NAMED})}"
    assert 401 == (await rig.ask("GET", path, BROWSER)).status
    sent = BROWSER | {"Content-Type": FORM["Content-Type"]}
    entered = await rig.ask("POST", path, sent, b"password=word")
    assert (303, f"/s/{token}?{urlencode(NAMED)}") == (entered.status, entered.header("location"))
    name, _, value = str(entered.header("set-cookie")).partition(";")[0].partition("=")
    page = await Person(rig, {name: value}).open(str(entered.header("location")))
    assert f'href="?sign_in=0&{urlencode(NAMED)}"' in unescape(page.text)
    code = await code_for(rig, token, person=Person(rig, {name: value}))
    assert 401 == (await redeem(rig, token, code))[0]
    assert 200 == (await redeem(rig, token, code, Authorization="Basic OndvcmQ="))[0]


async def test_codes_are_shown_a_few_times_only(rig: Rig, provider: Provider, monkeypatch) -> None:
    """By one client's network; and while nobody counts, none is taken."""
    monkeypatch.setattr(room, "_OF_CLIENT", Rate(3, 600.0, 3))
    signing_in(rig, rules_of(provider))
    token, _ = await linked(rig)
    said = [(await redeem(rig, token, "x"))[1]["reason"] for _ in range(4)]
    assert ["code_wrong"] * 3 + ["too_many_requests"] == said
