"""How somebody proves to be a holder of a link: by a code that is mailed, typed and posted."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from gateway.core.holder_pass import CODE_SECONDS, PASS_SECONDS
from gateway.core.reasons import DependencyDown
from gateway.core.revocation_target import FeedKind
from tests.data.harness import Rig
from tests.data.links.proving import (
    ANN,
    BROWSER,
    FORM,
    PROGRAM,
    answer,
    ask,
    for_ann,
    later,
    pass_for,
    post_of,
)


async def test_a_person_proves_it_on_the_page(rig: Rig) -> None:
    """Address, code, and on to the link, by forms alone; each step says where one is."""
    rig.store.hold("inside/a.txt", b"hello")
    post = post_of(rig)
    token, grant = await rig.granted(holders=for_ann())
    page = await rig.ask("GET", f"/s/{token}", BROWSER)
    assert 'type="email" autocomplete="email"' in page.text
    back = await rig.ask("POST", f"/s/{token}", {**FORM, **BROWSER}, b"email=%20Ann%40ACME.example")
    assert (303, f"/s/{token}") == (back.status, back.header("location"))
    assert [ANN] == [address for address, _ in post.sent]
    asked = (back.header("set-cookie") or "").partition(";")[0]
    assert re.search(rf"; Max-Age=600; Path=/s/{token}; HttpOnly; SameSite=Lax$", back.header("set-cookie") or "")
    page = await rig.ask("GET", f"/s/{token}", {**BROWSER, "Cookie": asked})
    assert (401, True) == (page.status, 'inputmode="numeric" autocomplete="one-time-code"' in page.text)
    assert "Ann@acme.example" in page.text
    code = post.sent[0][1]
    wrong = await rig.ask("POST", f"/s/{token}", {**FORM, **BROWSER, "Cookie": asked}, b"code=00000000")
    assert (401, True) == (wrong.status, 'role="alert"' in wrong.text and 'name="code"' in wrong.text)
    typed = f"code={code[:4]}+{code[4:]}".encode()
    back = await rig.ask("POST", f"/s/{token}", {**FORM, **BROWSER, "Cookie": asked}, typed)
    given = back.headers_named("set-cookie")
    assert (303, ["gateway_holder", "gateway_asked"]) == (back.status, [one.partition("=")[0] for one in given])
    assert f"; Max-Age={int(PASS_SECONDS)}; " in given[0]
    assert f"gateway_asked=; Max-Age=0; Path=/s/{token}" in given[1]
    assert "Ann@acme.example" == (await rig.last()).holder
    got = await rig.ask("GET", f"/s/{token}", {**BROWSER, "Cookie": given[0].partition(";")[0]})
    assert (200, b"hello") == (got.status, got.body)
    anew = await rig.ask("POST", f"/s/{token}", {**FORM, **BROWSER, "Cookie": asked}, b"other_address=1")
    assert (303, True) == (anew.status, "gateway_asked=; Max-Age=0" in (anew.header("set-cookie") or ""))
    assert grant.id == (await rig.last()).grant_id


async def test_each_window_has_a_code_of_its_own(rig: Rig) -> None:
    """The form sends back for which challenge it is: another one that the browser asked for later takes nothing away,
    and a wrong code leads back to the same."""
    rig.store.hold("inside/a.txt", b"hello")
    post = post_of(rig)
    token, _ = await rig.granted(holders=for_ann())
    asked = [await rig.ask("POST", f"/s/{token}", {**FORM, **BROWSER}, b"email=ann%40acme.example") for _ in range(2)]
    cookies = [(one.header("set-cookie") or "").partition(";")[0] for one in asked]
    first = cookies[0].partition("=")[2]
    page = await rig.ask("GET", f"/s/{token}", {**BROWSER, "Cookie": cookies[0]})
    assert f'name="challenge" value="{first}"' in page.text
    headers = {**FORM, **BROWSER, "Cookie": cookies[1]}
    wrong = await rig.ask("POST", f"/s/{token}", headers, f"challenge={first}&code=1".encode())
    assert (401, True) == (wrong.status, f'name="challenge" value="{first}"' in wrong.text)
    got = await rig.ask("POST", f"/s/{token}", headers, f"challenge={first}&code={post.sent[0][1]}".encode())
    assert 303 == got.status


async def test_a_program_proves_it_by_documents(rig: Rig) -> None:
    """A challenge for an address, a pass for a code, and the pass in a header."""
    rig.store.hold("inside/a.txt", b"hello")
    post = post_of(rig)
    token, grant = await rig.granted(holders=for_ann(), expires_at=rig.clock.now + 3600)
    asked = await ask(rig, token)
    assert (202, 600) == (asked.status, json.loads(asked.body)["expires_in"])
    assert asked.header("set-cookie") is None
    got = await answer(rig, token, post.sent[0][1], json.loads(asked.body)["challenge"])
    given = json.loads(got.body)
    assert (200, "2026-09-21T15:13:20Z") == (got.status, given["expires_at"]), rig.clock.now
    got = await rig.fetch(token, Gateway_Holder=given["pass"])
    assert (200, b"hello") == (got.status, got.body)
    assert ANN == rig.records[-2].holder
    assert post.sent[0][1] not in repr(rig.records)
    assert grant.id == rig.records[-2].grant_id


async def test_nobody_learns_who_is_on_the_list(rig: Rig) -> None:
    """The answers to an address that is on it and to one that is not differ in nothing but the challenge."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann(domains=("partner.example",)))
    for headers in (PROGRAM, {**FORM, **BROWSER}):
        answers = []
        for email in (ANN, "eve@acme.example", "x@partner.example", "x@sub.partner.example"):
            got = await rig.ask("POST", f"/s/{token}", headers, f"email={email}".encode())
            challenge = re.search(r"[A-Za-z0-9_-]{80,}", got.text + (got.header("set-cookie") or ""))
            assert challenge is not None
            hidden = challenge[0]
            answers.append((got.status, got.text.replace(hidden, "C"), sorted(n for n, _ in got.headers)))
        assert [answers[0]] * 4 == answers
    assert [ANN, None, "x@partner.example", None] * 2 == [address for address, _ in post.sent]


