"""Owns what the endpoints of links do: `/v1/links…`.

Refuses to own what a link is (`gateway.control.usecases.links`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from gateway.control.answers import LinkPageView, LinkView, MadeLinkView, view_reply
from gateway.control.api import Api
from gateway.control.bodies import ApprovalQuery, EditLink, LinkQuery, NewLink, ReasonQuery, RecordQuery
from gateway.control.endpoint import Call
from gateway.control.ledger_answers import RecordPageView
from gateway.control.problems import forbidden, problem
from gateway.control.usecases.grants import CountedGrant, Objections
from gateway.control.usecases.links import KEEP, IdempotencyConflict, IssuedLink
from gateway.core.grant import Grant, GrantFilter, GrantKind
from gateway.core.reasons import Reason, Refused
from gateway.wire.replies import Reply

_IDEMPOTENCY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_ETAG: Final = re.compile(r'"(\d{1,18})"', re.ASCII)


async def create_link(api: Api, call: Call[None, NewLink]) -> Reply:
    idempotency = call.raw.header("idempotency-key")
    if idempotency is not None and not _IDEMPOTENCY.fullmatch(idempotency):
        raise Refused(Reason.BAD_REQUEST, "an Idempotency-Key has 1 to 255 visible ASCII characters")
    body = call.body
    made = await api.links.issue(call.admitted, body.scope, body.apply_to, body.password, idempotency)
    if isinstance(made, Objections):
        return forbidden(call.request_id, made.objections)
    if isinstance(made, IdempotencyConflict):
        detail = f"this Idempotency-Key made the link {made.link_id}, which is not what this body asks for"
        return problem(call.request_id, 409, Reason.BAD_ARGUMENT, detail)
    location = ("Location", f"/v1/links/{made.held.grant.id}")
    return _show_made(api, made, 200 if made.token is None else 201, location)


async def list_links(api: Api, call: Call[LinkQuery, None]) -> Reply:
    query, now = call.query, api.deps.live.clock()
    wanted = GrantFilter(
        now=now,
        owner=query.owner,
        bucket=query.bucket,
        prefix=query.prefix,
        label=query.label,
        state=query.state,
        approves=api.approvals.rules_of(call.admitted),
        ends_before=None if query.ends_within is None else now + query.ends_within,
    )
    return view_reply(LinkPageView.of(await api.links.page(call.reach, wanted, query.cursor, query.limit), now))


async def show_link(api: Api, call: Call[None, None]) -> Reply:
    return _show(api, await api.approvals.show(call.admitted, GrantKind.LINK, call.path_id()))


async def edit_link(api: Api, call: Call[None, EditLink]) -> Reply:
    body, version = call.body, read_version(call.raw.header("if-match"))
    password = body.password if "password" in body.model_fields_set else KEEP
    held = await api.links.edit(call.admitted, call.path_id(), body.apply_to, password=password, version=version)
    return forbidden(call.request_id, held.objections) if isinstance(held, Objections) else _show(api, held)


async def revoke_link(api: Api, call: Call[ReasonQuery, None]) -> Reply:
    held = await api.links.inspect(call.reach, call.path_id())
    ended = await api.revocations.end(call.caller, held.grant, call.query.reason or "revoked by an operator")
    return _show(api, replace(held, grant=ended.grant))


async def suspend_link(api: Api, call: Call[ReasonQuery, None]) -> Reply:
    return _show(api, await api.suspensions.suspend(call.admitted, GrantKind.LINK, call.path_id(), call.query.reason))


async def resume_link(api: Api, call: Call[ReasonQuery, None]) -> Reply:
    return _show(api, await api.suspensions.resume(call.admitted, GrantKind.LINK, call.path_id(), call.query.reason))


async def approve_link(api: Api, call: Call[ApprovalQuery, None]) -> Reply:
    query = call.query
    held = await api.approvals.approve(call.admitted, GrantKind.LINK, call.path_id(), query.reason, query.version)
    return _show(api, held)


async def reject_link(api: Api, call: Call[ReasonQuery, None]) -> Reply:
    return _show(api, await api.approvals.reject(call.admitted, GrantKind.LINK, call.path_id(), call.query.reason))


async def rotate_link(api: Api, call: Call[None, None]) -> Reply:
    return _show_made(api, await api.links.rotate(call.admitted, call.path_id()))


async def list_records(api: Api, call: Call[RecordQuery, None]) -> Reply:
    page = await api.links.records(call.reach, call.path_id(), call.query.cursor, call.query.limit)
    return view_reply(RecordPageView.model_validate(page))


def _show(api: Api, held: CountedGrant) -> Reply:
    return view_reply(LinkView.of(held, api.deps.live.clock()), headers=(entity_tag(held.grant),))


def _show_made(api: Api, made: IssuedLink, status: int = 200, *headers: tuple[str, str]) -> Reply:
    view = MadeLinkView.made(made, api.deps.live.clock(), api.deps.live.public_url())
    return view_reply(view, status, (*headers, entity_tag(made.held.grant)))


def entity_tag(grant: Grant) -> tuple[str, str]:
    """The header by which an edit can insist on what was seen."""
    return "ETag", f'"{grant.version}"'


def read_version(if_match: str | None) -> int | None:
    """The version an edit insists on; None for no condition or `*`."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise Refused(Reason.PRECONDITION_FAILED, "If-Match takes the one ETag that this was answered with")
    return int(match[1])
