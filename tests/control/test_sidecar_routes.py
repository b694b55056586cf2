"""What a sidecar's token opens, and what it does not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from gateway.control.api import endpoints
from gateway.control.door import Door
from gateway.control.routes import Endpoint
from gateway.control.usecases.revocations import Waits
from gateway.core.token import hash_secret
from gateway.core.trail import entry_fields
from tests.control.desk import ADMIN, Desk, serving

TOKEN = "a-sidecars-token-of-many-letters"
OPENED = {
    ("GET", "/v1/revocations"),
    ("GET", "/v1/grants/by-hash/{hash}"),
    ("POST", "/v1/sessions"),
    ("POST", "/v1/uses/open"),
    ("POST", "/v1/uses/give-back"),
    ("POST", "/v1/uses/reserve"),
    ("POST", "/v1/uses/settle"),
}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    known = {hash_secret(TOKEN): "first", hash_secret(TOKEN + "2"): "second"}
    apps = {"first": frozenset({"billing"}), "second": frozenset[str]()}
    async with serving(sidecar_tokens=lambda: known, sidecar_apps=lambda: apps) as opened:
        yield opened


async def test_a_sidecars_token_opens_these_rows_only(desk: Desk) -> None:
    """Asked over HTTP, row by row: 401 everywhere else."""
    desk.token = TOKEN
    opened = set()
    for row in endpoints(desk.deps, Door(desk.clock), Waits()):
        if isinstance(row, Endpoint):
            path = re.sub(r"\{\w+\}", "x", row.path.replace("{hash}", "00" * 32))
            answer = await desk.ask(row.method, path, {} if row.method != "GET" else None)
            if answer.status not in {401, 429}:
                opened.add((row.method, row.path))
    assert opened == OPENED


async def test_an_admin_token_opens_them_too(desk: Desk) -> None:
    """Whoever may do everything may do this."""
    assert (await desk.ask("GET", f"/v1/grants/by-hash/{'00' * 32}")).json == {"grant": None}


@pytest.mark.parametrize("text", ["00", "zz" * 32, "00" * 33])
async def test_a_hash_has_64_digits(desk: Desk, text: str) -> None:
    """Anything else is told."""
    assert (await desk.ask("GET", f"/v1/grants/by-hash/{text}")).status == 422


async def test_no_secret_is_handed_on_in_clear(desk: Desk) -> None:
    """A key's secret travels sealed under an id that the answer does not hold."""
    made = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
    answer = await desk.ask("GET", f"/v1/grants/by-hash/{hash_secret(made['access_key_id']).hex()}")
    assert answer.json["grant"][0] == made["id"]
    assert made["secret_access_key"] not in answer.text
    assert made["access_key_id"] not in answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("open", {"grant": "l_1", "key": "a"}),
        ("open", {"grant": "l/1", "key": "a", "window": 1}),
        ("open", {"grant": "l_1", "key": "a", "window": -1}),
        ("reserve", {"grant": "l_1", "wanted": -1, "budget": 1}),
        ("reserve", {"grant": "l_1", "wanted": "1", "budget": 1}),
        ("settle", {"grant": "l_1", "reserved": 1, "moved": 2**63}),
        ("give-back", {"grant": "l_1"}),
    ],
)
async def test_wrong_bodies_are_told(desk: Desk, path: str, body: dict[str, object]) -> None:
    """422 names the fields; nothing is counted."""
    assert (await desk.ask("POST", f"/v1/uses/{path}", body)).status == 422
    assert await desk.state.usage(["l_1"]) == {}


def _session(**more: object) -> dict[str, object]:
    return {"app": "billing", "label": "container credentials", "expires_in": 3600.0, **more}


async def test_a_sidecar_has_keys_of_its_apps_issued(desk: Desk) -> None:
    """Short-lived ones with a session token; the audit trail and the key say who asked."""
    desk.token = TOKEN
    answer = await desk.ask("POST", "/v1/sessions", _session())
    assert answer.status == 201, answer.text
    grant = await desk.state.find(hash_secret(answer.json["access_key_id"]))
    assert grant is not None
    assert (str(grant.owner), grant.issued_by, grant.label) == ("app:billing", "admin:first", "container credentials")
    assert grant.expires_at == desk.clock.now + 3600
    assert grant.session_hash == hash_secret(answer.json["session_token"])
    assert answer.json["grant"][0] == grant.id
    event = entry_fields(desk.state._audit[-1])
    assert (event["act"], event["actor"], event["target"]) == ("key.create", "admin:first", grant.id)


@pytest.mark.parametrize(
    ("token", "app"), [(TOKEN, "payroll"), (TOKEN + "2", "billing"), (ADMIN, "billing")], ids=["app", "none", "admin"]
)
async def test_only_apps_that_are_named_for_the_sidecar(desk: Desk, token: str, app: str) -> None:
    """403 with a sentence that names the setting, and no key: another app, a sidecar without any, an admin."""
    desk.token = token
    answer = await desk.ask("POST", "/v1/sessions", _session(app=app))
    assert (answer.status, answer.json["reason"]) == (403, "not_allowed")
    assert f"app:{app}" in answer.json["detail"]
    assert "control.sidecars" in answer.json["detail"]
    desk.token = ADMIN
    assert (await desk.ask("GET", "/v1/keys")).json["keys"] == []


@pytest.mark.parametrize("seconds", [899, 43201, None, "3600"])
async def test_a_session_is_as_long_as_any_other(desk: Desk, seconds: object) -> None:
    """A quarter of an hour to twelve hours, never without an end."""
    desk.token = TOKEN
    assert (await desk.ask("POST", "/v1/sessions", _session(expires_in=seconds))).status == 422