async def test_a_stranger_with_the_right_digits_is_none_of_them(rig: Rig) -> None:
    """What was made for an address that is not on the list opens nothing, and is answered as a wrong code."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann())
    asked = json.loads((await ask(rig, token, "eve@acme.example")).body)
    got = await answer(rig, token, post.sent[0][1], asked["challenge"])
    assert (401, "code_wrong") == (got.status, json.loads(got.body)["reason"])


async def test_a_code_is_good_for_five_tries_however_many_come_at_once(rig: Rig) -> None:
    """Forty wrong ones at once are forty tries: the right one afterwards is too late, and other codes are not."""
    rig.store.hold("inside/a.txt", b"hello")
    post = post_of(rig)
    token = await rig.link(holders=for_ann())
    first, second = [json.loads((await ask(rig, token)).body)["challenge"] for _ in range(2)]
    codes = [code for _, code in post.sent]
    wrong = [f"{number:08}" for number in range(20) if f"{number:08}" != codes[0]]
    got = await asyncio.gather(*(answer(rig, token, code, first) for code in wrong))
    assert {401} == {one.status for one in got}
    tried = [detail for detail in rig.details if "another one" in detail]
    assert 5 == len(tried)
    assert 401 == (await answer(rig, token, codes[0], first)).status
    assert 200 == (await answer(rig, token, codes[1], second)).status


async def test_the_fifth_try_counts(rig: Rig) -> None:
    """Four wrong ones leave one."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann())
    challenge = json.loads((await ask(rig, token)).body)["challenge"]
    for _ in range(4):
        assert 401 == (await answer(rig, token, "nonsense", challenge)).status
    assert 200 == (await answer(rig, token, post.sent[0][1], challenge)).status


async def test_a_code_is_used_once_and_for_ten_minutes(rig: Rig) -> None:
    """The same code at once, later and on another connection gives one pass; and none after its time."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann())
    challenge = json.loads((await ask(rig, token)).body)["challenge"]
    got = await asyncio.gather(*(answer(rig, token, post.sent[0][1], challenge) for _ in range(4)))
    assert [200, 401, 401, 401] == sorted(one.status for one in got)
    challenge = json.loads((await ask(rig, token)).body)["challenge"]
    await later(rig, CODE_SECONDS)
    assert 401 == (await answer(rig, token, post.sent[1][1], challenge)).status
    challenge = json.loads((await ask(rig, token)).body)["challenge"]
    await later(rig, CODE_SECONDS - 2)
    assert 200 == (await answer(rig, token, post.sent[2][1], challenge)).status


async def test_a_code_is_of_its_link_and_its_challenge(rig: Rig) -> None:
    """What another link has sent, or another challenge, or what was altered, opens nothing."""
    post = post_of(rig)
    token, other = await rig.link(holders=for_ann()), await rig.link("b.txt", holders=for_ann())
    mine = json.loads((await ask(rig, token)).body)["challenge"]
    theirs = json.loads((await ask(rig, other)).body)["challenge"]
    mine_code, their_code = (code for _, code in post.sent)
    altered = mine[:-2] + ("A" if mine[-2] != "A" else "B") + mine[-1]
    for code, challenge in ((their_code, mine), (mine_code, theirs), (their_code, theirs), (mine_code, altered)):
        assert 401 == (await answer(rig, token, code, challenge)).status
    assert 200 == (await answer(rig, token, mine_code, mine)).status


@pytest.mark.parametrize(
    "email",
    [
        *("", "ann", "ann@", "@acme.example", "ann@acme", "a b@acme.example", "ann@acme..example", "ann@-a.example"),
        *("ann%0D%0ABcc:eve@acme.example", "ann@acme.example%0D%0ABcc:%20eve@x.example", "%3Cann@acme.example%3E"),
        *("ann@acme.example,eve@x.example", "%22a%22@acme.example", "a%00@acme.example", "a" * 65 + "@acme.example"),
        "ann@" + "a" * 300 + ".example",
    ],
)
async def test_what_is_no_address_is_told_and_mailed_to_nobody(rig: Rig, email: str) -> None:
    """On the page with the form for another try."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann(domains=("acme.example",)))
    got = await ask(rig, token, email)
    assert (400, "bad_address", []) == (got.status, json.loads(got.body)["reason"], post.sent)
    page = await rig.ask("POST", f"/s/{token}", {**FORM, **BROWSER}, f"email={email}".encode())
    assert (400, True) == (page.status, 'type="email"' in page.text)


