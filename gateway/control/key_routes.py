"""Owns what the endpoints of keys and of revocations do: `/v1/keys…`, `/v1/reseal`, `/v1/revocations`.

Refuses to own what they are (`gateway.control.usecases`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.control.answers import FeedView, KeyPageView, MadeKeyView, ResealedView, RevokedView, view_reply
from gateway.control.api import Api
from gateway.control.bodies import FeedQuery, KeyQuery, NewRevocation, ResealBody
from gateway.control.endpoint import Call
from gateway.control.grant_routes import entity_tag, read_idempotency, read_version, reply
from gateway.control.key_bodies import EditKey, NewKey
from gateway.control.problems import forbidden, problem
from gateway.control.usecases.exclusions import HeldLinks
from gateway.control.usecases.grants import Objections
from gateway.control.usecases.links import IdempotencyConflict
from gateway.core.reasons import Reason
from gateway.core.said import phrase
from gateway.core.source import fingerprint
from gateway.core.token import hash_secret
from gateway.wire.replies import Reply


async def create_key(api: Api, call: Call[None, NewKey]) -> Reply:
    body, idempotency = call.body, read_idempotency(call.raw.header("idempotency-key"))
    key = await api.keys.create(call.admitted, body.app, body.apply_to, session=body.session, idempotency=idempotency)
    if isinstance(key, Objections):
        return forbidden(call.request_id, key.objections)
    if isinstance(key, IdempotencyConflict):
        detail = phrase(
            "form_made_key",
            "this was sent before, and made the key {key_id}, whose secrets were shown then: ask anew for another one",
            key_id=key.grant_id,
        )
        return problem(call.request_id, 409, Reason.BAD_ARGUMENT, detail)
    view = MadeKeyView.made(key, api.deps.live.clock(), api.deps.live.policy())
    return view_reply(view, 201, (("Location", f"/v1/keys/{key.grant.id}"), entity_tag(key.grant)))


async def list_keys(api: Api, call: Call[KeyQuery, None]) -> Reply:
    query, now = call.query, api.deps.live.clock()
    wanted = query.filter(now, api.approvals.rules_of(call.admitted))
    page = await api.keys.page(call.reach, wanted, query.cursor, query.limit)
    return view_reply(KeyPageView.of(page, now, api.deps.live.policy()))


async def edit_key(api: Api, call: Call[None, EditKey]) -> Reply:
    version = read_version(call.raw.header("if-match"))
    held = await api.keys.edit(call.admitted, call.path_id(), call.body.apply_to, version)
    return forbidden(call.request_id, held.objections) if isinstance(held, Objections) else reply(api, held)


async def reseal_keys(api: Api, call: Call[None, ResealBody]) -> Reply:
    return view_reply(
        ResealedView.model_validate(await api.keys.reseal(call.caller, call.body.cursor, call.body.limit))
    )


async def revoke_matching(api: Api, call: Call[None, NewRevocation]) -> Reply:
    body = call.body
    reason = body.reason or "revoked by an operator"
    how: dict[str, Any] = {"dry_run": body.dry_run, "issued_before": body.issued_before}
    sessions = body.sessions
    if body.holder is not None:
        of = HeldLinks(body.holder, body.link, body.owner)
        revoked = await api.exclusions.exclude(call.admitted, of, reason, **how)
    elif sessions is None:
        revoked = await api.revocations.revoke(call.caller, call.reach, body.target, reason, **how)
    else:
        revoked = await api.revocations.revoke_sessions(call.caller, call.reach, sessions, reason, **how)
    if call.reach.owner is not None:  # the feed counts everybody's
        revoked = replace(revoked, serial=None)
    return view_reply(RevokedView.of(revoked, dry_run=body.dry_run))


async def list_revocations(api: Api, call: Call[FeedQuery, None]) -> Reply:
    query, asked_at = call.query, api.deps.live.clock()
    found = await api.revocations.after(query.after, query.limit, query.seconds, notices=query.notices)
    whole = query.after == 0 and len(found) < query.limit
    sidecars = api.deps.live.callers().sidecar_serves if call.caller.kind == "admin" else {}
    served = sidecars.get(call.caller.name)
    serves = None if served is None else fingerprint(hash_secret(" ".join(sorted(pattern.text for pattern in served))))
    lost_to = await api.revocations.lost_to(query.after) if query.notices and not found else None
    view = FeedView.of(found, query.after, asked_at if whole else None, serves=serves, last=lost_to)
    tag = f'"{view.serial}"' if serves is None else f'"{view.serial}-{serves}"'
    known = {part.strip().removeprefix("W/") for part in (call.raw.header("if-none-match") or "").split(",")}
    return Reply(304, (("ETag", tag),)) if tag in known else view_reply(view, headers=(("ETag", tag),))
