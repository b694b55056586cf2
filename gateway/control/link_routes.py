"""Owns what the endpoints of links do: `/v1/links…`.

Refuses to own what a link is (`gateway.control.usecases.links`), and what is done to keys alike (`grant_routes`).
"""

from __future__ import annotations

from gateway.control.answers import LinkPageView, MadeLinkView, view_reply
from gateway.control.api import Api
from gateway.control.bodies import EditLink, LinkQuery, NewLink, RecordQuery
from gateway.control.endpoint import Call
from gateway.control.grant_routes import entity_tag, read_idempotency, read_version, reply
from gateway.control.ledger_answers import RecordPageView
from gateway.control.problems import forbidden, problem
from gateway.control.usecases.grants import Objections
from gateway.control.usecases.links import KEEP, IdempotencyConflict, IssuedLink
from gateway.core.reasons import Reason
from gateway.core.said import phrase
from gateway.wire.replies import Reply


async def create_link(api: Api, call: Call[None, NewLink]) -> Reply:
    body, idempotency = call.body, read_idempotency(call.raw.header("idempotency-key"))
    made = await api.links.issue(call.admitted, body.scope, body.apply_to, body.password, idempotency)
    if isinstance(made, Objections):
        return forbidden(call.request_id, made.objections)
    if isinstance(made, IdempotencyConflict):
        detail = phrase(
            "form_sent_twice",
            "this Idempotency-Key made the link {link_id}, which is not what this body asks for",
            link_id=made.grant_id,
        )
        return problem(call.request_id, 409, Reason.BAD_ARGUMENT, detail)
    location = ("Location", f"/v1/links/{made.held.grant.id}")
    return _show_made(api, made, 200 if made.token is None else 201, location)


async def list_links(api: Api, call: Call[LinkQuery, None]) -> Reply:
    query, now = call.query, api.deps.live.clock()
    wanted = query.filter(now, api.approvals.rules_of(call.admitted))
    return view_reply(LinkPageView.of(await api.links.page(call.reach, wanted, query.cursor, query.limit), now))


async def edit_link(api: Api, call: Call[None, EditLink]) -> Reply:
    body, version = call.body, read_version(call.raw.header("if-match"))
    password = body.password if "password" in body.model_fields_set else KEEP
    held = await api.links.edit(call.admitted, call.path_id(), body.apply_to, password=password, version=version)
    return forbidden(call.request_id, held.objections) if isinstance(held, Objections) else reply(api, held)


async def rotate_link(api: Api, call: Call[None, None]) -> Reply:
    version = read_version(call.raw.header("if-match"))
    return _show_made(api, await api.links.rotate(call.admitted, call.path_id(), version))


async def list_records(api: Api, call: Call[RecordQuery, None]) -> Reply:
    page = await api.links.records(call.reach, call.path_id(), call.query.cursor, call.query.limit)
    return view_reply(RecordPageView.model_validate(page))


def _show_made(api: Api, made: IssuedLink, status: int = 200, *headers: tuple[str, str]) -> Reply:
    view = MadeLinkView.made(made, api.deps.live.clock(), api.deps.live.public_url())
    return view_reply(view, status, (*headers, entity_tag(made.held.grant)))
