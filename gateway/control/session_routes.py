"""Owns the two ways in which an app's SDK fetches keys by itself: container credentials and STS web identity.

Refuses to own how a web identity token is verified (an injected verifier) and what a session is.

Shapes: the container credential provider of the AWS SDKs (JSON over GET, the token in Authorization as it is), and
AssumeRoleWithWebIdentity of the STS query API, version 2011-06-15 (a form in, XML out).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.control.answers import SessionView, view_reply
from gateway.control.api import Api
from gateway.control.endpoint import Call
from gateway.control.usecases.sessions import SESSION_LIFE
from gateway.core.issued import LONGEST_SESSION, SHORTEST_SESSION, IssuedKey
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.source import from_entry, from_identity
from gateway.core.units import format_instant
from gateway.wire.replies import Reply
from gateway.wire.s3.documents import document, element

__all__ = ["assume_role", "show_credentials"]

Form = Mapping[str, str]
_ROLE: Final = re.compile(r"arn:[a-z-]+:iam::\d{0,12}:role/(?:[\w+=,.@-]+/)*([\w+=,.@-]{1,64})", re.ASCII)
_SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_XMLNS: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_LONGEST_TOKEN: Final = 20_000
"""Characters of a WebIdentityToken in the STS API."""


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


async def assume_role(api: Api, call: Call[None, Form | None]) -> Reply:
    """AssumeRoleWithWebIdentity."""
    form, live = call.body, api.deps.live
    if form is None:
        return _error_reply(call, 400, "MalformedInput", "send a form")
    if form.get("Action") != "AssumeRoleWithWebIdentity":
        return _error_reply(call, 400, "InvalidAction", "only AssumeRoleWithWebIdentity is offered")
    if live.identity is None:
        return _error_reply(call, 400, "IDPCommunicationError", "no identity provider is configured")
    role, session = _ROLE.fullmatch(form.get("RoleArn", "")), _SESSION_NAME.fullmatch(form.get("RoleSessionName", ""))
    token, seconds = form.get("WebIdentityToken", ""), _read_seconds(form)
    if role is None or session is None or seconds is None or not 4 <= len(token) <= _LONGEST_TOKEN:
        return _error_reply(call, 400, "ValidationError", "RoleArn, RoleSessionName, token or duration is not valid")
    try:
        proved = await live.identity.prove(token, role[1])
    except DependencyDown:
        return _error_reply(call, 400, "IDPCommunicationError", "the identity provider cannot be reached")
    if proved is None:
        return _reject_token(api, call)
    source = from_identity(live.address(), proved.issuer, proved.audience, role[1], proved.subject)
    try:
        key = await api.sessions.issue(proved.app, seconds, f"web identity {session[0]}", source)
    except Refused as refusal:
        return _error_reply(call, 403, "AccessDenied", refusal.detail)
    except DependencyDown as failure:
        return _error_reply(call, 503, "ServiceUnavailable", f"no key can be issued now: {failure.detail}")
    return _show_role(call, key, form["RoleArn"], session[0])


def _reject_token(api: Api, call: Call[None, Form | None]) -> Reply:
    try:
        api.guard.charge(call.peer)
    except Refused:
        return _error_reply(call, 400, "Throttling", "too many tokens were not valid")
    return _error_reply(call, 400, "InvalidIdentityToken", "the token does not give access to this role")


def _read_seconds(form: Form) -> float | None:
    """DurationSeconds, None if it is wrong."""
    text = form.get("DurationSeconds", str(int(SESSION_LIFE)))
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not SHORTEST_SESSION <= int(text) <= LONGEST_SESSION:
        return None
    return float(text)


def _show_role(call: Call[None, Form | None], key: IssuedKey, arn: str, name: str) -> Reply:
    credentials = (
        element("AccessKeyId", key.access_key_id),
        element("SecretAccessKey", key.secret_access_key),
        element("SessionToken", key.session_token or ""),
        element("Expiration", format_instant(key.grant.expires_at or 0.0)),
    )
    user = (element("Arn", f"{arn}/{name}"), element("AssumedRoleId", f"{key.grant.id}:{name}"))
    result = (
        element("Credentials", credentials),
        element("AssumedRoleUser", user),
        element("SubjectFromWebIdentityToken", str(key.grant.owner)),
    )
    metadata = element("ResponseMetadata", (element("RequestId", call.request_id),))
    inner = (element("AssumeRoleWithWebIdentityResult", result), metadata)
    return _xml_reply(200, document("AssumeRoleWithWebIdentityResponse", inner, namespace=_XMLNS))


def _error_reply(call: Call[None, Form | None], status: int, code: str, text: str) -> Reply:
    blamed = "Receiver" if status >= 500 else "Sender"
    error = element("Error", (element("Type", blamed), element("Code", code), element("Message", text)))
    inner = (error, element("RequestId", call.request_id))
    return _xml_reply(status, document("ErrorResponse", inner, namespace=_XMLNS))


def _xml_reply(status: int, body: bytes) -> Reply:
    return Reply(status, (("Content-Type", "text/xml; charset=utf-8"),), body)
