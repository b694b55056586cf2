"""Owns the STS API: short-lived keys for those who prove a web identity or another key, narrowed by a session policy.

Refuses to own how a token is verified (an injected verifier), how a key is proved (`gateway.control.key_proof`), how
keys are made (`gateway.control.usecases.keys`) and how answers are written (`gateway.control.sts_answers`).

Laws: a role is taken by those whom the settings name for it, and by nobody else. A key that is less than its app makes
no session, nor does one that comes from many others. A policy that is not understood makes none either, and a field
that would narrow is never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from gateway.control import sts_answers as answers
from gateway.control.api import Api
from gateway.control.endpoint import Call, Form
from gateway.control.sts_answers import Fault
from gateway.core.grant import Grant
from gateway.core.issued import LONGEST_SESSION, SHORTEST_SESSION
from gateway.core.key_use import stands_for_owner
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.request import RawRequest
from gateway.core.session_policy import SessionPolicy
from gateway.core.session_policy_text import LONGEST_POLICY, read_session_policy
from gateway.core.session_role import app_for
from gateway.core.source import Session, from_identity, holders_of
from gateway.wire.replies import Reply

_ROLE: Final = re.compile(r"arn:[a-z-]+:iam::\d{0,12}:role/(?:[\w+=,.@-]+/)*([\w+=,.@-]{1,64})", re.ASCII)
_SESSION_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_USER_NAME: Final = re.compile(r"[\w+=,.@-]{2,32}", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,6}", re.ASCII)
_LONGEST_TOKEN: Final = 20_000
"""Characters of a WebIdentityToken in the STS API."""

_ROLE_SECONDS: Final = 3600.0
"""What AssumeRole gives unless asked, and the most that a session gets which is taken with another session."""

_MOST_BEHIND: Final = 8
"""How many keys a session may have come from, one behind the other. A role that its own app may take would make chains
without end, and each use of a session asks about every key behind it."""

_USER_SECONDS: Final = 43200.0
_LONGEST_USER: Final = 129600.0
_SERVICES: Final = frozenset({"sts"})
_HASH: Final = "x-amz-content-sha256"
_NOT_OFFERED: Final = ("PolicyArns.", "ProvidedContexts.", "TokenCode", "SerialNumber")
"""Fields by which somebody asks for something that is not to be had here, and would not notice."""

_NOTHING: Final = read_session_policy('{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}')
"""Of a federated user without a policy."""

_Result = list[str] | Fault


async def answer_sts(api: Api, call: Call[None, Form | None]) -> Reply:
    """Whatever STS is asked."""
    form = call.body
    if form is None:
        return answers.error_reply(Fault(400, "MalformedInput", "send a form, each field once"), call.request_id)
    action = form.fields.get("Action", "")
    act = _ACTS.get(action)
    if act is None:
        fault = Fault(400, "InvalidAction", f"only {', '.join(_ACTS)} are offered")
        return answers.error_reply(fault, call.request_id)
    try:
        found = await act(api, call, form)
    except Refused as refusal:
        found = Fault(403, "AccessDenied", refusal.detail)
    except DependencyDown as failure:
        found = Fault(503, "ServiceUnavailable", f"no key can be issued now: {failure.detail}")
    if isinstance(found, Fault):
        return answers.error_reply(found, call.request_id)
    return answers.reply(action, found, call.request_id)


async def _assume_role(api: Api, call: Call[None, Form | None], form: Form) -> _Result:
    holder = await _prove_maker(api, call, form)
    role, session = _ROLE.fullmatch(form.fields.get("RoleArn", "")), form.fields.get("RoleSessionName", "")
    if isinstance(holder, Fault):
        return holder
    if role is None or not _SESSION_NAME.fullmatch(session):
        return Fault(400, "ValidationError", "RoleArn or RoleSessionName is not valid")
    roles = api.deps.live.callers().sts_roles
    app = app_for(roles, role[1], holder.owner)
    if app is None:
        text = f"{holder.owner} is not authorized to perform sts:AssumeRole on {form.fields['RoleArn']}"
        return Fault(403, "AccessDenied", text)
    longest = roles[role[1]].longest if holder.session_hash is None else min(roles[role[1]].longest, _ROLE_SECONDS)
    seconds, policy = _read_seconds(form, _ROLE_SECONDS, longest), _read_policy(form)
    if isinstance(seconds, Fault):
        return seconds
    if isinstance(policy, Fault):
        return policy
    key = await api.keys.issue_by(holder, app, seconds, Session(role[1], session), policy)
    return [answers.credentials(key), answers.assumed_role(key, role[1], session), *answers.packed(policy)]


async def _get_session_token(api: Api, call: Call[None, Form | None], form: Form) -> _Result:
    holder = await _prove_user(api, call, form)
    seconds = _read_seconds(form, _USER_SECONDS, _LONGEST_USER)
    if isinstance(holder, Fault):
        return holder
    if isinstance(seconds, Fault):
        return seconds
    key = await api.keys.issue_by(holder, holder.owner.name, seconds, Session("", ""), None)
    return [answers.credentials(key)]


async def _get_federation_token(api: Api, call: Call[None, Form | None], form: Form) -> _Result:
    holder, name = await _prove_user(api, call, form), form.fields.get("Name", "")
    seconds, policy = _read_seconds(form, _USER_SECONDS, _LONGEST_USER), _read_policy(form)
    if isinstance(holder, Fault):
        return holder
    if not _USER_NAME.fullmatch(name):
        return Fault(400, "ValidationError", "Name is not valid")
    if isinstance(seconds, Fault):
        return seconds
    if isinstance(policy, Fault):
        return policy
    key = await api.keys.issue_by(holder, holder.owner.name, seconds, Session("", name), policy or _NOTHING)
    return [answers.credentials(key), answers.federated_user(name), *answers.packed(policy)]


async def _get_caller_identity(api: Api, call: Call[None, Form | None], form: Form) -> _Result:
    holder = await _prove(api, call, form)
    return holder if isinstance(holder, Fault) else answers.user_of(holder)


async def _assume_role_with_web_identity(api: Api, call: Call[None, Form | None], form: Form) -> _Result:
    live, token = api.deps.live, form.fields.get("WebIdentityToken", "")
    if live.identity is None:
        return Fault(400, "IDPCommunicationError", "no identity provider is configured")
    role, session = _ROLE.fullmatch(form.fields.get("RoleArn", "")), form.fields.get("RoleSessionName", "")
    if role is None or not _SESSION_NAME.fullmatch(session) or not 4 <= len(token) <= _LONGEST_TOKEN:
        return Fault(400, "ValidationError", "RoleArn, RoleSessionName or WebIdentityToken is not valid")
    seconds, policy = _read_seconds(form, _ROLE_SECONDS, LONGEST_SESSION), _read_policy(form)
    if isinstance(seconds, Fault):
        return seconds
    if isinstance(policy, Fault):
        return policy
    try:
        proved = await live.identity.prove(token, role[1])
    except DependencyDown:
        return Fault(400, "IDPCommunicationError", "the identity provider cannot be reached")
    if proved is None:
        fault = Fault(400, "InvalidIdentityToken", "the token does not give access to this role")
        return _charge(api, call) or fault
    source = from_identity(live.address(), proved.issuer, proved.audience, role[1], proved.subject, session)
    if policy is None:
        key = await api.sessions.issue(proved.app, seconds, f"web identity {session}", source)
    elif api.deps.stores.issuer is not None:
        return _ELSEWHERE
    else:
        key = await api.keys.issue_session(proved.app, seconds, f"web identity {session}", source, policy)
    subject = answers.subject(str(key.grant.owner))
    return [answers.credentials(key), answers.assumed_role(key, role[1], session), subject, *answers.packed(policy)]


_ACTS: Final[Mapping[str, Callable[[Api, Call[None, Form | None], Form], Awaitable[_Result]]]] = MappingProxyType(
    {
        "AssumeRole": _assume_role,
        "AssumeRoleWithWebIdentity": _assume_role_with_web_identity,
        "GetSessionToken": _get_session_token,
        "GetFederationToken": _get_federation_token,
        "GetCallerIdentity": _get_caller_identity,
    }
)
_ELSEWHERE: Final = Fault(403, "AccessDenied", "sessions like this are made by the central gateway: ask that one")
_NARROWED: Final = Fault(403, "AccessDenied", "a key that may do less than its app makes no sessions")
_TOO_FAR: Final = Fault(403, "AccessDenied", f"sessions come from at most {_MOST_BEHIND} keys, one behind the other")


async def _prove(api: Api, call: Call[None, Form | None], form: Form) -> Grant | Fault:
    """Whose living key signed this request."""
    if call.raw.header("authorization") is None:
        return answers.fault_of(Reason.CREDENTIALS_MISSING)
    try:
        holder, digest = await api.key_proof.prove(_with_digest(call.raw, form.digest), _SERVICES)
    except Refused as refused:
        wrong = answers.fault_of(refused.reason)
        return (_charge(api, call) if refused.reason is Reason.UNKNOWN_KEY else None) or wrong
    if digest != form.digest:
        return answers.fault_of(Reason.BAD_SIGNATURE)
    reason = api.key_proof.lapsed(holder, api.deps.live.clock())
    return holder if reason is None else answers.fault_of(reason)


def _with_digest(raw: RawRequest, digest: str) -> RawRequest:
    """Signers for STS sign the body's hash and mostly do not send it."""
    return raw if raw.header(_HASH) is not None else replace(raw, headers=(*raw.headers, (_HASH, digest)))


