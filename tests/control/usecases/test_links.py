"""The life of a link without HTTP."""

from __future__ import annotations

import pytest

from gateway.control.caller import EVERYTHING, Admitted
from gateway.control.usecases.links import CountedGrant, IssuedLink
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantState, Scope
from gateway.core.lease import Usage
from gateway.core.reasons import Reason, Refused
from tests.control.desk import Desk
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
    await links.inspect(EVERYTHING, issued.held.grant.id)
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
