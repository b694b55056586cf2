"""A link's terms: nothing is had before they are accepted, whatever is asked; and what is recorded of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.core.password import hash_password
from gateway.core.request import Action
from tests.data.harness import Rig, request

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", **BROWSER}
TERMS = "Only for <us>.\nNot for others."
BOTH = frozenset({Action.READ, Action.WRITE})
FOLDER = frozenset({Action.READ, Action.LIST, Action.WRITE})

TRIES: list[tuple[str, str, dict[str, str], bytes]] = [
    ("GET", "", {}, b""),
    ("GET", "?download=1", {}, b""),
    ("GET", "", {"Range": "bytes=0-1"}, b""),
    ("HEAD", "", {}, b""),
    ("PUT", "", {}, b"new"),
    ("POST", "", {"Tus-Resumable": "1.0.0", "Upload-Length": "3"}, b""),
    ("POST", "", {"Content-Type": "multipart/form-data; boundary=b"}, b"--b--"),
    ("POST", "/credentials", {}, b""),
    ("GET", "", {"User-Agent": "Slackbot-LinkExpanding 1.0"}, b""),
    ("GET", "?accept_terms=0", {}, b""),
    ("GET", "", {"Accept-Terms": "no"}, b""),
    ("GET", "", {"Cookie": "gateway_terms=0123456789abcdef0123456789abcdef"}, b""),
]


@pytest.mark.parametrize(("method", "tail", "headers", "body"), TRIES)
async def test_nothing_is_had_before_they_are_accepted(
    rig: Rig, method: str, tail: str, headers: dict[str, str], body: bytes
) -> None:
    """No byte, no name, no use, no upload, no credentials; the store is not asked, and no acceptance is recorded."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(terms=TERMS, actions=BOTH, uses=3)
    got = await rig.ask(method, f"/s/{token}{tail}", headers, body)
    assert (403, [], 0) == (got.status, rig.store.seen, await rig.used(grant))
    record = await rig.last()
    assert ("terms_not_accepted", "") == (record.reason, record.terms)
    assert "hello" not in got.text


@pytest.mark.parametrize("tail", ["/", "/a.txt", "/?archive=zip"])
async def test_a_folder_shows_nothing_either(rig: Rig, tail: str) -> None:
    """Neither its list nor its files."""
    rig.store.hold("inside/box/a.txt", b"hello")
    token = await rig.link(prefix="box/", terms=TERMS, actions=FOLDER)
    assert (403, []) == ((await rig.fetch(token, tail)).status, rig.store.seen)


@pytest.mark.parametrize(
    ("tail", "headers"),
    [("?accept_terms=1", {}), ("?accept_terms=yes", {}), ("", {"Accept-Terms": "true"}), ("", {"Accept-Terms": "YES"})],
)
async def test_a_program_accepts_them_with_its_request(rig: Rig, tail: str, headers: dict[str, str]) -> None:
    """By its address or a header; the record of the use says which terms those were, and no cookie is given."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(terms=TERMS)
    got = await rig.ask("GET", f"/s/{token}{tail}", headers)
    assert (200, b"hello", None) == (got.status, got.body, got.header("set-cookie"))
    assert grant.terms_mark == (await rig.last()).terms
    assert 403 == (await rig.fetch(token)).status
    named = {"Accept-Terms": grant.terms_mark}
    assert 200 == (await rig.ask("GET", f"/s/{token}", named)).status


async def test_a_program_is_told_them_and_may_accept_what_it_read(rig: Rig) -> None:
    """The refusal has the text and its mark; other terms are not accepted by the mark of these."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(terms=TERMS)
    said = json.loads((await rig.fetch(token)).text)
    assert (TERMS, grant.terms_mark) == (said["terms"], said["terms_mark"])
    accepted = {"Accept-Terms": said["terms_mark"]}
    assert 200 == (await rig.ask("GET", f"/s/{token}", accepted)).status
    await rig.edit(grant, terms="Others.")
    assert 403 == (await rig.ask("GET", f"/s/{token}", accepted)).status


