"""The use cases, made once."""

from __future__ import annotations

from gateway.control.usecases.keys import Keys
from gateway.core.reasons import DependencyDown
from tests.control.desk import Desk, serving
from tests.control.test_session_routes import _Central


async def test_what_is_asked_of_outside_is_one_value(desk: Desk) -> None:
    """Every use case has the same stores and the same live things, and notes in the same trail."""
    cases = (desk.api.links, desk.api.keys, desk.api.revocations, desk.api.policies)
    assert {(id(desk.deps.stores), id(desk.deps.live))} == {(id(case.stores), id(case.live)) for case in cases}
    assert 1 == len({id(case.journal) for case in (*cases, desk.api.operations)})


async def test_a_central_gateway_issues_where_there_is_one() -> None:
    """Apps' short-lived keys are made by whom the state names, and by this gateway if it names nobody."""
    central = _Central(DependencyDown("grants", "away"))
    async with serving(issuer=central) as desk:
        assert central is desk.api.sessions.issuer
    async with serving() as desk:
        assert isinstance(desk.api.sessions.issuer, Keys)
