"""Owns the endpoints of keys and of revocations: `/v1/keys…`, `/v1/reseal`, `/v1/revocations`.

Refuses to own what they are (`gateway.control.usecases`).
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from gateway.control.answers import FeedView, KeyPageView, KeyView, MadeKeyView, ResealedView, RevokedView
from gateway.control.bodies import FeedQuery, KeyQuery, NewKey, NewRevocation, NoQuery, ReasonQuery, ResealBody
from gateway.control.deps import ControlDeps
from gateway.control.routes import Endpoint, path_id, read_body, read_query, reply
from gateway.control.usecases.keys import Keys
from gateway.control.usecases.revocations import Revocations
from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter

__all__ = ["key_endpoints", "revocation_endpoints"]


def key_endpoints(keys: Keys, deps: ControlDeps) -> tuple[Endpoint, ...]:
    """The rows of keys."""
    desk = _KeyDesk(keys, deps)
    return (
        Endpoint("POST", "/v1/keys", desk.create),
        Endpoint("GET", "/v1/keys", desk.page),
        Endpoint("GET", "/v1/keys/{id}", desk.inspect),
        Endpoint("DELETE", "/v1/keys/{id}", desk.revoke),
        Endpoint("POST", "/v1/reseal", desk.reseal),
    )


def revocation_endpoints(revocations: Revocations) -> tuple[Endpoint, ...]:
    """The rows of revocations."""
    desk = _RevocationDesk(revocations)
    return (
        Endpoint("POST", "/v1/revocations", desk.revoke),
        Endpoint("GET", "/v1/revocations", desk.feed, sidecars=True, waits=True),
    )


@dataclass(frozen=True, slots=True)
class _KeyDesk:
    keys: Keys
    deps: ControlDeps

    async def create(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        body = await read_body(request, NewKey)
        key = await self.keys.issue(actor, body.app, label=body.label, expires_in=body.expires_in, session=body.session)
        answer = reply(MadeKeyView.made(key), 201)
        answer.headers["Location"] = f"/v1/keys/{key.grant.id}"
        return answer

    async def page(self, request: web.Request, actor: Principal) -> web.Response:
        query = read_query(request, KeyQuery)
        now = self.deps.clock()
        wanted = GrantFilter(now=now, owner=query.owner, label=query.label, state=query.state)
        return reply(KeyPageView.of(await self.keys.page(wanted, query.cursor, query.limit), now))

    async def inspect(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        return reply(KeyView.of(await self.keys.inspect(path_id(request)), self.deps.clock()))

    async def revoke(self, request: web.Request, actor: Principal) -> web.Response:
        reason = read_query(request, ReasonQuery).reason
        return reply(KeyView.of(await self.keys.revoke(actor, path_id(request), reason), self.deps.clock()))

    async def reseal(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        body = await read_body(request, ResealBody)
        return reply(ResealedView.of(await self.keys.reseal(actor, body.cursor, body.limit)))


@dataclass(frozen=True, slots=True)
class _RevocationDesk:
    revocations: Revocations

    async def revoke(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        body = await read_body(request, NewRevocation)
        reason = body.reason or "revoked by an operator"
        revoked = await self.revocations.revoke(
            actor, body.target, reason, dry_run=body.dry_run, issued_before=body.issued_before
        )
        return reply(RevokedView.of(revoked, dry_run=body.dry_run))

    async def feed(self, request: web.Request, actor: Principal) -> web.Response:
        query = read_query(request, FeedQuery)
        asked_at = self.revocations.clock()
        found = await self.revocations.after(query.after, query.limit, query.seconds, notices=query.notices)
        whole = query.after == 0 and len(found) < query.limit
        view = FeedView.of(found, query.after, asked_at if whole else None)
        tag = f'"{view.serial}"'
        known = {part.strip().removeprefix("W/") for part in request.headers.get("If-None-Match", "").split(",")}
        answer = web.Response(status=304) if tag in known else reply(view)
        answer.headers["ETag"] = tag
        return answer