async def test_a_person_accepts_them_on_the_page(rig: Rig) -> None:
    """The page shows the text, escaped, and nothing of the file; its box gives a cookie that lets the link be used."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(terms=TERMS)
    page = await rig.ask("GET", f"/s/{token}", BROWSER)
    assert (403, True) == (page.status, 'type="checkbox" name="accept_terms"' in page.text)
    assert "Only for &lt;us&gt;." in page.text
    assert "a.txt" not in page.text
    back = await rig.ask("POST", f"/s/{token}", FORM, b"accept_terms=1")
    assert (303, grant.terms_mark) == (back.status, (await rig.last()).terms)
    cookie = (back.header("set-cookie") or "").partition(";")[0]
    assert f"gateway_terms={grant.terms_mark}" == cookie
    assert b"hello" == (await rig.ask("GET", f"/s/{token}", {**BROWSER, "Cookie": cookie})).body
    await rig.edit(grant, terms="Others.")
    assert 403 == (await rig.ask("GET", f"/s/{token}", {**BROWSER, "Cookie": cookie})).status


async def test_a_password_is_asked_for_first(rig: Rig) -> None:
    """Strangers do not read the terms; to prove the password accepts nothing."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(terms=TERMS, password=hash_password("word", bytes(16)))
    assert 401 == (await rig.ask("GET", f"/s/{token}", BROWSER)).status
    back = await rig.ask("POST", f"/s/{token}", FORM, b"password=word")
    assert (303, "") == (back.status, (await rig.last()).terms)
    proved = (back.header("set-cookie") or "").partition(";")[0]
    assert "gateway_password" in proved
    assert "gateway_terms" not in "".join(back.headers_named("set-cookie"))
    assert 403 == (await rig.ask("GET", f"/s/{token}", {**BROWSER, "Cookie": proved})).status
    back = await rig.ask("POST", f"/s/{token}", {**FORM, "Cookie": proved}, b"accept_terms=1")
    cookies = "; ".join(value.partition(";")[0] for value in back.headers_named("set-cookie"))
    assert b"hello" == (await rig.ask("GET", f"/s/{token}", {**BROWSER, "Cookie": cookies})).body


async def test_a_link_that_has_ended_shows_no_terms(rig: Rig) -> None:
    """It says that it has ended, as any other."""
    token = await rig.link(terms=TERMS, expires_at=rig.clock.now - 1)
    got = await rig.ask("GET", f"/s/{token}", BROWSER)
    assert (410, False) == (got.status, "Only for" in got.text)


async def test_what_was_begun_goes_on(rig: Rig) -> None:
    """An upload that was accepted when it began asks no more; and one without terms records none."""
    token = await rig.link("new.txt", terms=TERMS, actions=BOTH)
    made = await rig.ask(
        "POST", f"/s/{token}?accept_terms=1", {"Tus-Resumable": "1.0.0", "Upload-Length": "3", "Content-Length": "0"}
    )
    assert 201 == made.status, made.text
    place = (made.header("location") or "").partition("/s/")[2]
    assert 200 == (await rig.ask("HEAD", f"/s/{place}", {"Tus-Resumable": "1.0.0"})).status
    rig.store.hold("inside/a.txt", b"hello")
    await rig.fetch(await rig.link())
    assert "" == (await rig.last()).terms


async def test_each_request_is_asked_and_no_answer_is_remembered(rig: Rig) -> None:
    """On one connection too: who accepted for one request has not for the next, and each acceptance is recorded."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(terms=TERMS)
    async with rig.client() as client:
        for _ in range(3):
            for tail, expected in (("?accept_terms=1", 200), ("?accept_terms=1", 200), ("", 403)):
                await client.send(request("GET", f"/s/{token}{tail}"))
                assert expected == (await client.answer()).status
    await rig.settled()
    assert [grant.terms_mark, grant.terms_mark, ""] * 3 == [record.terms for record in rig.records]
    assert "" == replace(grant, terms=None).terms_mark
    assert "terms_not_accepted" == json.loads((await rig.fetch(token)).body)["reason"]
