"""Owns what the endpoints about what is loaded do, and of signing: `/v1/backends`, `/v1/policy…`, `/v1/presign`.

Refuses to own the decision (`gateway.core.policy`).
"""

from __future__ import annotations

from gateway.control.answers import SignatureView, view_reply
from gateway.control.api import Api
from gateway.control.bodies import ExplainBody, PresignBody
from gateway.control.endpoint import Call
from gateway.control.rule_answers import BackendList, BucketNames, ExplanationView, PolicyView
from gateway.control.spoken import Spoken
from gateway.core.reasons import Reason, Refused
from gateway.wire.replies import Reply


async def list_backends(api: Api, call: Call[None, None]) -> Reply:
    return view_reply(BackendList.of(api.deps.live.policy(), api.deps.live.profile_of))


async def list_buckets(api: Api, call: Call[None, None]) -> Reply:
    return view_reply(BucketNames(buckets=api.policies.buckets_of(call.admitted)))


async def show_policy(api: Api, call: Call[None, None]) -> Reply:
    return view_reply(PolicyView.of(api.deps.live.policy()))


async def explain_attempt(api: Api, call: Call[None, ExplainBody]) -> Reply:
    found = await api.policies.explain(call.body.question)
    texts = [*(one.detail for one in found.objections), *(verdict for _, verdict in found.rules)]
    texts += [detail for _, detail in found.missing]
    return Spoken.of(view_reply(ExplanationView.of(found)), texts)


async def presign(api: Api, call: Call[None, PresignBody]) -> Reply:
    body = call.body
    who = body.who or call.caller
    if not call.reach.names(who):
        raise Refused(Reason.NOT_ALLOWED, "only an admin has a URL signed as somebody else")
    signature = await api.policies.presign(
        call.caller,
        who,
        groups=call.admitted.groups if who == call.caller else (),
        method=body.method,
        bucket=body.bucket,
        key=body.key,
        headers=tuple(sorted(body.headers.items())),
        expires_in=int(body.expires_in),
    )
    return view_reply(SignatureView.of(signature, body.method, body.headers))
