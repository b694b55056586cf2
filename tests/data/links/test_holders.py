"""A link for certain people: nothing is had before one of them is proved, whatever is asked."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.core.backend import Credentials
from gateway.core.grant import Shown
from gateway.core.holder_pass import PASS_SECONDS
from gateway.core.holders import Holders, ProvedBy
from gateway.core.password import hash_password
from gateway.core.reasons import Reason
from gateway.core.route import Delivery
from gateway.core.token import LinkToken
from tests.data.harness import Rig, policy, rule
from tests.data.links.proving import (
    ALL,
    ANN,
    BOTH,
    BROWSER,
    FORM,
    TUS,
    answer,
    ask,
    for_ann,
    later,
    pass_for,
    post_of,
)
from tests.data.raw_client import Got
from tests.waiting import until

TRIES: list[tuple[str, str, dict[str, str], bytes]] = [
    ("GET", "", {}, b""),
    ("GET", "", BROWSER, b""),
    ("GET", "?download=1", {}, b""),
    ("GET", "?page=1", BROWSER, b""),
    ("GET", "", {"Range": "bytes=0-1"}, b""),
    ("HEAD", "", {}, b""),
    ("PUT", "", {}, b"new"),
    ("DELETE", "", {"Upload-Undo": "x"}, b""),
    ("POST", "", {**TUS, "Upload-Length": "3"}, b""),
    ("POST", "", {"Content-Type": "multipart/form-data; boundary=b"}, b"--b--"),
    ("POST", "", FORM, b"download=1"),
    ("POST", "", FORM, b"accept_terms=1"),
    ("POST", "/credentials", {}, b""),
    ("GET", "", {"User-Agent": "Slackbot-LinkExpanding 1.0"}, b""),
    ("GET", "/below", {}, b""),
    ("GET", "", {"Cookie": "gateway_holder=AAAA"}, b""),
    ("GET", "", {"Gateway-Holder": ""}, b""),
    ("GET", "?holder=AAAA", {}, b""),
]


@pytest.mark.parametrize(("method", "tail", "headers", "body"), TRIES)
async def test_nothing_is_had_by_who_is_nobody_yet(
    rig: Rig, method: str, tail: str, headers: dict[str, str], body: bytes
) -> None:
    """No byte, name, size, use, upload, card, terms or credentials; the store is not asked."""
    rig.store.hold("inside/a.txt", b"hello")
    fields: dict[str, Any] = {
        "terms": "Only for us.",
        "shows": frozenset({Shown.CARD, Shown.PAGE}),
        "uses": 3,
        "label": "Secret",
    }
    token, grant = await rig.granted(holders=for_ann(), actions=BOTH, **fields)
    got = await rig.ask(method, f"/s/{token}{tail}", headers, body)
    assert (401, [], 0) == (got.status, rig.store.seen, await rig.used(grant))
    record = await rig.last()
    assert ("holder_required", "", "", grant.id) == (record.reason, record.holder, record.terms, record.grant_id)
    assert [] == [word for word in ("hello", "a.txt", "Only for", "Secret", ANN, "acme") if word in got.text]
    assert 'Holder realm="link", by="code"' == got.header("www-authenticate")


FOLDER_READS = [
    *(("GET", tail) for tail in ("/", "/a.txt", "/?archive=zip", "/?archive=tar", "/?view=grid", "/?find=a")),
    *(("HEAD", tail) for tail in ("/", "/a.txt")),
]


@pytest.mark.parametrize("headers", [{}, BROWSER, {"Accept": "application/json"}], ids=["any", "browser", "json"])
@pytest.mark.parametrize(("method", "tail"), [*FOLDER_READS, ("GET", "/none")])
async def test_a_folder_shows_nothing_either(rig: Rig, method: str, tail: str, headers: dict[str, str]) -> None:
    """Neither its list nor its files, there or not, in whatever form."""
    rig.store.hold("inside/box/a.txt", b"hello")
    token = await rig.link(prefix="box/", holders=for_ann(), actions=ALL)
    got = await rig.ask(method, f"/s/{token}{tail}", headers)
    assert (401, []) == (got.status, rig.store.seen)
    assert "a.txt" not in got.text


@pytest.mark.parametrize(("method", "tail"), FOLDER_READS)
async def test_a_holder_has_the_folder(rig: Rig, method: str, tail: str) -> None:
    """All of it, with what a page of it loads: by the cookie, that a browser sends along with each of them."""
    rig.store.hold("inside/box/a.txt", b"hello")
    token, grant = await rig.granted(prefix="box/", holders=for_ann(), actions=ALL)
    shown = {**BROWSER, "Cookie": f"gateway_holder={pass_for(grant)}"}
    got = await rig.ask(method, f"/s/{token}{tail}", shown)
    assert (200, ANN) == (got.status, (await rig.last()).holder), got.text


async def test_what_is_fetched_from_the_store_itself_is_asked_for_first(rig: Rig) -> None:
    """A link that leads there leads nobody else."""
    rig.use(policy(rule("everything", delivery=Delivery.REDIRECT)))
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann())
    got = await rig.fetch(token)
    assert (401, None) == (got.status, got.header("location"))
    assert 307 == (await rig.fetch(token, Gateway_Holder=pass_for(grant))).status


async def test_a_preflight_tells_of_nobody(rig: Rig) -> None:
    """It is answered as for any link."""
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    token, other = await rig.link(holders=for_ann()), await rig.link()
    got = [await rig.ask("OPTIONS", f"/s/{one}", asked) for one in (token, other)]
    assert [(403, "not_allowed")] * 2 == [(one.status, json.loads(one.body)["reason"]) for one in got]
    assert [name for name, _ in got[0].headers] == [name for name, _ in got[1].headers]


@pytest.mark.parametrize(
    ("method", "tail", "headers", "body", "expected"),
    [
        ("GET", "", {}, b"", 200),
        ("GET", "?download=1", {}, b"", 200),
        ("GET", "", {"Range": "bytes=0-1"}, b"", 206),
        ("HEAD", "", {}, b"", 200),
        ("GET", "?page=1", BROWSER, b"", 200),
        ("POST", "", FORM, b"download=1", 303),
        ("PUT", "", {}, b"new", 201),
        ("POST", "", {**TUS, "Upload-Length": "3"}, b"", 201),
        ("POST", "/credentials", {}, b"", 200),
        ("GET", "", {"User-Agent": "Slackbot-LinkExpanding 1.0"}, b"", 200),
    ],
)
@pytest.mark.parametrize("way", ["Cookie", "Gateway-Holder"])
async def test_a_holder_has_all_of_it(
    rig: Rig, method: str, tail: str, headers: dict[str, str], body: bytes, expected: int, way: str
) -> None:
    """By cookie or by header; the record names them."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann(), actions=BOTH, overwrite=True, shows=frozenset({Shown.CARD}))
    shown = pass_for(grant)
    value = f"gateway_holder={shown}" if way == "Cookie" else shown
    got = await rig.ask(method, f"/s/{token}{tail}", {**headers, way: value}, body)
    assert (expected, ANN) == (got.status, (await rig.last()).holder), got.text


