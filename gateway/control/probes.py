"""Owns what machines ask a gateway all the time: health, readiness, metrics.

Refuses to own what they report. Imports no model of a body or an answer: these rows are served before the rest of the
API is loaded (`gateway.control.serve`), which in most gateways is never.
"""

from __future__ import annotations

from typing import Final, Literal

from gateway.control.api import Api
from gateway.control.caller import Access
from gateway.control.endpoint import Call, Endpoint, json_reply
from gateway.control.problems import problem
from gateway.core.reasons import Reason
from gateway.core.values import dataclass
from gateway.wire.replies import Reply


@dataclass(frozen=True, slots=True)
class Status:
    status: Literal["ok"] = "ok"


async def report_health(api: Api, call: Call[None, None]) -> Reply:
    return json_reply(Status())


async def report_readiness(api: Api, call: Call[None, None]) -> Reply:
    faults = [f"{name}: {fault}" for name, fault in api.deps.process.ready().items()]
    if not faults:
        return json_reply(Status())
    errors = [{"detail": fault} for fault in faults]
    return problem(call.request_id, 503, Reason.DEPENDENCY_DOWN, "; ".join(faults), errors=errors)


async def report_metrics(api: Api, call: Call[None, None]) -> Reply:
    page = await api.deps.process.metrics(call.raw.header("accept") or "")
    if page is None:
        return problem(call.request_id, 503, Reason.DEPENDENCY_DOWN, "not every process of this gateway answers")
    media, text = page
    return Reply(200, (("Content-Type", media),), text)


# fmt: off
PROBES: Final = (
    Endpoint("GET", "/healthz", Access.PUBLIC, report_health, "healthy", "operation",
             "Whether the process lives", answer=Status),
    Endpoint("GET", "/readyz", Access.PUBLIC, report_readiness, "ready", "operation",
             "Whether it can serve, or every fault that keeps it from serving", answer=Status, also=(503,)),
    Endpoint("GET", "/metrics", Access.PUBLIC, report_metrics, "metrics", "operation",
             "For Prometheus", also=(503,), media="text/plain"),
)
# fmt: on
