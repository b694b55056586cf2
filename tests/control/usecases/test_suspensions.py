"""The pause of a link and of a key, and its end."""

from __future__ import annotations

import pytest

from gateway.core.trail import entry_fields
from tests.control.desk import ADMIN, APP, Desk


@pytest.fixture(params=["links", "keys"])
async def paused(request: pytest.FixtureRequest, desk: Desk) -> str:
    """The path of a link, or of a key, of app:billing."""
    link = {"bucket": "reports", "key": "invoices/a", "owner": "app:billing", "uses": 1, "expires_in": 3600}
    body = link if request.param == "links" else {"app": "billing"}
    made = await desk.ask("POST", f"/v1/{request.param}", body)
    assert 201 == made.status, made.text
    return f"/v1/{request.param}/{made.json['id']}"


async def test_it_is_suspended_and_resumed(desk: Desk, paused: str) -> None:
    """Its state says so, in the list's filter too; doing it again changes nothing, and each act is audited with why."""
    before = (await desk.ask("GET", paused)).json
    for _ in range(2):
        suspended = await desk.ask("POST", f"{paused}/suspend?reason=odd")
        assert (200, "suspended", "admin:ops") == (
            suspended.status,
            suspended.json["state"],
            suspended.json["suspended_by"],
        )
    what = paused.split("/")[2]
    assert 1 == len((await desk.ask("GET", f"/v1/{what}?state=suspended")).json[what])
    assert 0 == len((await desk.ask("GET", f"/v1/{what}?state=active")).json[what])
    for _ in range(2):
        resumed = (await desk.ask("POST", f"{paused}/resume")).json
    assert before | {"version": 3} == resumed
    acts = [entry_fields(entry) for entry in desk.state.ledger._trail][1:]
    assert [f"{what[:-1]}.suspend", f"{what[:-1]}.resume"] == [fields["act"] for fields in acts]
    assert ("odd", "app:billing") == (acts[0]["detail"]["reason"], acts[0]["detail"]["owner"])


async def test_what_an_admin_suspended_no_owner_resumes(desk: Desk, paused: str) -> None:
    """Their own suspension they lift; an admin lifts both; by an edit nobody does."""
    for by, who, status in ((ADMIN, APP, 403), (APP, APP, 200), (APP, ADMIN, 200), (ADMIN, ADMIN, 200)):
        desk.token = by
        assert 200 == (await desk.ask("POST", f"{paused}/suspend")).status
        desk.token = who
        assert 200 == (await desk.ask("POST", f"{paused}/suspend")).status  # again, which takes nothing over
        if who == APP:
            edited = await desk.ask("PATCH", paused, {"label": "mine"})
            assert (200, "suspended") == (edited.status, edited.json["state"])
        assert status == (await desk.ask("POST", f"{paused}/resume")).status
        desk.token = ADMIN
        assert 200 == (await desk.ask("POST", f"{paused}/resume")).status


async def test_what_was_revoked_stays_so(desk: Desk, paused: str) -> None:
    """Neither act brings it back; and what is no link, or no key, is not found."""
    await desk.ask("POST", f"{paused}/suspend")
    await desk.ask("DELETE", paused)
    for act in ("suspend", "resume"):
        assert 409 == (await desk.ask("POST", f"{paused}/{act}")).status
        other = paused.replace("links", "x").replace("keys", "links").replace("x", "keys")
        assert 404 == (await desk.ask("POST", f"{other}/{act}")).status
    assert "revoked" == (await desk.ask("GET", paused)).json["state"]
