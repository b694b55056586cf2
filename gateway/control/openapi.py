"""Owns the description of the control API: a hand-kept OpenAPI 3.1 skeleton, filled with the models' own schemas.

Refuses to own the models (`gateway.control.bodies`, `gateway.control.answers`).

Law: every endpoint has one row here and every row an endpoint; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.control import (
    answers,
    bodies,
    ledger_answers,
    ledger_routes,
    operation_routes,
    rule_answers,
    sidecar_routes,
)

__all__ = ["ROWS", "Row", "describe"]


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
        also=(401, 429, 503),
        proof="app",
    ),
    *(
        Row(
            "POST",
            path,
            name,
            "sessions",
            "AssumeRoleWithWebIdentity of the STS query API",
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
    *(
        Row("POST", f"/v1/uses/{path}", name, "sidecars", summary, sidecar_routes.UseView, body)
        for path, name, summary, body in (
            ("open", "openUse", "Open or join a counted use", sidecar_routes.OpenUse),
            ("give-back", "giveUseBack", "Undo a use that moved no byte", sidecar_routes.GiveBack),
            ("reserve", "reserveBytes", "Take from a byte budget", sidecar_routes.ReserveBytes),
            ("settle", "settleBytes", "Replace a reservation by what moved", sidecar_routes.SettleBytes),
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

_REF: Final = "#/components/schemas/{model}"
_PHRASES: Final = {
    200: "Done",
    201: "Made",
    304: "Nothing new",
    400: "Malformed",
    401: "No valid token",
    403: "Not allowed",
    404: "There is none",
    409: "In conflict with what is stored",
    412: "Somebody else was faster",
    413: "The body is too large",
    415: "Not JSON",
    422: "Faults, all of them",
    429: "Too many wrong tokens",
    501: "The store cannot do this",
    502: "The store, or its credentials, cannot be had",
    503: "A part is unavailable",
}


def describe(version: str) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for row in ROWS:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gateway control API",
            "version": version,
            "summary": "Links, keys and revocations for S3-compatible storage",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name}
            for name in ("links", "keys", "revocations", "audit", "policy", "sessions", "sidecars", "operation")
        ],
        "security": [{"admin": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "admin": {"type": "http", "scheme": "bearer"},
                "app": {"type": "apiKey", "in": "header", "name": "Authorization"},
            },
            "schemas": _schemas(),
        },
    }


def _schemas() -> dict[str, Any]:
    asked = {model for row in ROWS for model in (row.body,) if model is not None}
    answered = {model for row in ROWS for model in (row.answer,) if model is not None} | {answers.ProblemView}
    models = [(model, "validation") for model in asked] + [(model, "serialization") for model in answered]
    _, document = models_json_schema(sorted(models, key=lambda pair: pair[0].__name__), ref_template=_REF)  # type: ignore[arg-type]
    schemas: dict[str, Any] = document["$defs"]
    return schemas


def _operation(row: Row) -> dict[str, Any]:
    named = {"operationId": row.name, "tags": [row.tag], "summary": row.summary}
    operation: dict[str, Any] = {**named, "responses": _responses(row)}
    parameters = _parameters(row)
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(row.body)}}}
    if row.form:
        fields = {name: {"type": "string"} for name in row.form}
        schema = {"type": "object", "properties": fields, "required": list(row.form[:-1])}
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}
    if row.proof != "admin":
        operation["security"] = [{"app": []}] if row.proof == "app" else []
    return operation


def _parameters(row: Row) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    found.extend(
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in ("id", "app", "hash", "name")
        if "{" + name + "}" in row.path
    )
    found.extend({"name": name, "in": "header", "schema": {"type": "string"}} for name in row.headers)
    if row.query is not None:
        schema = row.query.model_json_schema(ref_template=_REF)
        inner = schema.get("$defs", {})
        found.extend(
            {"name": name, "in": "query", "schema": _plain(part, inner)} for name, part in schema["properties"].items()
        )
    return found


def _plain(schema: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """A query parameter's schema: inlined, and without the null that a query cannot send."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    kind = dict(kinds[0])
    if "$ref" in kind:
        kind = dict(inner[kind["$ref"].rpartition("/")[2]])
    kind.pop("title", None)
    return kind


def _responses(row: Row) -> dict[str, Any]:
    refusals = {400, 401, 422, 429, 503} if row.proof == "admin" else {400}
    if row.body is not None or row.form:
        refusals |= {413}
    if row.body is not None:
        refusals |= {415}
    refusals |= {status for status in row.also if status >= 400}
    responses = {str(status): _problem(status, row) for status in sorted(refusals)}
    for status in (row.status, *(status for status in row.also if status < 400)):
        responses[str(status)] = {"description": _PHRASES[status]} | ({} if status == 304 else _content(row))
    return responses


def _content(row: Row) -> dict[str, Any]:
    if row.answer is not None:
        schema = _ref(row.answer)
    else:
        schema = {"type": "object"} if row.media == "application/json" else {"type": "string"}
    return {"content": {row.media: {"schema": schema}}}


def _problem(status: int, row: Row) -> dict[str, Any]:
    content: dict[str, Any] = {"application/problem+json": {"schema": _ref(answers.ProblemView)}}
    if row.form:
        content |= {row.media: {"schema": {"type": "string"}}}
    return {"description": _PHRASES[status], "content": content}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}
