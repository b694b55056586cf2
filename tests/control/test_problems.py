"""Every failure has one shape."""

from __future__ import annotations

import orjson
import pytest

from gateway.control.answers import ProblemView
from gateway.control.problems import describe_failure, forbidden
from gateway.core.policy import Objection
from gateway.core.reasons import DependencyDown, Reason, Refused, UpstreamFailed


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_a_problem(reason: Reason) -> None:
    """Each reason is told with an error status, its own name and the request's id."""
    answer = describe_failure("r1", Refused(reason, "because"))
    problem = orjson.loads(answer.body)
    assert problem == ProblemView.model_validate(problem).model_dump(exclude_none=True)
    assert "application/problem+json" == dict(answer.headers)["Content-Type"]
    assert 400 <= answer.status < 600
    assert problem["status"] == answer.status
    assert (problem["reason"], problem["detail"]) == (str(reason), "because")
    assert "r1" == problem["request_id"]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Refused(Reason.OWNER_NOT_ALLOWED), 403, "owner_not_allowed"),
        (Refused(Reason.UNKNOWN_KEY), 404, "unknown_key"),
        (Refused(Reason.REVOKED), 409, "revoked"),
        (Refused(Reason.BAD_ARGUMENT), 422, "bad_argument"),
        (DependencyDown("grants", "host db-7 refused"), 503, "dependency_down"),
        (UpstreamFailed(Reason.UPSTREAM_TIMED_OUT, "host s3-7"), 502 + 2, "upstream_timed_out"),
        (KeyError("secret"), 500, "internal"),
    ],
)
def test_what_an_operator_is_told(error: Exception, status: int, reason: str) -> None:
    """Statuses suit an operator, and neither hosts nor inner texts are told."""
    answer = describe_failure("r1", error)
    assert (answer.status, orjson.loads(answer.body)["reason"]) == (status, reason)
    for inner in (b"db-7", b"s3-7", b"secret"):
        assert inner not in answer.body


def test_retry_after_is_whole_seconds() -> None:
    """A wait is rounded up and is never zero."""
    waits = [describe_failure("r1", Refused(Reason.TOO_MANY_REQUESTS, retry_after=wait)) for wait in (0.0, 0.2, 1.5)]
    assert [dict(answer.headers)["Retry-After"] for answer in waits] == ["1", "1", "2"]


def test_all_objections_are_told_once() -> None:
    """Every objection stands in the answer; the status follows the first."""
    objections = (Objection(Reason.BAD_KEY, "dots"), Objection(Reason.NOT_ALLOWED, "no rule", "r"))
    answer = forbidden("r1", objections)
    problem = orjson.loads(answer.body)
    assert (answer.status, problem["detail"]) == (422, "dots; no rule")
    assert [found["reason"] for found in problem["objections"]] == ["bad_key", "not_allowed"]
