"""The words that processes of one host share."""

from __future__ import annotations

import asyncio
import mmap
import os

import pytest

from gateway.stores.shared_serial import Slot


def seats_for(count: int) -> list[Slot]:
    memory = mmap.mmap(-1, count * 8)
    bells = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(count)]
    return [Slot(memory, bells, number) for number in range(count)]


async def test_who_tells_something_new_wakes_the_others_once() -> None:
    """And nobody is woken by what is known already, by its own word, or twice for several words."""
    one, other, third = seats_for(3)
    one.tell(1)
    one.tell(2)
    for woken in (other, third):
        await asyncio.wait_for(woken.wait_for_news(), 1)
        woken.tell(2)
    for slept in (one, other, third):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slept.wait_for_news(), 0.02)
    other.tell(3)
    await asyncio.wait_for(one.wait_for_news(), 1)


def test_what_one_process_tells_all_others_see() -> None:
    """A forked process's word is there before it says so, and nobody's word hides a greater one."""
    seats = seats_for(3)
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
