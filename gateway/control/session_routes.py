"""Owns the two ways in which an app's SDK fetches keys by itself: container credentials and STS web identity.

Refuses to own how a web identity token is verified (an injected verifier) and what a session is.

Shapes: the container credential provider of the AWS SDKs (JSON over GET, the token in Authorization as it is), and
AssumeRoleWithWebIdentity of the STS query API, version 2011-06-15 (a form in, XML out).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.control.admin_auth import Door
from gateway.control.answers import SessionView
from gateway.control.deps import ControlDeps
from gateway.control.problems import REQUEST_ID
from gateway.control.routes import PublicEndpoint, in_time, reply
from gateway.control.usecases.sessions import SESSION_LIFE, Sessions
from gateway.core.issued import LONGEST_SESSION, SHORTEST_SESSION, IssuedKey
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.source import from_entry, from_identity
from gateway.core.token import hash_secret
from gateway.core.units import format_instant
from gateway.wire.s3.documents import document, element

__all__ = ["session_endpoints"]

_ROLE: Final = re.compile(r"arn:[a-z-]+:iam::\d{0,12}:role/(?:[\w+=,.@-]+/)*([\w+=,.@-]{1,64})", re.ASCII)
_SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_XMLNS: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_LONGEST_TOKEN: Final = 20_000
"""Characters of a WebIdentityToken in the STS API."""


def session_endpoints(sessions: Sessions, door: Door, deps: ControlDeps) -> tuple[PublicEndpoint, ...]:
    """The rows of sessions. They ask for no admin token, but for the app's own proof."""
    desk = _SessionDesk(sessions, door, deps)
    return (
        PublicEndpoint("GET", "/v1/credentials/{app}", desk.container),
        PublicEndpoint("POST", "/sts", desk.assume),
        PublicEndpoint("POST", "/sts/", desk.assume),
    )


@dataclass(frozen=True, slots=True)
class _SessionDesk:
    sessions: Sessions
    door: Door
    deps: ControlDeps

    async def container(self, request: web.Request) -> web.Response:
        """The app's current session; one uniform 401 for unknown apps, wrong tokens and other apps' tokens."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        app = request.match_info["app"]
        known = {digest: name for digest, name in self.deps.app_tokens().items() if name == app}
        self.door.match(token, request.remote, known)
        try:
            source = from_entry(self.deps.public_url(), hash_secret(token))
            return reply(SessionView.of(await self.sessions.current(app, source)))
        except DependencyDown as failure:
            if self.deps.issuer is None:
                raise
            told = f"this app's keys are issued by a central gateway, and none can be had: {failure.detail}"
            raise Refused(Reason.DEPENDENCY_DOWN, told, retry_after=1.0) from failure

    async def assume(self, request: web.Request) -> web.Response:
        """AssumeRoleWithWebIdentity."""
        if request.content_type != "application/x-www-form-urlencoded" or "Content-Encoding" in request.headers:
            return _fault(request, 400, "MalformedInput", "send a form")
        form = {name: value for name, value in (await in_time(request.post())).items() if isinstance(value, str)}
        if form.get("Action") != "AssumeRoleWithWebIdentity":
            return _fault(request, 400, "InvalidAction", "only AssumeRoleWithWebIdentity is offered")
        if self.deps.identity is None:
            return _fault(request, 400, "IDPCommunicationError", "no identity provider is configured")
        role, token, seconds = (
            _ROLE.fullmatch(form.get("RoleArn", "")),
            form.get("WebIdentityToken", ""),
            _seconds(form),
        )
        named = _SESSION_NAME.fullmatch(form.get("RoleSessionName", ""))
        if role is None or named is None or seconds is None or not 4 <= len(token) <= _LONGEST_TOKEN:
            return _fault(request, 400, "ValidationError", "RoleArn, RoleSessionName, token or duration is not valid")
        try:
            proved = await self.deps.identity.prove(token, role[1])
        except DependencyDown:
            return _fault(request, 400, "IDPCommunicationError", "the identity provider cannot be reached")
        if proved is None:
            return self._rejected(request)
        source = from_identity(self.deps.public_url(), proved.issuer, proved.audience, role[1], proved.subject)
        try:
            key = await self.sessions.begin(proved.app, seconds, f"web identity {named[0]}", source)
        except Refused as refusal:
            return _fault(request, 403, "AccessDenied", refusal.detail)
        except DependencyDown as failure:
            return _fault(request, 503, "ServiceUnavailable", f"no key can be issued now: {failure.detail}")
        return _assumed(request, key, form["RoleArn"], named[0])

    def _rejected(self, request: web.Request) -> web.Response:
        try:
            self.door.charge(request.remote)
        except Refused:
            return _fault(request, 400, "Throttling", "too many tokens were not valid")
        return _fault(request, 400, "InvalidIdentityToken", "the token does not give access to this role")


def _seconds(form: dict[str, str]) -> float | None:
    """DurationSeconds, None if it is wrong."""
    text = form.get("DurationSeconds", str(int(SESSION_LIFE)))
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not SHORTEST_SESSION <= int(text) <= LONGEST_SESSION:
        return None
    return float(text)


def _assumed(request: web.Request, key: IssuedKey, arn: str, name: str) -> web.Response:
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
    metadata = element("ResponseMetadata", (element("RequestId", request[REQUEST_ID]),))
    inner = (element("AssumeRoleWithWebIdentityResult", result), metadata)
    return _xml(200, document("AssumeRoleWithWebIdentityResponse", inner, namespace=_XMLNS))


def _fault(request: web.Request, status: int, code: str, text: str) -> web.Response:
    blamed = "Receiver" if status >= 500 else "Sender"
    error = element("Error", (element("Type", blamed), element("Code", code), element("Message", text)))
    inner = (error, element("RequestId", request[REQUEST_ID]))
    return _xml(status, document("ErrorResponse", inner, namespace=_XMLNS))


def _xml(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="text/xml", charset="utf-8")
