"""Owns the shape of an endpoint and the two ways through HTTP: a body or query in, a view out.

Refuses to own what the endpoints do (`link_routes`, `key_routes`, `rule_routes`, `open_routes`).

Law: what needs an admin token and what does not are two types, so that no row is both or neither. A parameter or
field that nobody knows is a fault.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.control.answers import View
from gateway.control.body import Body
from gateway.control.head_timeouts import BODY_SECONDS
from gateway.core.attempt import Principal
from gateway.core.reasons import Reason, Refused

__all__ = [
    "BODY_LIMIT",
    "Endpoint",
    "Handler",
    "PublicEndpoint",
    "PublicHandler",
    "in_time",
    "path_id",
    "read_body",
    "read_query",
    "reply",
]

BODY_LIMIT: Final = 64 * 1024
"""Bytes of a request body; the largest legal one (64 networks, a long key) is a tenth of it."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

Handler = Callable[[web.Request, Principal], Awaitable[web.Response]]
PublicHandler = Callable[[web.Request], Awaitable[web.Response]]
AnyBody = TypeVar("AnyBody", bound=Body)
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the API that needs an admin token, or a sidecar's where that is enough; the handler is told whose.

    `waits` says that its answer may be long in coming: then the token has to be good until it comes.
    """

    method: str
    path: str
    handler: Handler
    sidecars: bool = False
    waits: bool = False


@dataclass(frozen=True, slots=True)
class PublicEndpoint:
    """One row that anybody may call."""

    method: str
    path: str
    handler: PublicHandler


async def in_time(reading: Coroutine[Any, Any, Read]) -> Read:
    """What is read of a request's body. Raises HTTPRequestTimeout (408) for one that does not come."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await reading
    except TimeoutError:
        raise web.HTTPRequestTimeout(reason="The body did not come in time") from None


async def read_body(request: web.Request, body: type[AnyBody]) -> AnyBody:
    """The typed body of a request.

    Raises:
        HTTPException: 415 for another media type or a coded body, 413 above the limit, 408 for one that does not come,
            400 for broken JSON.
        ValidationError: with every fault of the body.
    """
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(reason="Send application/json, not compressed")
    raw = await in_time(request.read())
    try:
        sent = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise web.HTTPBadRequest(reason="The body is not JSON") from None
    return body.model_validate(sent)


def read_query(request: web.Request, query: type[AnyBody]) -> AnyBody:
    """The typed query of a request. Raises ValidationError for unknown, doubled or wrong parameters."""
    sent: dict[str, str] = {}
    for name, value in request.query.items():
        if name in sent:
            doubled = PydanticCustomError("fault", "{text}", {"text": "may be given once"})
            line = InitErrorDetails(type=doubled, loc=(name,), input=None)
            raise ValidationError.from_exception_data(query.__name__, [line], hide_input=True)
        sent[name] = value
    return query.model_validate(sent)


def path_id(request: web.Request) -> str:
    """The `{id}` of the path. Raises Refused(UNKNOWN_TOKEN) for a text that can be no id."""
    found = request.match_info["id"]
    if not _ID.fullmatch(found):
        raise Refused(Reason.UNKNOWN_TOKEN, "nothing has this id")
    return found


def reply(view: View, status: int = 200) -> web.Response:
    """A view as JSON, fields under their public names."""
    body = orjson.dumps(view.model_dump(mode="json", by_alias=True))
    return web.Response(status=status, body=body, content_type="application/json")
