"""Rows, the way to them, and what their handlers are given."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.caller import NOBODY, Access
from gateway.control.endpoint import Call, Endpoint, Router, json_reply
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.wire.replies import Reply


async def _handle(api: object, call: Call[None, None]) -> Reply:
    return json_reply({})


def row(method: str, path: str) -> Endpoint[Any, Any]:
    return Endpoint(method, path, Access.PUBLIC, _handle, f"{method} {path}", "links", "")


ROUTER = Router([row("GET", "/v1/links"), row("POST", "/v1/links"), row("GET", "/v1/links/{id}/records")])


@pytest.mark.parametrize(
    ("path", "methods", "values"),
    [
        ("/v1/links", ["GET", "POST"], {}),
        ("/v1/%6Cinks", ["GET", "POST"], {}),
        ("/v1/links/l_1/records", ["GET"], {"id": "l_1"}),
        ("/v1/links/a%2Fb%20c/records", ["GET"], {"id": "a/b c"}),
    ],
)
def test_a_path_finds_its_rows(path: str, methods: list[str], values: dict[str, str]) -> None:
    """All of its methods at once, and what the path says, decoded once: an escaped slash does not part anything."""
    found = ROUTER.find(path)
    assert found is not None
    assert (methods, values) == (sorted(found.methods), found.values)


@pytest.mark.parametrize("path", ["/", "/v1/links/", "/v1//links", "//v1/links", "/v1/links//records", "/V1/links"])
def test_another_path_finds_none(path: str) -> None:
    """Slashes count, case counts, and a part that is left open is not empty."""
    assert ROUTER.find(path) is None


def test_a_path_is_utf8() -> None:
    """Bytes that are none are refused before anybody compares them."""
    with pytest.raises(Refused) as refused:
        ROUTER.find("/v1/links/%ff/records")
    assert Reason.BAD_REQUEST is refused.value.reason


@pytest.mark.parametrize("text", ["", "a b", "l_\x00", "é", "x" * 65, "../l_1"])
def test_only_ids_are_looked_up(text: str) -> None:
    """A text that can be no id never reaches a store."""
    raw = RawRequest("GET", "/", "", ())
    call = Call("r", raw, None, NOBODY, {"id": text}, None, None)
    with pytest.raises(Refused) as refused:
        call.path_id()
    assert Reason.UNKNOWN_TOKEN is refused.value.reason


def test_answers_are_json() -> None:
    """And say so."""
    reply = json_reply({"status": "ok"})
    assert (200, b'{"status":"ok"}') == (reply.status, reply.body)
    assert (("Content-Type", "application/json"),) == reply.headers
