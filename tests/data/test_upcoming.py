"""What of a body goes another way is counted as if it had passed through here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.data.state.transfers import Permit
from gateway.data.upcoming import Upcoming
from gateway.splice.pump import LEAST


def _permit(largest: int | None = None, taken: bool = True, left: int = 2 * LEAST) -> Any:
    exchange = SimpleNamespace(body_left=left, hold_body=lambda: left if taken else 0)
    return cast("Permit", SimpleNamespace(exchange=exchange, moved=0, largest=largest))


@pytest.mark.parametrize(("largest", "reason"), [(10, Reason.TOO_LARGE), (None, Reason.INCOMPLETE_BODY)])
def test_no_more_comes_than_may(largest: int | None, reason: Reason) -> None:
    """Up to the cap and to what was declared all is counted; one byte more is refused, and not counted."""
    permit = _permit(largest)
    upcoming = Upcoming(permit, 10)
    upcoming.count(10)
    with pytest.raises(Refused) as caught:
        upcoming.count(1)
    assert (reason, 10) == (caught.value.reason, permit.moved)


@pytest.mark.parametrize(("taken", "left"), [(False, 2 * LEAST), (True, LEAST - 1)])
def test_it_begins_once_all_that_came_was_taken(taken: bool, left: int) -> None:
    """And only for so much that it pays."""
    assert (True, False) == (Upcoming(_permit(), 10).begins(), Upcoming(_permit(taken=taken, left=left), 10).begins())
