"""Owns the endpoints that need no admin token: health, readiness, metrics, the API's description.

Refuses to own what they report.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from aiohttp import web

from gateway.control.answers import FaultView, StatusView
from gateway.control.deps import ControlDeps
from gateway.control.openapi import describe
from gateway.control.problems import problem
from gateway.control.routes import PublicEndpoint, reply
from gateway.core.reasons import Reason

__all__ = ["open_endpoints"]


def open_endpoints(deps: ControlDeps) -> tuple[PublicEndpoint, ...]:
    """The rows that everybody may call."""
    desk = _OpenDesk(deps, orjson.dumps(describe(deps.version)))
    return (
        PublicEndpoint("GET", "/healthz", desk.healthy),
        PublicEndpoint("GET", "/readyz", desk.ready),
        PublicEndpoint("GET", "/metrics", desk.metrics),
        PublicEndpoint("GET", "/v1/openapi.json", desk.description),
    )


@dataclass(frozen=True, slots=True)
class _OpenDesk:
    deps: ControlDeps
    described: bytes

    async def healthy(self, request: web.Request) -> web.Response:
        return reply(StatusView())

    async def ready(self, request: web.Request) -> web.Response:
        faults = [f"{name}: {fault}" for name, fault in self.deps.ready().items()]
        if not faults:
            return reply(StatusView())
        errors = [FaultView(detail=fault) for fault in faults]
        return problem(request, 503, Reason.DEPENDENCY_DOWN, "; ".join(faults), errors=errors)

    async def metrics(self, request: web.Request) -> web.Response:
        page = await self.deps.metrics(request.headers.get("Accept", ""))
        if page is None:
            return problem(request, 503, Reason.DEPENDENCY_DOWN, "not every process of this gateway answers")
        content_type, text = page
        return web.Response(body=text, headers={"Content-Type": content_type})

    async def description(self, request: web.Request) -> web.Response:
        return web.Response(body=self.described, content_type="application/json")
