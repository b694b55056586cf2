"""The last descriptors of a process carry no objects."""

from __future__ import annotations

from gateway.splice.descriptors import FIRST_KEPT, FOR_PASSAGES, MOST, is_kept


def test_an_eighth_is_kept_and_of_many_no_more_than_is_needed() -> None:
    """So that a process that may have few has enough for both, and one that may have many loses none worth having."""
    assert min(64, MOST // 8) == MOST - FIRST_KEPT
    assert FOR_PASSAGES < FIRST_KEPT < MOST
    assert [False, True, True] == [is_kept(number) for number in (FIRST_KEPT - 1, FIRST_KEPT, MOST - 1)]
