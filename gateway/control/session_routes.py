"""Owns the container credentials, which an app's SDK fetches by itself.

Refuses to own what a session is and the STS API (`gateway.control.sts_routes`).

Shape: the container credential provider of the AWS SDKs (JSON over GET, the token in Authorization as it is).
"""

from __future__ import annotations

from gateway.control.answers import SessionView, view_reply
from gateway.control.api import Api
from gateway.control.endpoint import Call
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.source import from_entry
from gateway.wire.replies import Reply


async def show_credentials(api: Api, call: Call[None, None]) -> Reply:
    """The app's current session; one uniform 401 for unknown apps, wrong tokens and other apps' tokens."""
    try:
        source = from_entry(api.deps.live.address(), call.proof)
        return view_reply(SessionView.of(await api.sessions.get_or_issue(call.caller.name, source)))
    except DependencyDown as failure:
        if api.deps.stores.issuer is None:
            raise
        detail = f"this app's keys are issued by a central gateway, and none can be had: {failure.detail}"
        raise Refused(Reason.DEPENDENCY_DOWN, detail, retry_after=1.0) from failure
