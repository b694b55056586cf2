"""Owns the table of the control API: what may be asked, by whom, and what answers.

Refuses to own what the handlers do (`gateway.control.*_routes`) and the models (`gateway.control.bodies`, the answers).

Law: an endpoint is a row here, with its handler. Router, guard, description and metrics are made of it.
"""

from __future__ import annotations

import asyncio
from functools import cache, partial
from typing import Any, Final

import orjson

from gateway.control import answers, bodies, key_bodies, ledger_answers, rule_answers
from gateway.control import console_routes as console
from gateway.control import grant_routes as grants
from gateway.control import key_routes as keys
from gateway.control import ledger_routes as ledger
from gateway.control import link_routes as links
from gateway.control import operation_routes as operations
from gateway.control import rule_routes as rules
from gateway.control import session_routes as sessions
from gateway.control import sidecar_routes as sidecars
from gateway.control import sts_routes as sts
from gateway.control import transfer_routes as transfers
from gateway.control import whoami_routes as whoami
from gateway.control.api import Api
from gateway.control.caller import Access
from gateway.control.endpoint import Call, Endpoint
from gateway.control.openapi import describe
from gateway.control.probes import PROBES
from gateway.core.grant import GrantKind
from gateway.wire.replies import Reply

_LINK: Final = "/v1/links/{id}"
_KEY: Final = "/v1/keys/{id}"
_ROLE_FORM: Final = (
    *("Action", "RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds", "Policy", "Name"),
)
_STS: Final = (
    "The STS query API: AssumeRole, AssumeRoleWithWebIdentity, GetSessionToken, GetFederationToken, GetCallerIdentity"
)
LINK, KEY = GrantKind.LINK, GrantKind.KEY
ADMIN, SIDECAR, APP, PUBLIC = Access.ADMIN, Access.SIDECAR, Access.APP, Access.PUBLIC
FEED, AUDIT, READ, SHARE = Access.FEED, Access.AUDIT, Access.READ, Access.SHARE
ISSUE, APPROVE, REVOKE, SIGN = Access.ISSUE, Access.APPROVE, Access.REVOKE, Access.SIGN


async def show_description(api: Api, call: Call[None, None]) -> Reply:
    """It takes a tenth of a second the first time: in a thread, so that nobody else waits for it."""
    document = await asyncio.to_thread(_write_description, api.deps.process.version)
    return Reply(200, (("Content-Type", "application/json"),), document)


@cache
def _write_description(version: str) -> bytes:
    return orjson.dumps(describe(ROWS, version))


