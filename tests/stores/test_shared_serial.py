"""The words that processes of one host share."""

from __future__ import annotations

import mmap
import os

from gateway.stores.shared_serial import Slot


def test_what_one_process_tells_all_others_see() -> None:
    """A forked process's word is there before it says so, and nobody's word hides a greater one."""
    memory = mmap.mmap(-1, 3 * 8)
    seats = [Slot(memory, number) for number in range(3)]
    assert [seat.newest() for seat in seats] == [0, 0, 0]
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        seats[1].tell(2**40 + 1)
        os.write(told, b"x")
        os._exit(0)
    assert os.read(heard, 1) == b"x"
    assert [seat.newest() for seat in seats] == [2**40 + 1] * 3
    seats[0].tell(7)
    assert [seat.newest() for seat in seats] == [2**40 + 1] * 3
    seats[2].tell(2**40 + 2)
    assert seats[0].newest() == 2**40 + 2
    assert os.waitpid(child, 0)[1] == 0
    os.close(heard)
    os.close(told)
