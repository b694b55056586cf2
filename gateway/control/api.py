"""Owns the control listener's application: which endpoints there are, and the guard before them.

Refuses to own sockets and shutdown (`gateway.app`).

Law: a row that is not public is unreachable without an admin token; where a sidecar's token is enough, the row says so.
Whoever waits for an answer has to hold a good token until it comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from gateway.control.admin_auth import Door, bearer, named_by
from gateway.control.deps import ControlDeps
from gateway.control.key_routes import key_endpoints, revocation_endpoints
from gateway.control.ledger_routes import ledger_endpoints
from gateway.control.link_routes import link_endpoints
from gateway.control.open_routes import open_endpoints
from gateway.control.operation_routes import operation_endpoints
from gateway.control.problems import shield
from gateway.control.routes import BODY_LIMIT, Endpoint, PublicEndpoint, PublicHandler
from gateway.control.rows import ROWS
from gateway.control.rule_routes import rule_endpoints
from gateway.control.session_routes import session_endpoints
from gateway.control.sidecar_routes import sidecar_endpoints
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.keys import Keys
from gateway.control.usecases.links import Links
from gateway.control.usecases.operations import Operations
from gateway.control.usecases.policies import Policies
from gateway.control.usecases.revocations import Revocations, Waits
from gateway.control.usecases.sessions import Sessions
from gateway.core.attempt import Principal
from gateway.core.reasons import Reason, Refused
from gateway.core.token import SecretHash

_LOOK_SECONDS: Final = 0.5

__all__ = ["OPERATIONS", "build_control_app", "counting", "endpoints"]

OPERATIONS: Final = {(row.method, row.path): row.name for row in ROWS}
"""What each endpoint is called, in the API's description and in metrics."""


def build_control_app(deps: ControlDeps) -> web.Application:
    """The control plane as one application, ready for a runner. It starts nothing and keeps no task."""
    door, waits = Door(deps.clock), Waits()
    app = web.Application(middlewares=[counting(deps.count), shield(deps.entropy)], client_max_size=BODY_LIMIT)
    for row in endpoints(deps, door, waits):
        handler = row.handler if isinstance(row, PublicEndpoint) else _guarded(row, door, deps)
        app.router.add_route(row.method, row.path, handler)
    app.on_shutdown.append(_ending(waits))
    return app


def counting(count: Callable[[str, int, float], None]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """The outermost middleware: `count` hears each operation ("" for a path that is none), its status, its seconds."""

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        began = time.perf_counter()
        answer = await handler(request)
        resource = request.match_info.route.resource
        path = resource.canonical if resource is not None else ""
        count(OPERATIONS.get((request.method, path), ""), answer.status, time.perf_counter() - began)
        return answer

    return middleware


def _ending(waits: Waits) -> Callable[[web.Application], Awaitable[None]]:
    async def end(_: web.Application) -> None:
        waits.end()

    return end


def endpoints(deps: ControlDeps, door: Door, waits: Waits) -> tuple[Endpoint | PublicEndpoint, ...]:
    """Every row of the API."""
    journal = Journal(deps.ledger, deps.clock, deps.audit_required, deps.tell)
    links = Links(
        grants=deps.grants,
        leases=deps.leases,
        feed=deps.feed,
        ledger=deps.ledger,
        journal=journal,
        policy=deps.policy,
        apply_now=deps.apply_now,
        clock=deps.clock,
        entropy=deps.entropy,
    )
    keys = Keys(
        grants=deps.grants,
        leases=deps.leases,
        feed=deps.feed,
        journal=journal,
        apply_now=deps.apply_now,
        clock=deps.clock,
        entropy=deps.entropy,
        sealer=deps.sealer,
        resealer=deps.resealer,
    )
    revocations = Revocations(
        grants=deps.grants,
        feed=deps.feed,
        journal=journal,
        policy=deps.policy,
        apply_now=deps.apply_now,
        clock=deps.clock,
        waits=waits,
    )
    policies = Policies(
        grants=deps.grants, journal=journal, policy=deps.policy, upstream=deps.upstream, clock=deps.clock
    )
    operations = Operations(journal=journal, policy=deps.policy, clock=deps.clock, drain=deps.drain, log_at=deps.log_at)
    return (
        *open_endpoints(deps),
        *session_endpoints(Sessions(deps.grants, deps.issuer or keys, deps.clock, deps.ended), door, deps),
        *link_endpoints(links, deps),
        *key_endpoints(keys, deps),
        *revocation_endpoints(revocations),
        *ledger_endpoints(deps.ledger),
        *sidecar_endpoints(keys, deps),
        *rule_endpoints(policies, deps),
        *operation_endpoints(operations, deps.processes),
    )


def _guarded(row: Endpoint, door: Door, deps: ControlDeps) -> PublicHandler:
    async def guarded(request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization")
        name = door.admit(authorization, request.remote, known())
        answering = row.handler(request, Principal("admin", name))
        if not row.waits:
            return await answering
        return await _while_known(answering, lambda: named_by(bearer(authorization), known()) == name)

    def known() -> Mapping[SecretHash, str]:
        return {**deps.sidecar_tokens(), **deps.tokens()} if row.sidecars else deps.tokens()

    return guarded


async def _while_known(answering: Awaitable[web.Response], known: Callable[[], bool]) -> web.Response:
    """The answer, for whoever is still known when it comes; asked twice a second, so that nobody else waits on."""

    async def answered() -> web.Response:
        return await answering

    task = asyncio.get_running_loop().create_task(answered())
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK_SECONDS))[0]:
            if not known():
                break
        if not known():
            raise Refused(Reason.CREDENTIALS_MISSING, "a valid token is needed")
        return task.result()
    finally:
        task.cancel()