async def test_a_pass_is_for_one_link_one_token_and_a_day(rig: Rig) -> None:
    """Another link, a new token, twelve hours, another character: none of them knows it."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann())
    other = await rig.link(holders=for_ann())
    shown = pass_for(grant)
    assert 401 == (await rig.fetch(other, Gateway_Holder=shown)).status
    assert 401 == (await rig.fetch(token, Gateway_Holder=shown[:-4] + "AAAA")).status
    assert (
        401 == (await rig.fetch(token, Gateway_Holder=pass_for(replace(grant, holders=for_ann(key=bytes(32)))))).status
    )
    assert 200 == (await rig.fetch(token, Gateway_Holder=shown)).status
    fresh = LinkToken.mint(os.urandom(21))
    await rig.edit(grant, hash=fresh.hash)
    assert 401 == (await rig.fetch(fresh.text, Gateway_Holder=shown)).status
    assert 404 == (await rig.fetch(token, Gateway_Holder=shown)).status
    token, grant = await rig.granted(holders=for_ann())
    shown = pass_for(grant)
    await later(rig, PASS_SECONDS - 1)
    assert 200 == (await rig.fetch(token, Gateway_Holder=shown)).status
    await later(rig, 1)
    assert 401 == (await rig.fetch(token, Gateway_Holder=shown)).status


@asynccontextmanager
async def both_downloading(rig: Rig, token: str, *passes: str) -> AsyncIterator[None]:
    """Two people, each in the midst of a download."""
    async with rig.client(4096) as first, rig.client(4096) as second:
        for client, shown in zip((first, second), passes, strict=True):
            await client.send(f"GET /s/{token} HTTP/1.1\r\nHost: gw\r\nGateway-Holder: {shown}\r\n\r\n".encode())
        await until(lambda: len(rig.plane.transfers) >= 2)
        yield


async def test_who_is_taken_off_is_out_at_once(rig: Rig) -> None:
    """For new requests, and for what runs; who stays on the list goes on."""
    rig.store.hold("inside/a.txt", b"h" * 8_000_000)
    token, grant = await rig.granted(holders=for_ann(emails=(ANN, "bob@acme.example")))
    ann, bob = pass_for(grant), pass_for(grant, "bob@acme.example")
    async with both_downloading(rig, token, ann, bob):
        await rig.edit(grant, holders=for_ann())
        assert 1 == rig.metric("gateway_streams_cut_total", reason=Reason.HOLDER_REQUIRED)
        left = [permit.attempt.holder for permit in rig.plane.transfers if permit.exchange.cut_reason is None]
        assert [ANN] == [holder.address for holder in left if holder is not None]
    assert 401 == (await rig.fetch(token, Gateway_Holder=bob)).status
    assert 200 == (await rig.ask("HEAD", f"/s/{token}", {"Gateway-Holder": ann})).status


async def test_who_is_excluded_is_out_at_once(rig: Rig) -> None:
    """Though their domain is named: for new requests, for what runs, and no code goes there. Who else is of the domain
    goes on."""
    rig.store.hold("inside/a.txt", b"h" * 8_000_000)
    post = post_of(rig)
    domain = for_ann(emails=(), domains=("acme.example",))
    token, grant = await rig.granted(holders=domain)
    ann, bob = pass_for(grant), pass_for(grant, "bob@acme.example")
    async with both_downloading(rig, token, ann, bob):
        await rig.edit(grant, holders=replace(domain, excluded=("bob@acme.example",)))
        assert 1 == rig.metric("gateway_streams_cut_total", reason=Reason.HOLDER_REQUIRED)
        left = [permit.attempt.holder for permit in rig.plane.transfers if permit.exchange.cut_reason is None]
        assert [ANN] == [holder.address for holder in left if holder is not None]
    assert 401 == (await rig.fetch(token, Gateway_Holder=bob)).status
    assert 200 == (await rig.ask("HEAD", f"/s/{token}", {"Gateway-Holder": ann})).status
    assert [202, 202] == [(await ask(rig, token, email=one)).status for one in ("bob@acme.example", ANN)]
    assert [None, ANN] == [one[0] for one in post.sent]


@pytest.mark.parametrize(
    ("holders", "holder", "expected"),
    [
        (for_ann(), (ANN, ProvedBy.CODE, ()), 200),
        (for_ann(), (ANN, ProvedBy.OIDC, ()), 401),
        (for_ann(by=ProvedBy.OIDC), (ANN, ProvedBy.OIDC, ()), 200),
        (for_ann(by=ProvedBy.OIDC), (ANN, ProvedBy.CODE, ()), 401),
        (for_ann(by=ProvedBy.OIDC, groups=("finance",)), ("x@y.example", ProvedBy.OIDC, ("finance", "all")), 200),
        (for_ann(by=ProvedBy.OIDC, groups=("finance",)), ("x@y.example", ProvedBy.OIDC, ("all",)), 401),
        (for_ann(domains=("y.example",)), ("x@Y.example", ProvedBy.CODE, ()), 200),
        (for_ann(domains=("y.example",)), ("x@sub.y.example", ProvedBy.CODE, ()), 401),
        (for_ann(domains=("y.example",)), ("y.example", ProvedBy.CODE, ()), 401),
    ],
)
async def test_a_pass_is_judged_by_the_list_as_it_is(
    rig: Rig, holders: Holders, holder: tuple[str, ProvedBy, tuple[str, ...]], expected: int
) -> None:
    """Address, domain or group, proved in the way that the link asks for now."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=holders)
    address, by, groups = holder
    assert expected == (await rig.fetch(token, Gateway_Holder=pass_for(grant, address, by, groups))).status


