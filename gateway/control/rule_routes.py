"""Owns the endpoints about what is loaded, and of signing: `/v1/backends`, `/v1/policy…`, `/v1/presign`.

Refuses to own the decision (`gateway.core.policy`).
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from gateway.control.answers import SignatureView
from gateway.control.bodies import ExplainBody, NoQuery, PresignBody
from gateway.control.deps import ControlDeps
from gateway.control.routes import Endpoint, read_body, read_query, reply
from gateway.control.rule_answers import BackendList, ExplanationView, PolicyView
from gateway.control.usecases.policies import Policies
from gateway.core.attempt import Principal

__all__ = ["rule_endpoints"]


def rule_endpoints(policies: Policies, deps: ControlDeps) -> tuple[Endpoint, ...]:
    """The rows about rules."""
    desk = _RuleDesk(policies, deps)
    return (
        Endpoint("GET", "/v1/backends", desk.backends),
        Endpoint("GET", "/v1/policy", desk.rules),
        Endpoint("POST", "/v1/policy/explain", desk.explain),
        Endpoint("POST", "/v1/presign", desk.presign),
    )


@dataclass(frozen=True, slots=True)
class _RuleDesk:
    policies: Policies
    deps: ControlDeps

    async def backends(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        return reply(BackendList.of(self.deps.policy(), self.deps.profile_of))

    async def rules(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        return reply(PolicyView.of(self.deps.policy()))

    async def explain(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        body = await read_body(request, ExplainBody)
        return reply(ExplanationView.of(await self.policies.explain(body.question)))

    async def presign(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        body = await read_body(request, PresignBody)
        signature = await self.policies.presign(
            actor,
            body.who or actor,
            method=body.method,
            bucket=body.bucket,
            key=body.key,
            headers=tuple(sorted(body.headers.items())),
            expires_in=int(body.expires_in),
        )
        return reply(SignatureView.of(signature, body.method, body.headers))
