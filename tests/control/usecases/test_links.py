"""The life of a link without HTTP."""

from __future__ import annotations

import pytest

from gateway.control.caller import EVERYTHING, Admitted
from gateway.control.usecases.grants import CountedGrant
from gateway.control.usecases.links import IssuedLink
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind, GrantState, Scope
from gateway.core.lease import Reservation, Usage
from gateway.core.reasons import Reason, Refused
from tests.contract.sample import record
from tests.control.desk import ADMIN, APP, Desk
from tests.control.test_bodies import GRANT

OPS = Principal("admin", "ops")
BY_OPS = Admitted(principal=OPS, reach=EVERYTHING)


def _same(grant: Grant, now: float) -> Grant:
    return grant


@pytest.mark.parametrize(
    ("usage", "state"),
    [
        (Usage(), GrantState.ACTIVE),
        (Usage(uses=2), GrantState.ACTIVE),
        (Usage(uses=3), GrantState.USED_UP),
        (Usage(uses=4), GrantState.USED_UP),
    ],
)
def test_the_state_knows_the_counters(usage: Usage, state: GrantState) -> None:
    """A link is used up when its uses are, and time comes before counters."""
    assert CountedGrant(GRANT, usage).state(100.0) is state
    assert CountedGrant(GRANT, usage).state(900.0) is GrantState.EXPIRED


async def test_an_issued_links_repr_hides_its_token(desk: Desk) -> None:
    """A log line of the result shows no secret."""
    issued = await desk.api.links.issue(BY_OPS, Scope("reports", key="a"), _same, None, None)
    assert isinstance(issued, IssuedLink)
    assert issued.token is not None
    assert issued.token.text not in repr(issued)


async def test_the_view_has_caught_up_before_each_call_returns(desk: Desk) -> None:
    """After every change, this process's view knows the feed's last entry."""
    links = desk.api.links
    issued = await links.issue(BY_OPS, Scope("reports", key="a"), _same, None, None)
    assert isinstance(issued, IssuedLink)
    serials = [desk.view.serial]
    await links.rotate(BY_OPS, issued.held.grant.id)
    serials.append(desk.view.serial)
    await links.inspect(EVERYTHING, GrantKind.LINK, issued.held.grant.id)
    serials.append(desk.view.serial)
    await links.edit(BY_OPS, issued.held.grant.id, _same)
    serials.append(desk.view.serial)
    await desk.api.revocations.end(OPS, issued.held.grant, "x")
    serials.append(desk.view.serial)
    assert serials == [1, 2, 2, 3, 4]


async def test_an_edit_gives_up_after_three_lost_races(desk: Desk) -> None:
    """A link that others change all the time is not changed blindly."""
    links = desk.api.links
    issued = await links.issue(BY_OPS, Scope("reports", key="a"), _same, None, None)
    assert isinstance(issued, IssuedLink)
    tries = []

    async def lost(grant: Grant) -> None:
        tries.append(grant)

    desk.state.grants.save = lost  # type: ignore[method-assign,assignment]
    for call in (
        links.edit(BY_OPS, issued.held.grant.id, _same),
        links.rotate(BY_OPS, issued.held.grant.id),
    ):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.reason is Reason.PRECONDITION_FAILED
    assert len(tries) == 6


async def test_what_has_expired_is_listed_and_revived_by_its_owner(desk: Desk) -> None:
    """By a later end, as far as the owner's rules let links live; counters and all else are as they were. Keys too."""
    desk.token = APP
    link = await desk.link(key="invoices/a.pdf", uses=5, expires_in=3600)
    key = (await desk.ask("POST", "/v1/keys", {"app": "billing", "expires_in": 3600})).json
    await desk.state.leases.open_lease(Reservation(link["id"], "k"), 5, desk.clock.now, 60.0)
    desk.clock.now += 7200
    for kind, made in (("links", link), ("keys", key)):
        [listed] = (await desk.ask("GET", f"/v1/{kind}?state=expired")).json[kind]
        assert made["id"] == listed["id"]
        path = f"/v1/{kind}/{made['id']}"
        assert "expired" == (await desk.ask("PATCH", path, {"label": "x"})).json["state"]
        revived = await desk.ask("PATCH", path, {"expires_in": 3600})
        assert (200, "active") == (revived.status, revived.json["state"])
    shown = (await desk.ask("GET", f"/v1/links/{link['id']}")).json
    assert (1, 5, "x") == (shown["uses_used"], shown["uses"], shown["label"])
    too_long = await desk.ask("PATCH", f"/v1/links/{link['id']}", {"expires_in": 86400})
    assert 403 == too_long.status


async def test_what_was_forgotten_is_like_what_never_was(desk: Desk) -> None:
    """By its id, by its token and for a list of leaked ones; its records stay, and what revoked it is told on."""
    desk.token = APP
    link = await desk.link(key="invoices/a.pdf", uses=5, expires_in=60)
    await desk.ask("DELETE", f"/v1/links/{link['id']}")
    await desk.state.ledger.append([record(link["id"])])
    desk.clock.now += 3600
    assert 200 == (await desk.ask("GET", f"/v1/links/{link['id']}")).status
    assert 1 == await desk.state.grants.prune_ended(desk.clock.now - 60)
    for method, tail in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("GET", "/records")):
        body = {"label": "x"} if method == "PATCH" else None
        gone, never = [
            await desk.ask(method, f"/v1/links/{one}{tail}", body) for one in (link["id"], "l_11111111111111111")
        ]
        assert (404, 404) == (gone.status, never.status)
        assert gone.json | {"request_id": ""} == never.json | {"request_id": ""}
    for target in ({"link": link["id"]}, {"link": link["token"]}, {"link": link["url"]}):
        assert 404 == (await desk.ask("POST", "/v1/revocations", target)).status
    desk.token = ADMIN
    [entry] = (await desk.ask("GET", "/v1/revocations")).json["revocations"]
    assert link["id"] == entry["name"]
    assert [link["id"]] == [one["grant_id"] for one in (await desk.ask("GET", "/v1/records")).json["records"]]
