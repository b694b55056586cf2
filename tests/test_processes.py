"""What several processes of one gateway share."""

from __future__ import annotations

import os

from gateway.processes import make_workers


def test_each_process_has_its_number_and_all_share_the_rest() -> None:
    """One directory, which is gone afterwards, and one piece of memory that a fork shares."""
    with make_workers(3) as places:
        assert [0, 1, 2] == [place.number for place in places]
        assert {3} == {place.count for place in places}
        [meeting] = {place.meeting for place in places}
        assert meeting.is_dir()
        child = os.fork()
        if child == 0:
            places[1].memory[8:16] = b"\0" * 7 + b"\7"
            os._exit(0)
        assert (child, 0) == os.waitpid(child, 0)
        assert b"\0" * 7 + b"\7" == places[0].memory[8:16]
    assert not meeting.exists()


def test_a_process_writes_where_the_others_look() -> None:
    """How far one has read the feed is told to its siblings through its slot."""
    with make_workers(2) as places:
        one, other = places[0].slot, places[1].slot
        one.tell(7)
        assert other.newest() == 7
