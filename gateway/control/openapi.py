"""Owns the description of the control API (OpenAPI 3.1), made of its rows and of the models' own schemas.

Refuses to own the models (`gateway.control.bodies`, `gateway.control.answers`) and which operations there are
(`gateway.control.rows`).

Law: nothing is described twice; what a model says of its fields is taken from the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from gateway.control.answers import ProblemView
from gateway.control.caller import DUTY_OF, OWN, Access
from gateway.control.endpoint import Endpoint

_REF: Final = "#/components/schemas/{model}"
_PHRASES: Final = {
    200: "Done",
    201: "Made",
    304: "Nothing new",
    400: "Malformed",
    401: "No valid token",
    403: "Not allowed",
    404: "There is none",
    408: "The body did not come in time",
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


Row = Endpoint[Any, Any]
_SCHEMES: Final = {
    "admin": {"type": "http", "scheme": "bearer", "description": "A token of `control.tokens`, if it has the x-duty"},
    "sidecar": {"type": "http", "scheme": "bearer", "description": "A token of `control.sidecars`"},
    "app": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A token of `control.credentials`, as it is or as a bearer's",
    },
    "user": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of an issuer of `control.identity`; for more than one's own, with a role",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS4-HMAC-SHA256 by a key of an app, service `gateway` or `s3`, with `x-amz-content-sha256`",
    },
    "key": {
        "type": "http",
        "scheme": "basic",
        "description": "Key id and secret of an app, over TLS or loopback; a session token in `x-amz-security-token`",
    },
}
_SCHEMES_OF: Final[dict[Access, tuple[str, ...]]] = {
    Access.PUBLIC: (),
    Access.APP: ("app",),
    Access.SIDECAR: ("sidecar", "admin"),
    Access.KNOWN: ("admin", "sidecar", "user", "signature", "key", "app"),
    Access.SIGN_IN: ("admin", "user", "signature", "key", "app"),
    Access.FEED: ("sidecar", "admin", "user"),
    Access.ADMIN: ("admin", "user"),
    Access.AUDIT: ("admin", "user"),
    **dict.fromkeys(OWN, ("admin", "user", "signature", "key", "app")),
}


def describe(rows: Sequence[Row], version: str) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _describe_operation(row)
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
        "paths": paths,
        "components": {
            "securitySchemes": _SCHEMES,
            "schemas": _describe_models(rows),
        },
    }


def _describe_models(rows: Sequence[Row]) -> dict[str, Any]:
    asked = {row.body for row in rows if row.body is not None}
    answered = {row.answer for row in rows if row.answer is not None} | {ProblemView}
    models = [(model, "validation") for model in asked] + [(model, "serialization") for model in answered]
    adapters = [(model.__name__, mode, TypeAdapter(model)) for model, mode in models]
    _, document = TypeAdapter.json_schemas(sorted(adapters, key=lambda known: known[0]), ref_template=_REF)  # type: ignore[arg-type]
    schemas: dict[str, Any] = document["$defs"]
    return schemas


def _describe_operation(row: Row) -> dict[str, Any]:
    named = {"operationId": row.name, "tags": [row.tag], "summary": row.summary}
    operation: dict[str, Any] = {**named, "responses": _describe_responses(row)}
    parameters = _describe_parameters(row)
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(row.body)}}}
    if row.form:
        fields = {name: {"type": "string"} for name in row.form}
        schema = {"type": "object", "properties": fields, "required": list(row.form[:-1])}
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}
    operation["security"] = [{name: []} for name in _SCHEMES_OF[row.access]]
    if row.access in DUTY_OF:
        operation["x-duty"] = str(DUTY_OF[row.access])
    return operation


def _describe_parameters(row: Row) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    found.extend(
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", row.path)
    )
    found.extend({"name": name, "in": "header", "schema": {"type": "string"}} for name in row.headers)
    if row.query is not None:
        schema = row.query.model_json_schema(ref_template=_REF)
        inner = schema.get("$defs", {})
        found.extend(
            {"name": name, "in": "query", "schema": _inline(part, inner)} for name, part in schema["properties"].items()
        )
    return found


def _inline(schema: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """A query parameter's schema: inlined, and without the null that a query cannot send."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    kind = dict(kinds[0])
    if "$ref" in kind:
        kind = dict(inner[kind["$ref"].rpartition("/")[2]])
    kind.pop("title", None)
    return kind


def _describe_responses(row: Row) -> dict[str, Any]:
    refusals = {400, 401, 403, 422, 429, 503} if row.access not in {Access.PUBLIC, Access.APP} else {400}
    if row.body is not None or row.form:
        refusals |= {408, 413}
    if row.body is not None:
        refusals |= {415}
    refusals |= {status for status in row.also if status >= 400}
    responses = {str(status): _describe_problem(status, row) for status in sorted(refusals)}
    for status in (row.status, *(status for status in row.also if status < 400)):
        responses[str(status)] = {"description": _PHRASES[status]} | ({} if status == 304 else _describe_content(row))
    return responses


def _describe_content(row: Row) -> dict[str, Any]:
    if row.answer is not None:
        schema = _ref(row.answer)
    else:
        schema = {"type": "object"} if row.media == "application/json" else {"type": "string"}
    return {"content": {row.media: {"schema": schema}}}


def _describe_problem(status: int, row: Row) -> dict[str, Any]:
    content: dict[str, Any] = {"application/problem+json": {"schema": _ref(ProblemView)}}
    if row.form:
        content |= {row.media: {"schema": {"type": "string"}}}
    return {"description": _PHRASES[status], "content": content}


def _ref(model: type) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}
