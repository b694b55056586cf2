"""Who may call what, and whose grants are there for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.caller import DUTY_OF, EVERYTHING, NOBODY, OWN, Access, Reach
from gateway.core.attempt import Principal
from gateway.core.duty import OWNERS_DUTIES
from gateway.core.grant import GrantFilter
from tests.control.test_bodies import GRANT

BILLING, OTHER = Principal("app", "billing"), Principal("app", "other")


def test_every_access_asks_for_a_duty_or_has_a_case_of_its_own() -> None:
    """And what is open to owners asks for one of theirs."""
    assert set(Access) - DUTY_OF.keys() == {Access.PUBLIC, Access.APP, Access.KNOWN, Access.SIGN_IN}
    assert OWNERS_DUTIES >= {DUTY_OF[access] for access in OWN}


def test_a_reach_is_over_its_owners_grants() -> None:
    """Over all of them for whoever sees everything, and over none for nobody."""
    own = replace(GRANT, owner=BILLING)
    assert Reach(BILLING).over(own)
    assert not Reach(OTHER).over(own)
    assert not NOBODY.reach.over(own)
    assert EVERYTHING.over(own)
    assert not Reach(BILLING).over(replace(own, owner=Principal("admin", "billing")))
    assert [True, False, True] == [Reach(BILLING).names(BILLING), Reach(OTHER).names(BILLING), EVERYTHING.names(OTHER)]


@pytest.mark.parametrize(("asked", "found"), [(None, BILLING), (BILLING, BILLING), (OTHER, None)])
def test_a_filter_is_narrowed_to_the_reach(asked: Principal | None, found: Principal | None) -> None:
    """Somebody else's is nothing; everything leaves it as it is."""
    wanted = GrantFilter(now=0.0, owner=asked, label="x")
    narrowed = Reach(BILLING).within(wanted)
    assert (None if found is None else replace(wanted, owner=found)) == narrowed
    assert wanted == EVERYTHING.within(wanted)