async def test_one_cookie_that_somebody_planted_takes_nobody_out(rig: Rig) -> None:
    """Beside it, the genuine one counts; a stranger's pass beside it is nobody's; and of many, four are read."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann())
    mine, eve = pass_for(grant), pass_for(grant, "eve@acme.example")
    for planted in ("x", eve, "A" * 3000):
        cookie = f"gateway_holder={planted}; gateway_holder={mine}"
        assert 200 == (await rig.fetch(token, Cookie=cookie)).status
        assert ANN == (await rig.last()).holder
    assert (
        401 == (await rig.fetch(token, Cookie="; ".join(["gateway_holder=x"] * 4 + [f"gateway_holder={mine}"]))).status
    )


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"expires_at": 1.0}, 410), ({"suspended_at": 1.0}, 403), ({"cidrs": (ip_network("192.0.2.0/24"),)}, 403)],
)
async def test_who_is_refused_anyway_is_not_asked(rig: Rig, fields: dict[str, Any], status: int) -> None:
    """A link that has ended, or is not for this network, says that; and sends no code."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann(), **fields)
    assert status == (await rig.ask("GET", f"/s/{token}", BROWSER)).status
    assert (status, []) == ((await ask(rig, token)).status, post.sent)


async def test_a_password_is_asked_for_first_and_both_are_needed(rig: Rig) -> None:
    """Who does not know it is not asked who they are; a pass is no password, and the other way round."""
    rig.store.hold("inside/a.txt", b"hello")
    post = post_of(rig)
    token, grant = await rig.granted(holders=for_ann(), password=hash_password("word", bytes(16)))
    basic = {"Authorization": "Basic OndvcmQ="}
    refused = await rig.fetch(token)
    assert "password_required" == json.loads(refused.body)["reason"]
    assert "password_required" == json.loads((await ask(rig, token)).body)["reason"]
    assert "holder_required" == json.loads((await rig.ask("GET", f"/s/{token}", basic)).body)["reason"]
    assert 401 == (await rig.fetch(token, Gateway_Holder=pass_for(grant))).status
    assert [] == post.sent
    asked = json.loads((await ask(rig, token, **basic)).body)
    given = json.loads((await answer(rig, token, post.sent[0][1], asked["challenge"], **basic)).body)
    assert 200 == (await rig.ask("GET", f"/s/{token}", {**basic, "Gateway-Holder": given["pass"]})).status