async def _prove_maker(api: Api, call: Call[None, Form | None], form: Form) -> Grant | Fault:
    """The same, if it may make sessions at all."""
    holder = await _prove(api, call, form)
    if isinstance(holder, Fault):
        return holder
    if not stands_for_owner(holder):
        return _NARROWED
    if len(holders_of(holder.source)) >= _MOST_BEHIND:
        return _TOO_FAR
    return _ELSEWHERE if api.deps.stores.issuer is not None else holder


async def _prove_user(api: Api, call: Call[None, Form | None], form: Form) -> Grant | Fault:
    """The same, if it is no session itself."""
    holder = await _prove_maker(api, call, form)
    if isinstance(holder, Fault) or holder.session_hash is None:
        return holder
    return Fault(403, "AccessDenied", "this cannot be asked for with session credentials")


def _charge(api: Api, call: Call[None, Form | None]) -> Fault | None:
    """Count a wrong secret."""
    try:
        api.guard.charge(call.peer)
    except Refused as refused:
        return answers.fault_of(refused.reason)
    return None


def _read_seconds(form: Form, usual: float, longest: float) -> float | Fault:
    text = form.fields.get("DurationSeconds", str(int(min(usual, longest))))
    if _SECONDS.fullmatch(text) and SHORTEST_SESSION <= int(text) <= longest:
        return float(text)
    return Fault(400, "ValidationError", f"DurationSeconds is from {int(SHORTEST_SESSION)} to {int(longest)} here")


def _read_policy(form: Form) -> SessionPolicy | Fault | None:
    unknown = next((name for name in form.fields if name.startswith(_NOT_OFFERED)), None)
    if unknown is not None:
        return Fault(400, "ValidationError", f"{unknown} is not offered here: write the whole policy into Policy")
    text = form.fields.get("Policy")
    if text is None:
        return None
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_POLICY:
        return Fault(400, "PackedPolicyTooLarge", f"a session policy has at most {LONGEST_POLICY} bytes")
    try:
        return read_session_policy(text)
    except ValueError as fault:
        return Fault(400, "MalformedPolicyDocument", str(fault))
