"""Owns how the control API reports errors: RFC 9457 problems, with our reason and the request's id.

Refuses to own the words of a reason (`gateway.core.reasons`); it only says which status an operator gets, where that
differs from the one for a link's visitor.

Law: every exception becomes one problem here; an unexpected one says "internal" and no more.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from gateway.control.spoken import Spoken
from gateway.core.policy import Objection
from gateway.core.reasons import TABLE, DependencyDown, Reason, Refused, UpstreamFailed
from gateway.core.said import phrase
from gateway.wire.replies import Reply, title_of

_log: Final = logging.getLogger("gateway.control")

_STATUS: Final = {
    Reason.BAD_ARGUMENT: 422,
    Reason.BAD_KEY: 422,
    Reason.KEY_AMBIGUOUS: 422,
    Reason.UNKNOWN_KEY: 404,
    Reason.OWNER_NOT_ALLOWED: 403,
    Reason.OUT_OF_SCOPE: 403,
    Reason.REVOKED: 409,
    Reason.EXPIRED: 409,
    Reason.USED_UP: 409,
}
"""The status for an operator, where it differs from the one for a link's visitor."""

Fields = tuple[tuple[str, str], ...]


def problem(
    request_id: str,
    status: int,
    reason: Reason,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    objections: Sequence[Objection] = (),
    headers: Fields = (),
) -> Spoken:
    """One answer in `application/problem+json`; `gateway.control.answers.ProblemView` describes it."""
    members: dict[str, object] = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": detail,
        "reason": reason,
        "request_id": request_id,
    }
    if errors:
        members["errors"] = errors
    if objections:
        shown = [{"reason": found.reason, "detail": found.detail, "rule": found.rule} for found in objections]
        members["objections"] = [{name: text for name, text in each.items() if text is not None} for each in shown]
    if status == 401:
        headers += (("WWW-Authenticate", 'Bearer realm="gateway"'),)
    reply = Reply(status, (("Content-Type", "application/problem+json"), *headers), orjson.dumps(members))
    return Spoken.of(reply, (detail, *(one["detail"] for one in errors), *(found.detail for found in objections)))


def forbidden(request_id: str, objections: Sequence[Objection]) -> Reply:
    """All of the policy's objections at once; the status follows the first."""
    first = objections[0]
    detail = phrase("rule_faults", "{faults}", faults=tuple(dict.fromkeys(found.detail for found in objections)))
    return problem(request_id, _STATUS.get(first.reason, 403), first.reason, detail, objections=objections)


def describe_failure(request_id: str, failure: Exception) -> Reply:
    """The problem that a failure is answered with."""
    match failure:
        case Refused(reason=reason):
            public = TABLE[reason]
            after = failure.retry_after
            headers = () if after is None else (("Retry-After", str(max(1, math.ceil(after)))),)
            status = _STATUS.get(reason, public.link_status)
            return problem(request_id, status, reason, failure.detail or public.text, headers=headers)
        case DependencyDown():
            _log.error("dependency down: %s: %s", failure.dependency, failure.detail)
            detail = f"the store of {failure.dependency} cannot answer now"
            return problem(request_id, 503, Reason.DEPENDENCY_DOWN, detail, headers=(("Retry-After", "1"),))
        case UpstreamFailed(reason=reason):
            return problem(request_id, TABLE[reason].link_status, reason, TABLE[reason].text)
        case _:
            _log.error("request %s failed", request_id, exc_info=failure)
            return problem(request_id, 500, Reason.INTERNAL, TABLE[Reason.INTERNAL].text)