async def test_codes_are_asked_for_a_few_times(rig: Rig) -> None:
    """Of one address at one link five an hour, whether it is on the list or not; other addresses are not kept out."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann(domains=("acme.example",)))
    for email in (ANN, "eve@other.example"):
        got = [await ask(rig, token, email) for _ in range(6)]
        assert [202] * 5 + [429] == [one.status for one in got]
        assert 700 < int(got[-1].header("retry-after") or 0) <= 720
    assert 429 == (await ask(rig, token, "ANN@acme.example")).status
    assert 202 == (await ask(rig, token, "bob@acme.example")).status
    assert 6 == len([address for address, _ in post.sent if address is not None])
    await later(rig, 721)
    assert 202 == (await ask(rig, token)).status


async def test_one_client_asks_for_sixty_and_guesses_thirty(rig: Rig) -> None:
    """Whatever addresses and codes it tries; a right code is no guess."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann(domains=("acme.example",)))
    got = [(await ask(rig, token, f"a{number}@acme.example")).status for number in range(61)]
    assert [202] * 60 + [429] == got
    await later(rig, 61)
    asked = json.loads((await ask(rig, token)).body)["challenge"]
    assert 200 == (await answer(rig, token, post.sent[-1][1], asked)).status
    statuses = [(await answer(rig, token, "1", "x")).status for _ in range(31)]
    assert [401] * 30 + [429] == statuses


async def test_while_nobody_counts_no_code_is_sent_or_taken(rig: Rig) -> None:
    """However open the posture of limits is: uncounted, eight digits are guessed."""

    class Down:
        async def take(self, demands: object, now: float) -> object:
            raise DependencyDown("limits", "away")

    post = post_of(rig)
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(holders=for_ann())
    assert "open" == rig.plane.snapshot.posture.limits
    challenge = json.loads((await ask(rig, token)).body)["challenge"]
    rig.plane.limits = Down()  # type: ignore[assignment]
    assert 503 == (await ask(rig, token)).status
    assert 503 == (await answer(rig, token, post.sent[0][1], challenge)).status
    assert 1 == len(post.sent)
    assert 200 == (await rig.fetch(token, Gateway_Holder=pass_for(grant))).status


async def test_a_gateway_that_sends_no_mail_says_so_to_everybody(rig: Rig) -> None:
    """On the list or not."""
    token = await rig.link(holders=for_ann())
    assert [503, 503] == [(await ask(rig, token, email)).status for email in (ANN, "eve@x.example")]


async def test_a_revoked_link_sends_no_code(rig: Rig) -> None:
    """Nor does it take one that was sent before."""
    post = post_of(rig)
    token, grant = await rig.granted(holders=for_ann())
    challenge = json.loads((await ask(rig, token)).body)["challenge"]
    await rig.revoke(FeedKind.LINK, grant.id)
    assert 410 == (await ask(rig, token)).status
    assert 410 == (await answer(rig, token, post.sent[0][1], challenge)).status
    assert 1 == len(post.sent)


async def test_the_code_is_mailed_to_the_address_as_its_owner_wrote_it(rig: Rig) -> None:
    """Capitals may be part of a mailbox's name; whoever types others gets nothing sent elsewhere."""
    post = post_of(rig)
    token = await rig.link(holders=for_ann(emails=("Ann.Lee@acme.example",)))
    await ask(rig, token, "ann.lee@ACME.example")
    assert ["Ann.Lee@acme.example"] == [address for address, _ in post.sent]


async def test_forms_that_prove_nothing_go_on_as_ever(rig: Rig) -> None:
    """A link without holders takes no address; it leads back to itself."""
    post = post_of(rig)
    token = await rig.link()
    got = await rig.ask("POST", f"/s/{token}", {**FORM, **BROWSER}, f"email={ANN}".encode())
    assert (303, []) == (got.status, post.sent)
