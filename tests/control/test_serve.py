"""The guard before every row, and what all answers have in common."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from gateway.control import serve
from gateway.control.caller import Access
from gateway.control.rows import ROWS
from gateway.core.duty import AdminTerms
from gateway.core.reasons import Reason
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import hash_secret
from gateway.core.trail import entry_fields
from gateway.server import deadline, exchange
from gateway.wire.replies import Reply
from tests.control import desk as desks
from tests.control.desk import ADMIN, APP, Desk, serving

PUBLIC = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/openapi.json",
    "/v1/sign-in",
    "/v1/credentials/{app}",
    "/sts",
    "/sts/",
}


async def test_every_row_but_the_public_ones_refuses_without_a_token(desk: Desk) -> None:
    """No guarded row answers anything but 401 without a token, or with one that is wrong or in the wrong place."""
    assert {row.path for row in ROWS if row.access in {Access.PUBLIC, Access.APP}} == PUBLIC
    guarded = [row for row in ROWS if row.access not in {Access.PUBLIC, Access.APP}]
    assert guarded
    for row in guarded:
        path = re.sub(r"{\w+}", "l_1", row.path)
        for value in (None, "", "Bearer", "Bearer  ", f"Bearer {APP}x", "Basic ", ADMIN, APP, f"Bearer {ADMIN}x"):
            desk.clock.now += 60
            desk.token = None
            answer = await desk.ask(row.method, path, headers={} if value is None else {"Authorization": value})
            assert answer.status == 401, (row, value)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert answer.json["reason"] == "credentials_missing"


async def test_public_rows_need_no_token(desk: Desk) -> None:
    """Probes and scrapers carry no token."""
    desk.token = None
    for path in ("/healthz", "/readyz", "/metrics", "/v1/openapi.json"):
        assert (await desk.ask("GET", path)).status == 200


async def test_tokens_are_asked_at_every_request() -> None:
    """A token that a reload took away is refused at the next request, and the audit trail knows the tokens apart."""
    known: dict[bytes, AdminTerms] = {}
    async with serving(admins=lambda: known) as desk:
        assert (await desk.ask("GET", "/v1/links")).status == 401


@pytest.mark.parametrize("removed", [True, False])
async def test_who_waits_has_to_be_known_until_the_answer_comes(removed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that a reload takes away ends its long-polls, which hear of nothing more; others wait on."""
    monkeypatch.setattr(serve, "_RECHECK_SECONDS", 0.01)
    known = {hash_secret(ADMIN): AdminTerms("ops")}
    async with serving(admins=lambda: known) as desk:
        waiting = asyncio.get_running_loop().create_task(desk.ask("GET", "/v1/revocations?after=0&wait=20"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        if removed:
            known.clear()
            async with asyncio.timeout(10):
                answer = await waiting
            assert (401, "credentials_missing") == (answer.status, answer.json["reason"])
            return
        await desk.state.feed.revoke([RevocationTarget(FeedKind.OWNER, "app:gone")], desk.clock(), "test", "admin:ops")
        answer = await waiting
        assert (200, 1) == (answer.status, len(answer.json["revocations"]))


async def test_every_request_is_counted_by_its_operation() -> None:
    """Under the name that the description gives it; a path that is none has none, and ids are in no name."""
    heard: list[tuple[str, int]] = []
    async with serving(count=lambda operation, status, seconds: heard.append((operation, status))) as desk:
        for method, path in (("GET", "/v1/links"), ("GET", "/v1/links/l_1"), ("GET", "/v2"), ("PUT", "/v1/links")):
            await desk.ask(method, path)
        desk.token = None
        await desk.ask("GET", "/v1/keys")
    assert [("listLinks", 200), ("showLink", 404), ("", 404), ("", 405), ("listKeys", 401)] == heard


async def test_who_acted_is_recorded(desk: Desk) -> None:
    """The audit trail names the admin whose token was used."""
    desk.token = ADMIN + "2"
    await desk.link()
    assert [entry_fields(entry)["actor"] for entry in desk.state.ledger._trail] == ["admin:night"]


async def test_unknown_paths_and_methods_are_problems(desk: Desk) -> None:
    """What is not offered is said in the same shape as everything else."""
    for method, path, status in (
        ("GET", "/v2", 404),
        ("PUT", "/v1/links", 405),
        ("DELETE", "/healthz", 405),
        ("GET", "/v1/links/", 404),
    ):
        answer = await desk.ask(method, path)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == status
    assert "GET" in (await desk.ask("PUT", "/v1/links")).headers["Allow"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/v1/links", "/v1/nothing"])
async def test_head_is_answered_as_get_without_its_body(desk: Desk, path: str) -> None:
    """Probes of balancers and containers ask that way; who may not read has no head either."""
    read, head = await desk.ask("GET", path), await desk.ask("HEAD", path)
    assert (read.status, "") == (head.status, head.text)
    assert read.headers["Content-Type"] == head.headers["Content-Type"]
    assert "DELETE, GET, HEAD, PATCH" == (await desk.ask("PUT", "/v1/links/l_x")).headers["Allow"]
    desk.token = ""
    assert 401 == (await desk.ask("HEAD", "/v1/links")).status


async def test_head_makes_nothing(desk: Desk) -> None:
    """What is issued by a GET is for who sees it."""
    answer = await desk.ask("HEAD", "/v1/credentials/billing")
    assert (405, "GET") == (answer.status, answer.headers["Allow"])


async def test_request_ids_are_echoed_when_sane(desk: Desk) -> None:
    """A caller's id comes back; one that could break a log line is replaced."""
    echoed = await desk.ask("GET", "/healthz", headers={"X-Request-Id": "trace-1"})
    assert echoed.headers["X-Request-Id"] == "trace-1"
    replaced = await desk.ask("GET", "/healthz", headers={"X-Request-Id": 'a"b{}'})
    assert len(replaced.headers["X-Request-Id"]) == 24


async def test_no_answer_is_cached(desk: Desk) -> None:
    """Every answer forbids caches, errors included."""
    for path in ("/healthz", "/v1/links", "/nothing"):
        headers = (await desk.ask("GET", path)).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_an_unexpected_error_says_no_more_than_internal(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A defect of ours is a 500 with a fixed text; what it was stands in the log only."""

    async def broken(*_: object) -> None:
        raise RuntimeError("the secret inner detail")

    desk.state.grants.get = broken  # type: ignore[method-assign,assignment]
    answer = await desk.ask("GET", "/v1/links/l_1")
    assert answer.status == 500
    assert answer.json["reason"] == "internal"
    assert "inner detail" not in answer.text
    assert "inner detail" in caplog.text


async def test_wrong_tokens_are_throttled_and_right_ones_pass(desk: Desk) -> None:
    """After ten wrong tokens an address is told to wait; an operator with the right one still gets in."""
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [(await desk.ask("GET", "/v1/links", headers=wrong)).status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    refused = await desk.ask("GET", "/v1/links", headers=wrong)
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await desk.ask("GET", "/v1/links")).status == 200
    desk.clock.now += 7
    assert (await desk.ask("GET", "/v1/links", headers=wrong)).status == 401


# -- callers that say nothing, or go

POST = b"POST /v1/keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 17\r\n"
HEAD = POST + f"Authorization: Bearer {ADMIN}\r\n\r\n".encode()


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"\r\n\r\n\r\nPOST / HTTP/1.1\r\n", HEAD[:-2], HEAD[:-1]])
async def test_a_connection_without_a_whole_head_ends(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was said before it, line ends included: the process has one table of files for both listeners."""
    monkeypatch.setattr(desks, "HEAD_SECONDS", 0.25)
    async with serving() as desk:
        reader, writer = await connect(desk)
        writer.write(said)
        with suppress(ConnectionResetError):
            assert b"" == await asyncio.wait_for(reader.read(), 5)
        writer.close()


@pytest.mark.parametrize("pieces", [[HEAD], [HEAD[:20], HEAD[20:-3], HEAD[-3:-1], HEAD[-1:]], [b"\r\n", HEAD]])
async def test_a_whole_head_may_wait_for_its_body(pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the head stops with the head, in however many pieces it came."""
    monkeypatch.setattr(desks, "HEAD_SECONDS", 0.25)
    async with serving() as desk:
        reader, writer = await connect(desk)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.5)
        writer.write(b'{"app": "billing"}'[:17])
        assert b"HTTP/1.1 400" == (await asyncio.wait_for(reader.readline(), 5))[:12]
        writer.close()


async def test_a_body_that_does_not_come_is_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 408, and nobody waits for it any longer."""
    monkeypatch.setattr(deadline, "_UNADMITTED_SECONDS", 0.05)
    reader, writer = await connect(desk)
    writer.write(HEAD + b"{")
    assert b"HTTP/1.1 408" == (await asyncio.wait_for(reader.readline(), 5))[:12]
    writer.close()


async def test_no_body_is_asked_for_before_its_sender_is_known(desk: Desk) -> None:
    """Whoever waits for leave to send one hears 401 and not 100; an admin hears 100."""
    for head, told in ((POST + b"\r\n", b"401"), (HEAD, b"100")):
        reader, writer = await connect(desk)
        writer.write(head[:-2] + b"Expect: 100-continue\r\n\r\n")
        assert told == (await asyncio.wait_for(reader.readline(), 5)).split()[1]
        writer.close()


async def test_a_head_that_two_readers_could_read_differently_is_a_problem(desk: Desk) -> None:
    """The control listener has the data listener's reading of HTTP, and says no in its own shape."""
    reader, writer = await connect(desk)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
    text = await asyncio.wait_for(reader.read(), 5)
    assert text.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in text
    writer.close()


async def test_an_act_is_finished_and_noted_although_its_caller_has_gone() -> None:
    """A link that is made and stands in no trail would be worse than one that nobody hears of."""
    async with serving() as desk:
        begun, go_on, real = asyncio.Event(), asyncio.Event(), desk.state.grants.create

        async def create(*arguments: Any) -> Any:
            begun.set()
            await go_on.wait()
            return await real(*arguments)

        desk.state.grants.create = create  # type: ignore[method-assign]
        _, writer = await connect(desk)
        writer.write(HEAD.replace(b"17", b"18") + b'{"app": "billing"}')
        async with asyncio.timeout(5):
            await begun.wait()
            writer.transport.abort()
            await desk.ask("GET", "/healthz")
            go_on.set()
            while not desk.audited():  # noqa: ASYNC110 (a list has no event)
                await asyncio.sleep(0.01)
    assert ["key.create"] == desk.audited()


async def test_nobody_waits_for_a_caller_who_has_gone() -> None:
    """A long-poll ends with its connection."""
    async with serving() as desk:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def changed(serial: int, seconds: float) -> None:
            begun.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.set()

        desk.state.feed.changed = changed  # type: ignore[method-assign]
        _, writer = await connect(desk)
        authorization = f"Authorization: Bearer {ADMIN}\r\n\r\n".encode()
        writer.write(b"GET /v1/revocations?wait=60 HTTP/1.1\r\nHost: x\r\n" + authorization)
        async with asyncio.timeout(5):
            await begun.wait()
            writer.transport.abort()
            await ended.wait()


@pytest.mark.parametrize("reads", [True, False])
async def test_who_does_not_take_an_answer_is_not_waited_for(reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody takes in time is given up by a reset; who reads gets all of it."""
    size = 32 * 1024 * 1024

    async def answer(*_: object) -> tuple[str, Reply]:
        return "", Reply(200, (), bytes(size))

    given_up, real = asyncio.Event(), exchange.ClientExchange.cut

    def cut(self: exchange.ClientExchange, reason: Reason) -> None:
        real(self, reason)
        given_up.set()

    monkeypatch.setattr(exchange.ClientExchange, "cut", cut)
    monkeypatch.setattr(serve.ControlPlane, "_answer", answer)
    monkeypatch.setattr(serve, "_SLOW_SECONDS", 10 if reads else 0.05)
    monkeypatch.setattr(serve, "_SLOWEST", 1 << 40)
    async with serving() as desk, asyncio.timeout(20):
        reader, writer = await connect(desk)
        writer.write(b"GET /v1/links HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        if reads:
            assert bytes(size) == await reader.readexactly(size)
        else:
            await given_up.wait()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()


async def connect(desk: Desk) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(desk.url.rpartition(":")[2]))


# -- what is loaded when

LIGHT = """
import sys
import gateway.control.serve
heavy = {"aiohttp", "pydantic", "gateway.control.rows", "gateway.control.reading", "gateway.control.bodies"}
print(sorted(heavy & sys.modules.keys()))
"""


def test_probes_need_no_models() -> None:
    """What a gateway without operators serves loads neither bodies nor answers, nor another server."""
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


async def test_the_rest_is_loaded_by_the_first_that_asks_for_it() -> None:
    """Probes do not load it, nor does their counting; what asks for more gets its answer from the whole table."""
    heard: list[frozenset[str]] = []
    async with serving(know=heard.append) as desk:
        await desk.ask("GET", "/healthz")
        assert [{"healthy", "ready", "metrics"}] == heard
        answers = await asyncio.gather(*(desk.ask("GET", "/v1/policy") for _ in range(3)))
        assert [200, 200, 200] == [answer.status for answer in answers]
        await desk.ask("GET", "/v1/keys")
    assert {row.name for row in ROWS} == heard[-1]
    assert len(heard) <= 4
