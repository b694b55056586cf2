"""What the requests of one use move together."""

from __future__ import annotations

import pytest

from gateway.core.lease import Lease
from gateway.core.reasons import Reason, Refused
from gateway.data.lent import Lent

FIRST = Lease("l_1", "key", fresh=True)
JOINED = Lease("l_1", "key", fresh=False)


def test_three_times_the_object_and_no_more() -> None:
    """Whoever of them moves it; what is refused is not counted."""
    lent = Lent()
    lent.begin(FIRST)
    lent.begin(JOINED)
    for lease in (FIRST, JOINED, FIRST):
        lent.move(lease, 10, 10)
    for count in (1, 10):
        with pytest.raises(Refused) as caught:
            lent.move(JOINED, count, 10)
        assert Reason.USED_UP is caught.value.reason
    lent.move(Lease("l_1", "other", fresh=True), 10, 10)
    assert 30 == lent.require(FIRST, 0, 10)


def test_what_the_store_knows_counts_too() -> None:
    """Another replica's requests are learnt of when one joins, and ours are not forgotten for it."""
    lent = Lent()
    lent.begin(Lease("l_1", "key", fresh=False, moved=20))
    lent.move(JOINED, 5, 10)
    lent.begin(Lease("l_1", "key", fresh=False, moved=20))
    with pytest.raises(Refused):
        lent.move(JOINED, 6, 10)


def test_a_use_that_is_opened_anew_begins_at_nothing() -> None:
    """Its window had passed."""
    lent = Lent()
    lent.begin(FIRST)
    lent.move(FIRST, 30, 10)
    lent.begin(FIRST)
    lent.move(FIRST, 30, 10)