async def test_a_browser_that_knows_the_password_is_asked_who_it_is(rig: Rig) -> None:
    """Its page gives the password's cookie and leads on, once; a wrong word does not, and a program is told as ever."""
    rig.store.hold("inside/a.txt", b"hello")
    token, _ = await rig.granted(holders=for_ann(), password=hash_password("word", bytes(16)))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    entered = await rig.ask("POST", f"/s/{token}", BROWSER | form, b"password=word")
    assert (303, f"/s/{token}") == (entered.status, entered.header("location"))
    cookie = {"Cookie": str(entered.header("set-cookie")).partition(";")[0]}
    page = await rig.ask("GET", f"/s/{token}", BROWSER | cookie)
    assert (401, True, False) == (page.status, 'name="email"' in page.text, 'name="password"' in page.text)
    wrong = await rig.ask("POST", f"/s/{token}", BROWSER | form, b"password=other")
    assert (401, None) == (wrong.status, wrong.header("set-cookie"))
    told = await rig.ask("POST", f"/s/{token}", form, b"password=word")
    assert "holder_required" == json.loads(told.body)["reason"]


async def test_terms_are_shown_to_holders_alone(rig: Rig) -> None:
    """And asked of them as of everybody."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann(), terms="Only for us.")
    shown = {"Gateway-Holder": pass_for(grant)}
    assert 401 == (await rig.fetch(token, "?accept_terms=1")).status
    assert 403 == (await rig.ask("GET", f"/s/{token}", shown)).status
    assert 200 == (await rig.ask("GET", f"/s/{token}?accept_terms=1", shown)).status


async def test_each_step_of_an_upload_is_asked(rig: Rig) -> None:
    """What was begun by a holder is continued by holders alone."""
    token, grant = await rig.granted("new.txt", holders=for_ann(), actions=BOTH)
    shown = {"Gateway-Holder": pass_for(grant)}
    made = await rig.ask("POST", f"/s/{token}", {**TUS, **shown, "Upload-Length": "3", "Content-Length": "0"})
    assert 201 == made.status, made.text
    place = (made.header("location") or "").partition("/s/")[2]
    moved = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert 401 == (await rig.ask("HEAD", f"/s/{place}", TUS)).status
    assert 401 == (await rig.ask("PATCH", f"/s/{place}", moved, b"new")).status
    assert 401 == (await rig.ask("DELETE", f"/s/{place}", TUS)).status
    assert 200 == (await rig.ask("HEAD", f"/s/{place}", {**TUS, **shown})).status
    assert 204 == (await rig.ask("PATCH", f"/s/{place}", {**moved, **shown}, b"new")).status


async def test_on_one_connection_each_request_is_asked(rig: Rig) -> None:
    """What one request showed opens nothing for the next: no answer is remembered."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann())
    shown = f"Gateway-Holder: {pass_for(grant)}\r\n"
    async with rig.client() as client:
        for more, expected in ((shown, 200), (shown, 200), ("", 401), (shown, 200), ("", 401)):
            await client.send(f"GET /s/{token} HTTP/1.1\r\nHost: gw\r\n{more}\r\n".encode())
            assert expected == (await client.answer()).status


