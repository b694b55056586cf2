"""What the endpoints of links and keys have in common."""

from __future__ import annotations

import dataclasses

from gateway.core.grant import Grant
from tests.control.desk import Desk


async def test_if_match(desk: Desk) -> None:
    """An edit with a stale ETag changes nothing."""
    made = await desk.link()
    path = f"/v1/links/{made['id']}"
    tag = (await desk.ask("GET", path)).headers["ETag"]
    assert (await desk.ask("PATCH", path, {"label": "1"}, headers={"If-Match": tag})).status == 200
    stale = await desk.ask("PATCH", path, {"label": "2"}, headers={"If-Match": tag})
    assert stale.status == 412
    assert (await desk.ask("PATCH", path, {"label": "2"}, headers={"If-Match": "weird"})).status == 412
    assert (await desk.ask("GET", path)).json["label"] == "1"


async def test_a_lost_race_is_tried_again(desk: Desk) -> None:
    """Without If-Match, an edit that meets another one is applied on top of it."""
    made = await desk.link()
    real, raced = desk.state.grants.save, []

    async def save(grant: Grant) -> Grant | None:
        if not raced:
            raced.append(True)
            stored = await desk.state.grants.get(grant.id)
            assert stored is not None
            await real(dataclasses.replace(stored, filename="theirs"))
        return await real(grant)

    desk.state.grants.save = save  # type: ignore[method-assign]
    link = (await desk.ask("PATCH", f"/v1/links/{made['id']}", {"label": "ours"})).json
    assert (link["label"], link["filename"]) == ("ours", "theirs")


async def test_delete_revokes_before_it_answers(desk: Desk) -> None:
    """The answer to DELETE means that this process refuses the link already; twice changes nothing, and is noted."""
    made = await desk.link()
    path = f"/v1/links/{made['id']}"
    answer = await desk.ask("DELETE", f"{path}?reason=leaked")
    assert answer.status == 200
    assert answer.json["state"] == "revoked"
    assert answer.json["revoked_at"] == "2027-01-15T08:00:00Z"
    assert answer.json["revoked_reason"] == "leaked"
    grant = await desk.state.grants.get(made["id"])
    assert grant is not None
    assert desk.view.revoked(grant, "reports", "a.pdf", "archive") is not None
    desk.clock.now += 5
    assert (await desk.ask("DELETE", path)).json == answer.json
    assert desk.audited().count("link.revoke") == 2
    assert (await desk.ask("PATCH", path, {"label": "x"})).status == 409
    assert (await desk.ask("POST", f"{path}/rotate")).status == 409
