"""Laws of `gateway.mail.webhook`, against a real server."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.core.mail import Mail, MailHook
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.mail.webhook import WebhookMailer, sign_document

MAIL = Mail("ann@acme.example", "Your code", "12345678", "de", id="m1")
SECRET = "a secret of a webhook"


@asynccontextmanager
async def hook(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[MailHook]:
    app = web.Application()
    app.router.add_route("*", "/{way:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        yield MailHook(url=str(server.make_url("/mails")), secret=SECRET, timeout=5)
    finally:
        await server.close()


async def refusal(place: MailHook) -> tuple[Reason, str]:
    with pytest.raises(UpstreamFailed) as caught:
        await WebhookMailer(place).send(MAIL)
    return caught.value.reason, caught.value.detail


async def test_a_receiver_can_tell_that_it_is_ours() -> None:
    """One document, signed with its id and its time as Standard Webhooks has it."""
    seen = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, dict(request.headers), await request.read()))
        return web.Response(status=204)

    async with hook(take) as place:
        await WebhookMailer(place, clock=lambda: 1_800_000_000.9).send(MAIL)
    [(method, path, headers, body)] = seen
    assert ("POST", "/mails", "m1", "1800000000") == (
        method,
        path,
        headers["webhook-id"],
        headers["webhook-timestamp"],
    )
    signed = hmac.digest(SECRET.encode(), b"m1.1800000000." + body, "sha256")
    assert f"v1,{base64.b64encode(signed).decode()}" == headers["webhook-signature"]
    assert {
        "type": "mail",
        "to": "ann@acme.example",
        "subject": "Your code",
        "text": "12345678",
        "language": "de",
    } == json.loads(body)


def test_the_standards_own_example_has_its_signature() -> None:
    """As the specification's libraries compute it, from a secret in the form that they give."""
    signature = sign_document(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signature


def test_each_part_is_signed() -> None:
    """The control: another id, another time, another body, another secret have another signature."""
    usual = (SECRET, "m1", 1, b"{}")
    others = [
        ("another secret of it", *usual[1:]),
        (SECRET, "m2", 1, b"{}"),
        (SECRET, "m1", 2, b"{}"),
        (*usual[:3], b"[]"),
    ]
    assert sign_document(*usual) not in {sign_document(*other) for other in others}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *[(200, None), (202, None), (302, Reason.UPSTREAM_REFUSED), (307, Reason.UPSTREAM_REFUSED)],
        *[(400, Reason.UPSTREAM_REFUSED), (410, Reason.UPSTREAM_REFUSED), (429, Reason.UPSTREAM_BROKE)],
        *[(500, Reason.UPSTREAM_BROKE), (503, Reason.UPSTREAM_BROKE)],
    ],
)
async def test_a_status_says_whether_it_was_taken(status: int, reason: Reason | None) -> None:
    """2xx is; redirects, which are not followed, and most of 4xx are no for good; the rest is for now."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"}, text=MAIL.text)

    async with hook(answer) as place:
        if reason is None:
            await WebhookMailer(place).send(MAIL)
        else:
            assert (reason, f"the webhook answered {status}") == await refusal(place)
    assert ["/mails"] == asked


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"])
async def test_no_metadata_is_dialled(host: str) -> None:
    """What a cloud serves to its machines is no place for mails, by name or by address."""
    reason, detail = await refusal(MailHook(url=f"http://{host}/mails", secret=SECRET, timeout=5))
    assert Reason.UPSTREAM_UNREACHABLE == reason
    assert "the webhook cannot be reached (ClientConnectorError)" == detail


async def test_who_does_not_answer_has_a_deadline() -> None:
    """Of the whole."""
    ended = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await ended.wait()
        return web.Response()

    async with hook(hang) as place:
        assert Reason.UPSTREAM_TIMED_OUT == (await refusal(replace(place, timeout=0.1)))[0]
        ended.set()


async def test_nobody_there_is_told_without_the_address() -> None:
    """By the kind of failure."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async with hook(answer) as place:
        gone = place
    reason, detail = await refusal(gone)
    assert (Reason.UPSTREAM_UNREACHABLE, False) == (reason, "acme" in detail)
