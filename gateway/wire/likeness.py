"""Owns what requests have in common that can differ in signature, time and the client's own marks alone.

Refuses to own how a request is read (`gateway.wire.parse`).

Law: of requests that are alike, `parse` says the same, but for the fields of authentication. A header's value is left
out of the comparison only if `parse` hands it on, or passes it over, unread; that it came, and where, never is.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Final

from gateway.core.request import AuthFields, ObjectRequest, RawRequest
from gateway.wire.sig.credentials import auth_fields

UNREAD: Final = frozenset(
    {
        # the fields of authentication
        "authorization",
        "date",
        "x-amz-date",
        "x-amz-security-token",
        # the marks of SDKs and of tracing
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "traceparent",
        "tracestate",
        "x-amzn-trace-id",
        "x-request-id",
    }
)
_BODY_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def likeness(raw: RawRequest) -> Hashable:
    """Equal for requests that are alike. Holds no secret that a header brought for authentication."""
    return (
        raw.method,
        raw.path,
        raw.query,
        raw.version,
        tuple([_shown(pair) for pair in raw.headers]),
    )


def _shown(pair: tuple[str, str]) -> tuple[str, str] | str:
    name, value = pair
    # Every hash of a body is as good as another to who reads a request; words in its place are not.
    if name in UNREAD or (name == "x-amz-content-sha256" and _BODY_HASH.fullmatch(value)):
        return name
    return pair


def read_alike(request: ObjectRequest, raw: RawRequest) -> ObjectRequest:
    """What `parse` says of `raw`, which is alike to the request that was read."""
    return ObjectRequest(
        raw=raw,
        operation=request.operation,
        place=request.place,
        params=request.params,
        headers=request.headers,
        content_length=request.content_length,
        framing=request.framing,
        virtual_host=request.virtual_host,
        step=request.step,
        auth=AuthFields(auth_fields(raw.headers, ()).headers, request.auth.query),
    )
