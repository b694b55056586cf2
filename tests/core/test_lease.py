"""How much one use may move, and a grant's state once its counters are known."""

from __future__ import annotations

import pytest

from gateway.core.grant import GrantState
from gateway.core.intake import Intake
from gateway.core.lease import SEEK_BYTES, UNUSED, Usage, cap_of_use, state_with
from gateway.core.request import Action
from tests.contract.sample import NOW, link


@pytest.mark.parametrize(
    ("size", "whole", "seeking"), [(0, 0, 0), (100, 300, 1100), (2**30, 3 * 2**30, 3 * 2**30 + SEEK_BYTES)]
)
def test_a_use_moves_three_times_the_object_and_something_more_by_seeking(size: int, whole: int, seeking: int) -> None:
    """Eight times more in ranges that begin within a small object; of a large one that is bounded."""
    assert (whole, seeking) == (cap_of_use(size), cap_of_use(size, seeks=True))


@pytest.mark.parametrize(
    ("fields", "usage", "received", "expected"),
    [
        ({"uses": 2}, Usage(1), UNUSED, GrantState.ACTIVE),
        ({"uses": 2}, Usage(2), UNUSED, GrantState.USED_UP),
        ({"budget": 9}, Usage(1, 8), UNUSED, GrantState.ACTIVE),
        ({"budget": 9}, Usage(1, 9), UNUSED, GrantState.USED_UP),
        ({}, Usage(9, 9), Usage(9, 9), GrantState.ACTIVE),
        ({"uses": 2, "expires_at": NOW - 1}, Usage(2), UNUSED, GrantState.EXPIRED),
    ],
)
def test_what_is_spent_is_used_up(
    fields: dict[str, object], usage: Usage, received: Usage, expected: GrantState
) -> None:
    """By uses or by bytes; a grant that has ended for another reason says that one."""
    assert expected is state_with(link(**fields), usage, received, NOW)


@pytest.mark.parametrize(
    ("actions", "expected"),
    [({Action.WRITE}, GrantState.USED_UP), ({Action.READ, Action.WRITE}, GrantState.ACTIVE)],
)
def test_a_link_that_only_takes_files_is_used_up_once_it_has_all(actions: set[Action], expected: GrantState) -> None:
    """One that may also be read goes on."""
    full = link(actions=frozenset(actions), intake=Intake(max_files=2))
    assert expected is state_with(full, UNUSED, Usage(2), NOW)
