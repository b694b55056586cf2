"""The guard before every row, and what all answers have in common."""

from __future__ import annotations

import asyncio
import re

import pytest

from gateway.control import api
from gateway.control.admin_auth import Door
from gateway.control.api import endpoints
from gateway.control.routes import Endpoint, PublicEndpoint
from gateway.control.usecases.revocations import Waits
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.token import hash_secret
from gateway.core.trail import entry_fields
from tests.control.desk import ADMIN, APP, Desk, serving

PUBLIC = {"/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/v1/credentials/{app}", "/sts", "/sts/"}


async def test_every_row_but_the_public_ones_refuses_without_a_token(desk: Desk) -> None:
    """No guarded row answers anything but 401 without a token, with a wrong one, or with an app's."""
    rows = endpoints(desk.deps, Door(desk.clock), Waits())
    assert {row.path for row in rows if isinstance(row, PublicEndpoint)} == PUBLIC
    guarded = [row for row in rows if isinstance(row, Endpoint)]
    assert guarded
    for row in guarded:
        path = re.sub(r"{\w+}", "l_1", row.path)
        for value in (None, "", "Bearer", "Bearer  ", f"Bearer {APP}", f"Basic {ADMIN}", ADMIN, f"Bearer {ADMIN}x"):
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
    known: dict[bytes, str] = {}
    async with serving(tokens=lambda: known) as desk:
        assert (await desk.ask("GET", "/v1/links")).status == 401


@pytest.mark.parametrize("removed", [True, False])
async def test_who_waits_has_to_be_known_until_the_answer_comes(removed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that a reload takes away ends its long-polls, which hear of nothing more; others wait on."""
    monkeypatch.setattr(api, "_LOOK_SECONDS", 0.01)
    known = {hash_secret(ADMIN): "ops"}
    async with serving(tokens=lambda: known) as desk:
        waiting = asyncio.get_running_loop().create_task(desk.ask("GET", "/v1/revocations?after=0&wait=20"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        if removed:
            known.clear()
            async with asyncio.timeout(2):
                answer = await waiting
            assert (401, "credentials_missing") == (answer.status, answer.json["reason"])
            return
        await desk.state.revoke([RevocationTarget(FeedKind.OWNER, "app:gone")], desk.clock(), "test", "admin:ops")
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
    assert [entry_fields(entry)["actor"] for entry in desk.state._audit] == ["admin:night"]


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


@pytest.mark.parametrize("path", ["/v1/links", "/v1/keys", "/v1/revocations", "/v1/presign", "/v1/policy/explain"])
async def test_bodies_are_checked_before_they_are_read(desk: Desk, path: str) -> None:
    """Another media type is 415, broken JSON 400, a large body 413, and something that is no object 422."""
    url = desk.url + path
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}

    async def status(data: bytes, **more: str) -> int:
        async with desk.session.post(url, data=data, headers=headers | more) as answer:
            assert answer.headers["Content-Type"] == "application/problem+json"
            return answer.status

    assert await status(b"{}", **{"Content-Type": "text/plain"}) == 415
    assert await status(b"{}", **{"Content-Encoding": "identity"}) == 415
    assert await status(b"{") == 400
    assert await status(b"") == 400
    assert await status(b'{"bucket": "' + b"a" * 70_000 + b'"}') == 413
    assert await status(b"[1]") == 422
    assert await status(b'"text"') == 422
    assert await status(b"null") == 422


async def test_an_unexpected_error_says_no_more_than_internal(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A defect of ours is a 500 with a fixed text; what it was stands in the log only."""

    async def broken(*_: object) -> None:
        raise RuntimeError("the secret inner detail")

    desk.state.get = broken  # type: ignore[method-assign,assignment]
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
