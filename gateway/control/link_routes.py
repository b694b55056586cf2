"""Owns the endpoints of links: `/v1/links…`.

Refuses to own what a link is (`gateway.control.usecases.links`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.control.answers import LinkPageView, LinkView, MadeLinkView
from gateway.control.bodies import EditLink, LinkQuery, NewLink, NoQuery, ReasonQuery, RecordQuery
from gateway.control.deps import ControlDeps
from gateway.control.ledger_answers import RecordPageView
from gateway.control.problems import forbidden, problem
from gateway.control.routes import Endpoint, path_id, read_body, read_query, reply
from gateway.control.usecases.links import KEEP, Conflict, Held, Links, Objected
from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter
from gateway.core.reasons import Reason, Refused

__all__ = ["link_endpoints"]

_IDEMPOTENCY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_ETAG: Final = re.compile(r'"(\d{1,18})"', re.ASCII)


def link_endpoints(links: Links, deps: ControlDeps) -> tuple[Endpoint, ...]:
    """The rows of links."""
    desk = _LinkDesk(links, deps)
    return (
        Endpoint("POST", "/v1/links", desk.create),
        Endpoint("GET", "/v1/links", desk.page),
        Endpoint("GET", "/v1/links/{id}", desk.inspect),
        Endpoint("PATCH", "/v1/links/{id}", desk.edit),
        Endpoint("DELETE", "/v1/links/{id}", desk.revoke),
        Endpoint("POST", "/v1/links/{id}/rotate", desk.rotate),
        Endpoint("GET", "/v1/links/{id}/records", desk.records),
    )


@dataclass(frozen=True, slots=True)
class _LinkDesk:
    links: Links
    deps: ControlDeps

    async def create(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        idempotency = request.headers.get("Idempotency-Key")
        if idempotency is not None and not _IDEMPOTENCY.fullmatch(idempotency):
            raise Refused(Reason.BAD_REQUEST, "an Idempotency-Key has 1 to 255 visible ASCII characters")
        body = await read_body(request, NewLink)
        made = await self.links.issue(actor, body.scope, body.applied, body.password, idempotency)
        if isinstance(made, Objected):
            return forbidden(request, made.objections)
        if isinstance(made, Conflict):
            detail = f"this Idempotency-Key made the link {made.link_id}, which is not what this body asks for"
            return problem(request, 409, Reason.BAD_ARGUMENT, detail)
        view = MadeLinkView.made(made, self.deps.clock(), self.deps.public_url())
        answer = reply(view, 200 if made.token is None else 201)
        answer.headers["Location"] = f"/v1/links/{view.id}"
        return _tagged(answer, made.held)

    async def page(self, request: web.Request, actor: Principal) -> web.Response:
        query = read_query(request, LinkQuery)
        now = self.deps.clock()
        wanted = GrantFilter(
            now=now,
            owner=query.owner,
            bucket=query.bucket,
            prefix=query.prefix,
            label=query.label,
            state=query.state,
        )
        return reply(LinkPageView.of(await self.links.page(wanted, query.cursor, query.limit), now))

    async def inspect(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        return self._shown(await self.links.inspect(path_id(request)))

    async def edit(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        body = await read_body(request, EditLink)
        version = _version(request.headers.get("If-Match"))
        password = body.password if "password" in body.model_fields_set else KEEP
        held = await self.links.edit(actor, path_id(request), body.applied, password, version)
        if isinstance(held, Objected):
            return forbidden(request, held.objections)
        return self._shown(held)

    async def revoke(self, request: web.Request, actor: Principal) -> web.Response:
        reason = read_query(request, ReasonQuery).reason
        return self._shown(await self.links.revoke(actor, path_id(request), reason))

    async def rotate(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        issued = await self.links.rotate(actor, path_id(request))
        return _tagged(reply(MadeLinkView.made(issued, self.deps.clock(), self.deps.public_url())), issued.held)

    async def records(self, request: web.Request, actor: Principal) -> web.Response:
        query = read_query(request, RecordQuery)
        return reply(RecordPageView.of(await self.links.records(path_id(request), query.cursor, query.limit)))

    def _shown(self, held: Held) -> web.Response:
        return _tagged(reply(LinkView.of(held, self.deps.clock())), held)


def _tagged(answer: web.Response, held: Held) -> web.Response:
    answer.headers["ETag"] = f'"{held.grant.version}"'
    return answer


def _version(if_match: str | None) -> int | None:
    """The version an edit insists on; None for no condition or `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise Refused(Reason.PRECONDITION_FAILED, "If-Match takes the one ETag that this link was answered with")
    return int(match[1])