async def test_credentials_of_a_link_are_their_holders(rig: Rig) -> None:
    """They are had with a pass, end with it, and stand for who had them: off the list, they open nothing."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann())
    shown = {"Gateway-Holder": pass_for(grant)}
    made = json.loads((await rig.ask("POST", f"/s/{token}/credentials", shown)).body)["credentials"]
    pair = Credentials(made["accessKeyId"], made["secretAccessKey"])
    session = {"x-amz-security-token": made["sessionToken"]}
    assert "2026-09-22T02:13:20Z" == made["expiration"]

    async def get() -> Got:
        target, headers = rig.signed(pair, "GET", "reports/a.txt", headers=session)
        return await rig.ask("GET", target, headers)

    assert (200, ANN) == ((await get()).status, (await rig.last()).holder)
    grant = await rig.edit(grant, holders=for_ann(emails=("bob@acme.example",)))
    assert 403 == (await get()).status
    await rig.edit(grant, holders=for_ann(by=ProvedBy.OIDC))
    assert 403 == (await get()).status


async def test_a_link_that_gets_holders_later_asks_who_has_its_credentials(rig: Rig) -> None:
    """Nobody was asked when they were given, so they are nobody's."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted()
    made = json.loads((await rig.ask("POST", f"/s/{token}/credentials")).body)["credentials"]
    pair = Credentials(made["accessKeyId"], made["secretAccessKey"])
    await rig.edit(grant, holders=for_ann())
    headers = {"x-amz-security-token": made["sessionToken"]}
    target, headers = rig.signed(pair, "GET", "reports/a.txt", headers=headers)
    assert 403 == (await rig.ask("GET", target, headers)).status


async def test_two_people_have_two_uses(rig: Rig) -> None:
    """Behind one address, with one agent and one cookie; what one of them resumes is still one use."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann(domains=("acme.example",)), uses=2)
    for name, expected in ((ANN, 206), (ANN, 206), ("bob@acme.example", 206), (ANN, 206), ("eve@acme.example", 410)):
        headers = {"Range": "bytes=0-1", "Cookie": "gateway_lease=aa", "Gateway-Holder": pass_for(grant, name)}
        assert expected == (await rig.ask("GET", f"/s/{token}", headers)).status, name
    assert 2 == await rig.used(grant)
