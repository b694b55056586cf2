"""Every failure has one shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.control.problems import forbidden, shield
from gateway.core.policy import Objection
from gateway.core.reasons import DependencyDown, Reason, Refused, UpstreamFailed

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _answer(error: Exception) -> web.Response:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise error

    answer = await shield(lambda length: b"\x07" * length)(make_mocked_request("GET", "/"), handler)
    assert isinstance(answer, web.Response)
    return answer


@pytest.mark.parametrize("reason", Reason)
async def test_every_reason_is_a_problem(reason: Reason) -> None:
    """Each reason is told with an error status, its own name and the request's id."""
    answer = await _answer(Refused(reason, "because"))
    assert isinstance(answer.body, bytes)
    problem = orjson.loads(answer.body)
    assert answer.content_type == "application/problem+json"
    assert 400 <= answer.status < 600
    assert problem["status"] == answer.status
    assert (problem["reason"], problem["detail"]) == (str(reason), "because")
    assert problem["request_id"] == answer.headers["X-Request-Id"] == "07" * 12


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Refused(Reason.OWNER_NOT_ALLOWED), 403, "owner_not_allowed"),
        (Refused(Reason.UNKNOWN_KEY), 404, "unknown_key"),
        (Refused(Reason.REVOKED), 409, "revoked"),
        (Refused(Reason.BAD_ARGUMENT), 422, "bad_argument"),
        (DependencyDown("grants", "host db-7 refused"), 503, "dependency_down"),
        (UpstreamFailed(Reason.UPSTREAM_TIMED_OUT, "host s3-7"), 502 + 2, "upstream_timed_out"),
        (web.HTTPNotFound(), 404, "unsupported_operation"),
        (KeyError("secret"), 500, "internal"),
    ],
)
async def test_what_an_operator_is_told(error: Exception, status: int, reason: str) -> None:
    """Statuses suit an operator, and neither hosts nor inner texts are told."""
    answer = await _answer(error)
    assert isinstance(answer.body, bytes)
    assert (answer.status, orjson.loads(answer.body)["reason"]) == (status, reason)
    for inner in (b"db-7", b"s3-7", b"secret"):
        assert inner not in answer.body


async def test_retry_after_is_whole_seconds() -> None:
    """A wait is rounded up and is never zero."""
    waits = [await _answer(Refused(Reason.TOO_MANY_REQUESTS, retry_after=wait)) for wait in (0.0, 0.2, 1.5)]
    assert [answer.headers["Retry-After"] for answer in waits] == ["1", "1", "2"]


def test_all_objections_are_told_once() -> None:
    """Every objection stands in the answer; the status follows the first."""
    objections = (Objection(Reason.BAD_KEY, "dots"), Objection(Reason.NOT_ALLOWED, "no rule", "r"))
    answer = forbidden(make_mocked_request("GET", "/"), objections)
    assert isinstance(answer.body, bytes)
    problem = orjson.loads(answer.body)
    assert (answer.status, problem["detail"]) == (422, "dots; no rule")
    assert [found["reason"] for found in problem["objections"]] == ["bad_key", "not_allowed"]