# fmt: off
ROWS: Final[tuple[Endpoint[Any, Any], ...]] = (
    *PROBES,
    Endpoint("GET", "/v1/openapi.json", PUBLIC, show_description, "description", "operation", "This document"),
    Endpoint("GET", "/v1/whoami", Access.KNOWN, whoami.show_caller, "whoami", "operation",
             "Who the caller is here, and what they may ask", answer=whoami.WhoView),
    Endpoint("GET", "/v1/sign-in", PUBLIC, whoami.show_issuers, "signIn", "operation",
             "At which issuers people sign in, with a program of their own", answer=whoami.SignInView),
    Endpoint("POST", "/v1/console/codes", Access.SIGN_IN, console.make_code, "openConsole", "operation",
             "A code that signs a browser in to the console as the caller, once, within a minute",
             body=console.NewCode, answer=console.CodeView, status=201, also=(404,)),
    Endpoint("PUT", "/v1/log", ADMIN, operations.set_log_level, "setLogLevel", "operation",
             "How much this process logs, for a time or until a reload",
             body=operations.LogBody, answer=operations.LogView),
    Endpoint("PUT", "/v1/backends/{name}", ADMIN, operations.drain_backend, "drainBackend", "operation",
             "Take a backend out of use, or back, until a reload; running transfers go on",
             body=operations.DrainBody, answer=operations.DrainView, also=(404,)),

    Endpoint("POST", "/v1/backends/{name}/examination", ADMIN, operations.examine_backend, "examineBackend",
             "operation", "The doctor's trials of a backend as it is in use: nothing in it is changed",
             answer=operations.FindingsView, also=(404,)),
    Endpoint("GET", "/v1/credentials/{app}", APP, sessions.show_credentials, "containerCredentials", "sessions",
             "Short-lived keys for an app's SDK, in the container-credentials shape",
             answer=answers.SessionView, also=(401, 403, 429, 503), makes=True),
    Endpoint("POST", "/sts", PUBLIC, sts.answer_sts, "assumeRole", "sessions", _STS,
             form=_ROLE_FORM, media="text/xml", also=(403, 503)),
    Endpoint("POST", "/sts/", PUBLIC, sts.answer_sts, "assumeRoleBelow", "sessions", _STS,
             form=_ROLE_FORM, media="text/xml", also=(403, 503)),

    Endpoint("POST", "/v1/links", SHARE, links.create_link, "createLink", "links",
             "Make a link; its token is shown once", headers=("Idempotency-Key",),
             body=bodies.NewLink, answer=answers.MadeLinkView, status=201, also=(200, 403, 404, 409)),
    Endpoint("GET", "/v1/links", READ, links.list_links, "listLinks", "links",
             "Links, newest first: the caller's own, and those that wait for their approval",
             query=bodies.LinkQuery, answer=answers.LinkPageView),
    Endpoint("GET", _LINK, READ, partial(grants.show, LINK), "showLink", "links",
             "One link with its counters", answer=answers.LinkView, also=(404,)),
    Endpoint("PATCH", _LINK, SHARE, links.edit_link, "editLink", "links",
             "Change anything but the secret, several fields at once", headers=("If-Match",),
             body=bodies.EditLink, answer=answers.LinkView, also=(403, 404, 409, 412)),
    Endpoint("DELETE", _LINK, REVOKE, partial(grants.revoke, LINK), "revokeLink", "links",
             "Revoke a link; in force when the answer arrives",
             query=bodies.ReasonQuery, answer=answers.LinkView, also=(404,)),
    Endpoint("POST", _LINK + "/rotate", SHARE, links.rotate_link, "rotateLink", "links",
             "A new token for the same link; the old one ends", headers=("If-Match",),
             answer=answers.MadeLinkView, also=(404, 409, 412)),
    Endpoint("POST", _LINK + "/suspend", REVOKE, partial(grants.suspend, LINK), "suspendLink", "links",
             "Let nobody use a link until it is resumed; in force when the answer arrives",
             query=bodies.ReasonQuery, answer=answers.LinkView, also=(403, 404, 409, 412)),
    Endpoint("POST", _LINK + "/resume", SHARE, partial(grants.resume, LINK), "resumeLink", "links",
             "Let a suspended link be used again; what an admin suspended, only an admin resumes",
             query=bodies.ReasonQuery, answer=answers.LinkView, also=(403, 404, 409, 412)),
    Endpoint("POST", _LINK + "/approve", APPROVE, partial(grants.approve, LINK), "approveLink", "links",
             "Release a link that waits for the caller's approval; in force when the answer arrives",
             query=bodies.ApprovalQuery, answer=answers.LinkView, also=(403, 404, 409, 412)),
    Endpoint("POST", _LINK + "/reject", APPROVE, partial(grants.reject, LINK), "rejectLink", "links",
             "Revoke a link that waits for the caller's approval",
             query=bodies.ReasonQuery, answer=answers.LinkView, also=(403, 404, 409, 412)),
    Endpoint("GET", _LINK + "/records", READ, links.list_records, "listRecords", "links",
             "The uses of a link, newest first",
             query=bodies.RecordQuery, answer=ledger_answers.RecordPageView, also=(404,)),

    Endpoint("POST", "/v1/keys", ISSUE, keys.create_key, "createKey", "keys",
             "Make a key for an app, with all that the app may do or a part of it; its secrets are shown once",
             headers=("Idempotency-Key",),
             body=key_bodies.NewKey, answer=answers.MadeKeyView, status=201, also=(403, 404, 409)),
    Endpoint("GET", "/v1/keys", READ, keys.list_keys, "listKeys", "keys",
             "Keys, newest first: the caller's own, and those that wait for their approval",
             query=bodies.KeyQuery, answer=answers.KeyPageView),
    Endpoint("GET", _KEY, READ, partial(grants.show, KEY), "showKey", "keys", "One key",
             answer=answers.KeyView, also=(404,)),
    Endpoint("PATCH", _KEY, ISSUE, keys.edit_key, "editKey", "keys",
             "Change anything but the secrets and the app, several fields at once", headers=("If-Match",),
             body=key_bodies.EditKey, answer=answers.KeyView, also=(403, 404, 409, 412)),
    Endpoint("DELETE", _KEY, REVOKE, partial(grants.revoke, KEY), "revokeKey", "keys",
             "Revoke a key; in force when the answer arrives",
             query=bodies.ReasonQuery, answer=answers.KeyView, also=(404,)),
    Endpoint("POST", _KEY + "/suspend", REVOKE, partial(grants.suspend, KEY), "suspendKey", "keys",
             "Let nobody use a key until it is resumed; in force when the answer arrives",
             query=bodies.ReasonQuery, answer=answers.KeyView, also=(403, 404, 409, 412)),
    Endpoint("POST", _KEY + "/resume", ISSUE, partial(grants.resume, KEY), "resumeKey", "keys",
             "Let a suspended key be used again; what an admin suspended, only an admin resumes",
             query=bodies.ReasonQuery, answer=answers.KeyView, also=(403, 404, 409, 412)),
    Endpoint("POST", _KEY + "/approve", APPROVE, partial(grants.approve, KEY), "approveKey", "keys",
             "Release a key that waits for the caller's approval; in force when the answer arrives",
             query=bodies.ApprovalQuery, answer=answers.KeyView, also=(403, 404, 409, 412)),
    Endpoint("POST", _KEY + "/reject", APPROVE, partial(grants.reject, KEY), "rejectKey", "keys",
             "Revoke a key that waits for the caller's approval",
             query=bodies.ReasonQuery, answer=answers.KeyView, also=(403, 404, 409, 412)),
    Endpoint("POST", "/v1/reseal", ADMIN, keys.reseal_keys, "resealKeys", "keys",
             "Bring one batch of stored secrets, of keys and passwords, under the first of state.sealing_keys",
             body=bodies.ResealBody, answer=answers.ResealedView),

    Endpoint("POST", "/v1/revocations", REVOKE, keys.revoke_matching, "revoke", "revocations",
             "Revoke all that a target names, in one write",
             body=bodies.NewRevocation, answer=answers.RevokedView, also=(404,)),
    Endpoint("GET", "/v1/revocations", FEED, keys.list_revocations, "listRevocations", "revocations",
             "Revocations in order; with `after`, waits for the next one", headers=("If-None-Match",),
             query=bodies.FeedQuery, answer=answers.FeedView, also=(304,), waits=True),

    Endpoint("GET", "/v1/transfers", READ, transfers.list_transfers, "listTransfers", "transfers",
             "The transfers that run now", answer=transfers.TransferListView),
    Endpoint("DELETE", "/v1/transfers/{id}", REVOKE, transfers.cut_transfer, "cutTransfer", "transfers",
             "End one; whoever has its link or key may begin again", answer=transfers.TransferView, also=(404,)),

    Endpoint("GET", "/v1/audit", AUDIT, ledger.read_trail, "readTrail", "audit",
             "The audit trail in order, each entry with the digest of the one before",
             query=bodies.TrailQuery, answer=ledger_answers.TrailView),
    Endpoint("GET", "/v1/records", AUDIT, ledger.export_records, "exportRecords", "audit",
             "Every record that is kept, in the store's order",
             query=bodies.RecordQuery, answer=ledger_answers.LedgerPageView),

    Endpoint("GET", "/v1/grants/by-hash/{hash}", SIDECAR, sidecars.find_grant, "findGrant", "sidecars",
             "The stored grant of a secret's SHA-256, or null; a sidecar's token is enough",
             answer=sidecars.FoundView),
    Endpoint("POST", "/v1/sessions", SIDECAR, sidecars.issue_session, "issueSession", "sidecars",
             "A short-lived key of an app that the settings name for the sidecar that asks; its secrets are shown once",
             body=sidecars.NewSession, answer=sidecars.IssuedView, status=201, also=(403,)),
    Endpoint("POST", "/v1/sessions/link", SIDECAR, sidecars.issue_link_session, "issueLinkSession", "sidecars",
             "The credentials of a link that was used at the sidecar that asks; its secrets are shown once",
             body=sidecars.NewLinkSession, answer=sidecars.IssuedView, status=201, also=(403, 404)),
    Endpoint("GET", "/v1/sessions", SIDECAR, sidecars.list_sessions, "listSessions", "sidecars",
             "The living keys that the sidecar that asks had issued, without their secrets",
             query=sidecars.SessionQuery, answer=sidecars.LivingView),
    Endpoint("POST", "/v1/sessions/end", SIDECAR, sidecars.end_sessions, "endSessions", "sidecars",
             "Revoke keys that the sidecar that asks had issued",
             body=sidecars.EndSessions, answer=sidecars.EndedView),
    Endpoint("POST", "/v1/uses/open", SIDECAR, sidecars.open_use, "openUse", "sidecars",
             "Open or join a counted use", body=sidecars.OpenUse, answer=sidecars.UseView, also=(404,)),
    Endpoint("POST", "/v1/uses/join", SIDECAR, sidecars.join_use, "joinUse", "sidecars",
             "Whether a counted use is open", body=sidecars.GiveBack, answer=sidecars.UseView, also=(404,)),
    Endpoint("POST", "/v1/uses/usage", SIDECAR, sidecars.read_usage, "readUsage", "sidecars",
             "What a link or a key has used so far", body=sidecars.Used, answer=sidecars.UsageView, also=(404,)),
    Endpoint("POST", "/v1/uses/give-back", SIDECAR, sidecars.give_use_back, "giveUseBack", "sidecars",
             "End a request that brought nothing", body=sidecars.GiveBack, answer=sidecars.UseView, also=(404,)),
    Endpoint("POST", "/v1/uses/reserve", SIDECAR, sidecars.reserve_bytes, "reserveBytes", "sidecars",
             "Reserve bytes of a budget and a use before they move",
             body=sidecars.ReserveBytes, answer=sidecars.RoomView, also=(404,)),
    Endpoint("POST", "/v1/uses/settle", SIDECAR, sidecars.settle_bytes, "settleBytes", "sidecars",
             "Count what moved", body=sidecars.SettleBytes, answer=sidecars.UseView, also=(404,)),

    Endpoint("GET", "/v1/backends", AUDIT, rules.list_backends, "listBackends", "policy",
             "The stores behind the gateway", answer=rule_answers.BackendList),
    Endpoint("GET", "/v1/buckets", READ, rules.list_buckets, "listBuckets", "policy",
             "The buckets that the caller's rules name", answer=rule_answers.BucketNames),
    Endpoint("GET", "/v1/policy", AUDIT, rules.show_policy, "showPolicy", "policy",
             "The rules in force", answer=rule_answers.PolicyView),
    Endpoint("POST", "/v1/policy/explain", AUDIT, rules.explain_attempt, "explain", "policy",
             "Why an attempt would be allowed or refused, all reasons",
             body=bodies.ExplainBody, answer=rule_answers.ExplanationView, also=(404,)),
    Endpoint("POST", "/v1/presign", SIGN, rules.presign, "presign", "policy",
             "A presigned URL of the real store, where the policy lets the caller sign",
             body=bodies.PresignBody, answer=answers.SignatureView, also=(403, 404, 501, 502)),
)
# fmt: on
