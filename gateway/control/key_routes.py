"""Owns what the endpoints of keys and of revocations do: `/v1/keys…`, `/v1/reseal`, `/v1/revocations`.

Refuses to own what they are (`gateway.control.usecases`).
"""

from __future__ import annotations

from dataclasses import replace

from gateway.control.answers import FeedView, KeyPageView, KeyView, MadeKeyView, ResealedView, RevokedView, view_reply
from gateway.control.api import Api
from gateway.control.bodies import FeedQuery, KeyQuery, NewKey, NewRevocation, ReasonQuery, ResealBody
from gateway.control.endpoint import Call
from gateway.core.grant import GrantFilter
from gateway.core.source import fingerprint
from gateway.core.token import hash_secret
from gateway.wire.replies import Reply

__all__ = ["create_key", "list_keys", "list_revocations", "reseal_keys", "revoke_key", "revoke_matching", "show_key"]


async def create_key(api: Api, call: Call[None, NewKey]) -> Reply:
    body = call.body
    key = await api.keys.issue_for(
        call.admitted, body.app, label=body.label, expires_in=body.expires_in, session=body.session
    )
    return view_reply(MadeKeyView.made(key), 201, (("Location", f"/v1/keys/{key.grant.id}"),))


async def list_keys(api: Api, call: Call[KeyQuery, None]) -> Reply:
    query, now = call.query, api.deps.live.clock()
    wanted = GrantFilter(now=now, owner=query.owner, label=query.label, state=query.state)
    return view_reply(KeyPageView.of(await api.keys.page(call.reach, wanted, query.cursor, query.limit), now))


async def show_key(api: Api, call: Call[None, None]) -> Reply:
    return view_reply(KeyView.of(await api.keys.inspect(call.reach, call.path_id()), api.deps.live.clock()))


async def revoke_key(api: Api, call: Call[ReasonQuery, None]) -> Reply:
    held = await api.keys.inspect(call.reach, call.path_id())
    ended = await api.revocations.end(call.caller, held.grant, call.query.reason)
    return view_reply(KeyView.of(replace(held, grant=ended.grant), api.deps.live.clock()))


async def reseal_keys(api: Api, call: Call[None, ResealBody]) -> Reply:
    return view_reply(ResealedView.of(await api.keys.reseal(call.caller, call.body.cursor, call.body.limit)))


async def revoke_matching(api: Api, call: Call[None, NewRevocation]) -> Reply:
    body = call.body
    reason = body.reason or "revoked by an operator"
    revoked = await api.revocations.revoke(
        call.caller, call.reach, body.target, reason, dry_run=body.dry_run, issued_before=body.issued_before
    )
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
    view = FeedView.of(found, query.after, asked_at if whole else None, serves)
    tag = f'"{view.serial}"' if serves is None else f'"{view.serial}-{serves}"'
    known = {part.strip().removeprefix("W/") for part in (call.raw.header("if-none-match") or "").split(",")}
    return Reply(304, (("ETag", tag),)) if tag in known else view_reply(view, headers=(("ETag", tag),))
