"""What an admin's token may be narrowed to."""

from __future__ import annotations

import pytest

from gateway.core.duty import EVERY_DUTY, OWNERS_DUTIES, AdminTerms, Duty


def test_a_token_that_says_nothing_may_everything() -> None:
    """As before tokens could be narrowed, and at any time."""
    terms = AdminTerms("ops")
    assert EVERY_DUTY == terms.may
    assert terms.holds(0.0)
    assert terms.holds(1e12)


@pytest.mark.parametrize(("now", "holds"), [(9.9, False), (10.0, True), (19.9, True), (20.0, False)])
def test_a_token_holds_from_its_first_instant_to_before_its_last(now: float, holds: bool) -> None:
    """The end itself is outside, as for links."""
    assert holds is AdminTerms("ops", not_before=10.0, expires=20.0).holds(now)


def test_owners_neither_operate_nor_serve() -> None:
    """What changes the process or stands for a sidecar is nobody's own."""
    assert {Duty.OPERATE, Duty.SERVE} == EVERY_DUTY - OWNERS_DUTIES
