"""What a client gets when something said no."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from gateway.core.pattern import NamePattern
from gateway.core.reasons import TABLE, DependencyDown, Reason, Refused, UpstreamFailed
from gateway.core.request import Action
from gateway.core.rule import LimitRule
from gateway.core.token import ENTROPY_BYTES, LinkToken
from gateway.data.state.guess_limiter import GuessLimiter
from tests.data.harness import Rig, policy, request
from tests.data.scripted_store import Scripted

SILENT = {Reason.CLIENT_GONE, Reason.CLIENT_TOO_SLOW}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in SILENT])
async def test_every_reason_has_its_public_answer_and_no_other_word(rig: Rig, reason: Reason) -> None:
    """On a link path a problem document from the table; `detail` stays with us."""
    rig.store.script(Scripted(raises=Refused(reason, "our own inner words")))
    got = await rig.fetch(await rig.link())
    assert (TABLE[reason].link_status, True) == (got.status, got.whole)
    assert b"inner words" not in got.body
    assert TABLE[reason].text == json.loads(got.body)["detail"]
    assert reason == (await rig.last()).reason


async def test_the_s3_face_answers_xml_with_ids(app: Rig) -> None:
    """An SDK finds its code and the request id."""
    app.store.script(Scripted(raises=UpstreamFailed(Reason.UPSTREAM_TIMED_OUT, "10.0.0.7 was slow")))
    got = await app.ask("GET", "/reports/a")
    record = await app.last()
    assert (504, record.request_id) == (got.status, got.header("x-amz-request-id"))
    assert b"<Code>GatewayTimeout</Code>" in got.body
    assert b"10.0.0.7" not in got.body


@pytest.mark.parametrize(
    "failure", [DependencyDown("grants", "db at 10.0.0.1"), ZeroDivisionError("inner words")], ids=["down", "fault"]
)
async def test_our_own_faults_are_told_without_detail(app: Rig, failure: Exception) -> None:
    """503 for a part that is down, 500 for a fault; neither says where."""
    app.store.script(Scripted(raises=failure))
    got = await app.ask("GET", "/reports/a")
    assert got.status == (503 if isinstance(failure, DependencyDown) else 500)
    assert b"inner" not in got.body
    assert b"10.0.0.1" not in got.body
    if got.status == 503:
        assert "1" == got.header("retry-after")


async def test_a_failure_after_the_head_is_a_cut_and_no_text(app: Rig) -> None:
    """The answer that had begun is never continued by another."""
    app.store.script(Scripted(200, {}, [b"x" * 70_000, ZeroDivisionError("inner words")], length=100_000))
    got = await app.ask("GET", "/reports/a")
    assert not got.whole
    assert b"x" * len(got.body) == got.body
    assert 1 == app.metric("gateway_streams_cut_total", reason="internal")


async def test_head_is_refused_without_a_body(app: Rig) -> None:
    """The next answer on the connection begins where it should."""
    async with app.client() as client:
        await client.send(b"HEAD /reports/none HTTP/1.1\r\nHost: gw\r\n\r\n" * 2)
        assert [404, 404] == [(await client.answer("HEAD")).status for _ in range(2)]


async def test_a_browser_gets_a_page(rig: Rig) -> None:
    """People read HTML, programs read problem documents."""
    got = await rig.fetch("none", Accept="text/html")
    assert "text/html" in (got.header("content-type") or "")
    got = await rig.fetch("none")
    assert "application/problem+json" == got.header("content-type")


@pytest.mark.parametrize(
    ("action", "method", "allow"),
    [(Action.READ, "PUT", "GET, HEAD, OPTIONS"), (Action.WRITE, "GET", "OPTIONS, POST, PUT")],
)
async def test_a_405_names_what_this_link_takes(rig: Rig, action: Action, method: str, allow: str) -> None:
    """A PUT to a read link is not told to try PUT (RFC 9110, 15.5.6)."""
    got = await rig.ask(method, f"/s/{await rig.link(actions=[action])}")
    assert (405, allow) == (got.status, got.header("allow"))


async def test_every_429_tells_when_and_how_much(rig: Rig) -> None:
    """`Retry-After` and the RateLimit fields, for guesses and for transfers at once as for rates."""
    for _ in range(62):
        guessed = await rig.fetch(LinkToken.mint(os.urandom(ENTROPY_BYTES)).text)
    rig.use(policy(limits=(LimitRule(who=NamePattern.parse("link:*"), concurrent=1),)))
    rig.plane.guesses = GuessLimiter()
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, hold], length=70_000))
    token = await rig.link()
    async with rig.client() as running:
        await running.send(request("GET", f"/s/{token}"))
        await running.head()
        crowded = await rig.fetch(token)
        hold.set()
        await running.rest_of(70_000)
    for got, limit in ((guessed, 30), (crowded, 1)):
        fields = got.header("retry-after"), got.header("ratelimit-policy"), got.header("ratelimit")
        assert (429, f'"requests";q={limit}') == (got.status, fields[1])
        assert all(fields)


async def test_a_head_that_nobody_can_read_is_answered_in_its_places_form(rig: Rig) -> None:
    """A problem document below `/s/`, XML elsewhere, though no rule of HTTP held."""
    links, buckets = await rig.ask("GET", "/s/%zz"), await rig.ask("GET", "/reports/%zz")
    assert (400, "application/problem+json") == (links.status, links.header("content-type"))
    assert (400, "application/xml") == (buckets.status, buckets.header("content-type"))
