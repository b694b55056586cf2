"""Owns the list of the control API's operations: their names, models, statuses and the proof that each asks for.

Refuses to own the models (`gateway.control.bodies`, `gateway.control.answers`) and the document that is made of the
list (`gateway.control.openapi`).

Law: every endpoint has one row here and every row an endpoint; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel

from gateway.control import (
    answers,
    bodies,
    ledger_answers,
    ledger_routes,
    operation_routes,
    rule_answers,
    sidecar_routes,
)

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: its models, the statuses it can answer beside the common ones, and the proof it asks for."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    answer: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    also: tuple[int, ...] = ()
    proof: Literal["admin", "app", "none"] = "admin"
    media: str = "application/json"
    form: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


_LINK: Final = "/v1/links/{id}"
_KEY: Final = "/v1/keys/{id}"

ROWS: Final = (
    Row("GET", "/healthz", "healthy", "operation", "Whether the process lives", answers.StatusView, proof="none"),
    Row(
        "GET",
        "/readyz",
        "ready",
        "operation",
        "Whether it can serve, or every fault that keeps it from serving",
        answers.StatusView,
        also=(503,),
        proof="none",
    ),
    Row("GET", "/metrics", "metrics", "operation", "For Prometheus", also=(503,), proof="none", media="text/plain"),
    Row("GET", "/v1/openapi.json", "description", "operation", "This document", proof="none"),
    Row(
        "PUT",
        "/v1/log",
        "setLogLevel",
        "operation",
        "How much this process logs, for a time or until a reload",
        operation_routes.LogView,
        operation_routes.LogBody,
    ),
    Row(
        "GET",
        "/v1/credentials/{app}",
        "containerCredentials",
        "sessions",
        "Short-lived keys for an app's SDK, in the container-credentials shape",
        answers.SessionView,
        also=(401, 403, 429, 503),
        proof="app",
    ),
    *(
        Row(
            "POST",
            path,
            name,
            "sessions",
            "AssumeRoleWithWebIdentity of the STS query API",
            also=(403, 503),
            proof="none",
            media="text/xml",
            form=("Action", "RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds"),
        )
        for path, name in (("/sts", "assumeRole"), ("/sts/", "assumeRoleBelow"))
    ),
    Row(
        "POST",
        "/v1/links",
        "createLink",
        "links",
        "Make a link; its token is shown once",
        answers.MadeLinkView,
        bodies.NewLink,
        status=201,
        also=(200, 403, 404, 409),
        headers=("Idempotency-Key",),
    ),
    Row("GET", "/v1/links", "listLinks", "links", "Links, newest first", answers.LinkPageView, query=bodies.LinkQuery),
    Row("GET", _LINK, "showLink", "links", "One link with its counters", answers.LinkView, also=(404,)),
    Row(
        "PATCH",
        _LINK,
        "editLink",
        "links",
        "Change anything but the secret, several fields at once",
        answers.LinkView,
        bodies.EditLink,
        also=(403, 404, 409, 412),
        headers=("If-Match",),
    ),
    Row(
        "DELETE",
        _LINK,
        "revokeLink",
        "links",
        "Revoke a link; in force when the answer arrives",
        answers.LinkView,
        query=bodies.ReasonQuery,
        also=(404,),
    ),
    Row(
        "POST",
        _LINK + "/rotate",
        "rotateLink",
        "links",
        "A new token for the same link; the old one ends",
        answers.MadeLinkView,
        also=(404, 409, 412),
    ),
    Row(
        "GET",
        _LINK + "/records",
        "listRecords",
        "links",
        "The uses of a link, newest first",
        ledger_answers.RecordPageView,
        query=bodies.RecordQuery,
        also=(404,),
    ),
    Row(
        "POST",
        "/v1/keys",
        "createKey",
        "keys",
        "Make a key for an app; its secrets are shown once",
        answers.MadeKeyView,
        bodies.NewKey,
        status=201,
    ),
    Row("GET", "/v1/keys", "listKeys", "keys", "Keys, newest first", answers.KeyPageView, query=bodies.KeyQuery),
    Row("GET", _KEY, "showKey", "keys", "One key", answers.KeyView, also=(404,)),
    Row(
        "DELETE",
        _KEY,
        "revokeKey",
        "keys",
        "Revoke a key; in force when the answer arrives",
        answers.KeyView,
        query=bodies.ReasonQuery,
        also=(404,),
    ),
    Row(
        "POST",
        "/v1/reseal",
        "resealKeys",
        "keys",
        "Bring one batch of stored secrets, of keys and passwords, under the first of state.sealing_keys",
        answers.ResealedView,
        bodies.ResealBody,
    ),
    Row(
        "POST",
        "/v1/revocations",
        "revoke",
        "revocations",
        "Revoke all that a target names, in one write",
        answers.RevokedView,
        bodies.NewRevocation,
        also=(404,),
    ),
    Row(
        "GET",
        "/v1/revocations",
        "listRevocations",
        "revocations",
        "Revocations in order; with `after`, waits for the next one",
        answers.FeedView,
        query=bodies.FeedQuery,
        also=(304,),
        headers=("If-None-Match",),
    ),
    Row(
        "GET",
        "/v1/audit",
        "readTrail",
        "audit",
        "The audit trail in order, each entry with the digest of the one before",
        ledger_answers.TrailView,
        query=ledger_routes.TrailQuery,
    ),
    Row(
        "GET",
        "/v1/records",
        "exportRecords",
        "audit",
        "Every record that is kept, in the store's order",
        ledger_answers.LedgerPageView,
        query=bodies.RecordQuery,
    ),
    Row(
        "GET",
        "/v1/grants/by-hash/{hash}",
        "findGrant",
        "sidecars",
        "The stored grant of a secret's SHA-256, or null; a sidecar's token is enough",
        sidecar_routes.FoundView,
    ),
    Row(
        "POST",
        "/v1/sessions",
        "issueSession",
        "sidecars",
        "A short-lived key of an app that the settings name for the sidecar that asks; its secrets are shown once",
        sidecar_routes.IssuedView,
        sidecar_routes.NewSession,
        status=201,
        also=(403,),
    ),
    *(
        Row("POST", f"/v1/uses/{path}", name, "sidecars", summary, view, body, also=(404,))
        for path, name, summary, view, body in (
            ("open", "openUse", "Open or join a counted use", sidecar_routes.UseView, sidecar_routes.OpenUse),
            ("join", "joinUse", "Whether a counted use is open", sidecar_routes.UseView, sidecar_routes.GiveBack),
            ("usage", "readUsage", "What a link has used so far", sidecar_routes.UsageView, sidecar_routes.Used),
            (
                "give-back",
                "giveUseBack",
                "End a request that brought nothing",
                sidecar_routes.UseView,
                sidecar_routes.GiveBack,
            ),
            (
                "reserve",
                "reserveBytes",
                "Reserve bytes of a budget and a use before they move",
                sidecar_routes.RoomView,
                sidecar_routes.ReserveBytes,
            ),
            ("settle", "settleBytes", "Count what moved", sidecar_routes.UseView, sidecar_routes.SettleBytes),
        )
    ),
    Row("GET", "/v1/backends", "listBackends", "policy", "The stores behind the gateway", rule_answers.BackendList),
    Row(
        "PUT",
        "/v1/backends/{name}",
        "drainBackend",
        "operation",
        "Take a backend out of use, or back, until a reload; running transfers go on",
        operation_routes.DrainView,
        operation_routes.DrainBody,
        also=(404,),
    ),
    Row("GET", "/v1/policy", "showPolicy", "policy", "The rules in force", rule_answers.PolicyView),
    Row(
        "POST",
        "/v1/policy/explain",
        "explain",
        "policy",
        "Why an attempt would be allowed or refused, all reasons",
        rule_answers.ExplanationView,
        bodies.ExplainBody,
        also=(404,),
    ),
    Row(
        "POST",
        "/v1/presign",
        "presign",
        "policy",
        "A presigned URL of the real store, where the policy lets the caller sign",
        answers.SignatureView,
        bodies.PresignBody,
        also=(403, 404, 501, 502),
    ),
)
