"""Owns the reading of a request's query and body into the models that its row names.

Refuses to own the models (`gateway.control.bodies`) and who may send them (`gateway.control.guard`).

Law: an unknown parameter or field is a fault, and all faults are reported at once.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.control.bodies import NoQuery
from gateway.control.body import Body, faults_of
from gateway.control.caller import Access
from gateway.control.endpoint import Endpoint, Form
from gateway.control.problems import problem
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.server.exchange import ClientExchange
from gateway.wire.http.media import declared_essence
from gateway.wire.replies import Reply

BODY_LIMIT: Final = 64 * 1024
"""Bytes of a request body; the largest legal one (64 networks, a long key) is a tenth of it."""

AnyQuery = TypeVar("AnyQuery", bound=Body)


async def read_input(
    row: Endpoint[Any, Any], raw: RawRequest, exchange: ClientExchange, digest: str | None
) -> tuple[Any, Any] | Reply:
    """The query and the body as the row knows them, or the problem with them. Endpoints for everybody, and an app's
    own, ignore parameters that they do not know. `digest` is the SHA-256 that was signed for the body.

    Raises:
        Refused: BAD_REQUEST for broken JSON, TOO_LARGE, CLIENT_TOO_SLOW, BAD_CONTENT_HASH.
    """
    query = body = None
    try:
        if row.access not in {Access.PUBLIC, Access.APP}:
            query = read_query(raw.query, row.query or NoQuery)
        media = declared_essence(raw.header("content-type"))
        plain = raw.header("content-encoding") is None
        if row.form and media == "application/x-www-form-urlencoded" and plain:
            body = _read_form(await exchange.read_body(BODY_LIMIT))
        elif row.body is not None:
            if media != "application/json" or not plain:
                detail = "send application/json, not compressed"
                return problem(exchange.request_id, 415, Reason.BAD_REQUEST, detail)
            text = await exchange.read_body(BODY_LIMIT)
            if digest is not None and sha256(text).hexdigest() != digest:
                raise Refused(Reason.BAD_CONTENT_HASH, "the body is not the one whose SHA-256 was signed")
            body = row.body.model_validate(_parse_json(text))
    except ValidationError as error:
        return _describe_faults(exchange.request_id, error)
    return query, body


def _read_form(sent: bytes) -> Form | None:
    """A form; None if a field comes twice, which readers understand differently."""
    pairs = parse_qsl(sent.decode("utf-8", "replace"), keep_blank_values=True)
    fields = dict(pairs)
    return Form(fields, sha256(sent).hexdigest()) if len(fields) == len(pairs) else None


def read_query(query: str, model: type[AnyQuery]) -> AnyQuery:
    """The typed query of a target.

    Raises:
        ValidationError: with every unknown, doubled or wrong parameter.
        Refused: BAD_REQUEST, a name or value is not UTF-8.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeError:
        raise Refused(Reason.BAD_REQUEST, "a parameter is not UTF-8") from None
    sent: dict[str, str] = {}
    for name, value in pairs:
        if name in sent:
            doubled = PydanticCustomError("fault", "{text}", {"text": "may be given once"})
            line = InitErrorDetails(type=doubled, loc=(name,), input=None)
            raise ValidationError.from_exception_data(model.__name__, [line], hide_input=True)
        sent[name] = value
    return model.model_validate(sent)


def _parse_json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw.removeprefix(BOM_UTF8))  # which PowerShell writes before a text
    except orjson.JSONDecodeError:
        raise Refused(Reason.BAD_REQUEST, "the body is not JSON") from None


def _describe_faults(request_id: str, error: ValidationError) -> Reply:
    part = "query" if error.title.endswith("Query") else "body"
    errors = tuple(
        {"detail": text, "parameter": pointer.lstrip("/")} if part == "query" else {"detail": text, "pointer": pointer}
        for pointer, text in faults_of(error)
    )
    count = f"{len(errors)} faults" if len(errors) > 1 else "a fault"
    return problem(request_id, 422, Reason.BAD_ARGUMENT, f"the {part} has {count}", errors=errors)
