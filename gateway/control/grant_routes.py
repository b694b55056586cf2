"""Owns what the endpoints of links and of keys have in common: show, revoke, suspend, resume, approve, reject.

Refuses to own what is done (`gateway.control.usecases`), and making and editing either (`link_routes`, `key_routes`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from gateway.control.answers import KeyView, LinkView, view_reply
from gateway.control.api import Api
from gateway.control.bodies import ApprovalQuery, ReasonQuery
from gateway.control.endpoint import Call
from gateway.control.usecases.grants import CountedGrant
from gateway.core.grant import Grant, GrantKind
from gateway.core.reasons import Reason, Refused
from gateway.wire.replies import Reply

_ETAG: Final = re.compile(r'"(\d{1,18})"', re.ASCII)
_IDEMPOTENCY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


async def show(kind: GrantKind, api: Api, call: Call[None, None]) -> Reply:
    return reply(api, await api.approvals.show(call.admitted, kind, call.path_id()))


async def revoke(kind: GrantKind, api: Api, call: Call[ReasonQuery, None]) -> Reply:
    held = await api.revocations.inspect(call.reach, kind, call.path_id())
    ended = await api.revocations.end(call.caller, held.grant, call.query.reason or "revoked by an operator")
    return reply(api, replace(held, grant=ended.grant))


async def suspend(kind: GrantKind, api: Api, call: Call[ReasonQuery, None]) -> Reply:
    return reply(api, await api.suspensions.suspend(call.admitted, kind, call.path_id(), call.query.reason))


async def resume(kind: GrantKind, api: Api, call: Call[ReasonQuery, None]) -> Reply:
    return reply(api, await api.suspensions.resume(call.admitted, kind, call.path_id(), call.query.reason))


async def approve(kind: GrantKind, api: Api, call: Call[ApprovalQuery, None]) -> Reply:
    query = call.query
    return reply(api, await api.approvals.approve(call.admitted, kind, call.path_id(), query.reason, query.version))


async def reject(kind: GrantKind, api: Api, call: Call[ReasonQuery, None]) -> Reply:
    return reply(api, await api.approvals.reject(call.admitted, kind, call.path_id(), call.query.reason))


def reply(api: Api, held: CountedGrant) -> Reply:
    """A grant as it is shown, with the tag by which an edit can insist on what was seen."""
    now = api.deps.live.clock()
    of_link = held.grant.kind is GrantKind.LINK
    view = LinkView.of(held, now) if of_link else KeyView.of(held, now, api.deps.live.policy())
    return view_reply(view, headers=(entity_tag(held.grant),))


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


def read_idempotency(text: str | None) -> str | None:
    """What makes a creation safe to ask for again. Raises Refused(BAD_REQUEST) for a text that is none."""
    if text is not None and not _IDEMPOTENCY.fullmatch(text):
        raise Refused(Reason.BAD_REQUEST, "an Idempotency-Key has 1 to 255 visible ASCII characters")
    return text
