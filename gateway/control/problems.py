"""Owns how the control API says no: RFC 9457 problems, with our reason and the request's id.

Refuses to own the words of a reason (`gateway.core.reasons`); it only says which status an operator sees, where that
differs from what a link's visitor is told.

Law: every exception ends here as one problem; one that nobody expected says "internal" and no more.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import orjson
from aiohttp import web
from pydantic import ValidationError

from gateway.control.answers import FaultView, ObjectionView, ProblemView
from gateway.control.body import faults_of
from gateway.core.policy import Objection
from gateway.core.reasons import TABLE, DependencyDown, Reason, Refused, UpstreamFailed
from gateway.wire.replies import title_of

__all__ = ["REQUEST_ID", "forbidden", "problem", "shield"]

_log: Final = logging.getLogger("gateway.control")

REQUEST_ID: Final = web.RequestKey("request_id", str)

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
"""What an operator is told where it is not what a visitor is told."""

_HTTP_REASON: Final = {
    404: Reason.UNSUPPORTED_OPERATION,
    405: Reason.METHOD_NOT_ALLOWED,
    413: Reason.TOO_LARGE,
}

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)

_SAFE: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server": "gateway",
}


def problem(
    request: web.Request,
    status: int,
    reason: Reason,
    detail: str,
    *,
    errors: Sequence[FaultView] = (),
    objections: Sequence[Objection] = (),
) -> web.Response:
    """One answer in `application/problem+json`."""
    view = ProblemView(
        title=title_of(status),
        status=status,
        detail=detail,
        reason=str(reason),
        request_id=request.get(REQUEST_ID, ""),
        errors=list(errors) or None,
        objections=[
            ObjectionView(reason=str(found.reason), detail=found.detail, rule=found.rule) for found in objections
        ]
        or None,
    )
    body = orjson.dumps(view.model_dump(exclude_none=True))
    answer = web.Response(status=status, body=body, content_type="application/problem+json")
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="gateway"'
    return answer


def forbidden(request: web.Request, objections: Sequence[Objection]) -> web.Response:
    """All of the policy's objections at once; the status follows the first."""
    first = objections[0]
    status = _STATUS.get(first.reason, 403)
    detail = "; ".join(dict.fromkeys(found.detail for found in objections))
    return problem(request, status, first.reason, detail, objections=objections)


def _refused(request: web.Request, refusal: Refused) -> web.Response:
    public = TABLE[refusal.reason]
    status = _STATUS.get(refusal.reason, public.link_status)
    answer = problem(request, status, refusal.reason, refusal.detail or public.text)
    if refusal.retry_after is not None:
        answer.headers["Retry-After"] = str(max(1, math.ceil(refusal.retry_after)))
    return answer


def _invalid(request: web.Request, error: ValidationError) -> web.Response:
    query = error.title.endswith("Query")
    faults = [
        FaultView(detail=text, parameter=pointer.lstrip("/")) if query else FaultView(detail=text, pointer=pointer)
        for pointer, text in faults_of(error)
    ]
    count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
    return problem(request, 422, Reason.BAD_ARGUMENT, f"the {'query' if query else 'body'} has {count}", errors=faults)


def _http(request: web.Request, error: web.HTTPException) -> web.Response:
    answer = problem(request, error.status, _HTTP_REASON.get(error.status, Reason.BAD_REQUEST), error.reason)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


async def _answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _http(request, error)
    except ValidationError as error:
        return _invalid(request, error)
    except Refused as error:
        return _refused(request, error)
    except DependencyDown as error:
        _log.error("dependency down: %s: %s", error.dependency, error.detail)
        answer = problem(request, 503, Reason.DEPENDENCY_DOWN, f"the store of {error.dependency} cannot answer now")
        answer.headers["Retry-After"] = "1"
        return answer
    except UpstreamFailed as error:
        return problem(request, TABLE[error.reason].link_status, error.reason, TABLE[error.reason].text)
    except Exception:  # noqa: BLE001 (the last line of defence: nothing inner may reach a caller)
        _log.exception("request %s failed", request.get(REQUEST_ID, ""))
        return problem(request, 500, Reason.INTERNAL, TABLE[Reason.INTERNAL].text)


def shield(entropy: Callable[[int], bytes]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """The outermost middleware: gives every request an id, every failure a shape, every answer its safe headers."""

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        sent = request.headers.get("X-Request-Id", "")
        request[REQUEST_ID] = sent if _ID.fullmatch(sent) else entropy(12).hex()
        answer = await _answered(request, handler)
        answer.headers["X-Request-Id"] = request[REQUEST_ID]
        for name, value in _SAFE.items():
            answer.headers.setdefault(name, value)
        return answer

    return middleware
