"""Memory for bodies: never more than there is, and all of it back in the end."""

from __future__ import annotations

import os
from pathlib import Path
from weakref import ref

import pytest

from gateway.core.limits import share_of
from gateway.core.reasons import Reason, Refused
from gateway.data.state.memory_budget import MemoryBudget
from tests.data.harness import Rig, request
from tests.data.uploading import BODY, WRITE, checksum, created, offset, patch, patching, until_moved

pytestmark = pytest.mark.usefixtures("small_parts")


def test_what_is_taken_is_missing() -> None:
    """The last byte can be had, one more cannot."""
    reserve = MemoryBudget(10).portion()
    assert (True, True, False) == (reserve.take(4), reserve.take(6), reserve.take(1))
    reserve.give(1)
    assert reserve.take(1)


def test_a_hold_gives_back_whatever_happens() -> None:
    """Also when the block raises, and nothing was taken when it was refused."""
    reserve = MemoryBudget(10)
    with pytest.raises(ZeroDivisionError), reserve.portion().hold(7):
        _ = 1 // 0
    with pytest.raises(Refused) as caught, reserve.portion().hold(11):
        pass
    assert (Reason.OVERLOADED, 10) == (caught.value.reason, reserve.room)


def test_a_quarter_is_always_for_others() -> None:
    """Whatever one holder asks for; what it gives back it can have again, and without a holder all can be had."""
    reserve = MemoryBudget(100)
    one, other = reserve.portion(("link:a", "address b")), reserve.portion(("link:c",))
    assert (True, False) == (one.take(75), one.take(1))
    assert not reserve.portion(("link:z", "address b")).take(1)
    assert (True, False) == (other.take(25), other.take(1))
    one.give(75)
    assert (True, 0) == (reserve.portion().take(75), reserve.room)
    assert "link:a" not in reserve._held


def test_a_buffer_is_used_again() -> None:
    """The last one that came back, if it is of the size that is wanted; two at once are two."""
    reserve = MemoryBudget(100).portion()
    one, other = reserve.lend(10), reserve.lend(10)
    assert (10, 10, False) == (len(one), len(other), one is other)
    reserve.take_back(one)
    assert one is reserve.lend(10)
    reserve.take_back(one)
    assert 11 == len(reserve.lend(11))


def test_a_buffer_costs_what_is_written_into_it() -> None:
    """However large it is: many small bodies at once hold little. Filling it is the control."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before, size = resident(), 32 * 1024**2
    buffer = MemoryBudget(size).portion().lend(size)
    buffer[:4] = b"part"
    assert resident() - before < size // 4
    buffer[:] = bytes(size)
    assert resident() - before > size // 2


def test_no_buffer_is_kept_for_ever() -> None:
    """What nobody came for is let go on; who comes later gets another one."""
    budget = MemoryBudget(100)
    reserve = budget.portion()
    buffer = reserve.lend(10)
    reserve.take_back(buffer)
    kept = ref(buffer)
    del buffer
    assert kept() is not None
    budget.let_go()
    assert kept() is None
    assert 10 == len(reserve.lend(10))


@pytest.mark.parametrize(("whole", "share"), [(1, 1), (3, 3), (4, 3), (1024, 768)])
def test_of_little_one_may_have_all(whole: int, share: int) -> None:
    """Otherwise nobody could have any."""
    assert share == share_of(whole)


async def test_without_room_less_is_kept_and_nothing_is_lost(uploads: Rig) -> None:
    """What was not kept of a broken body is sent again; a body that has to be kept is asked to wait."""
    uploads.plane.body_memory = MemoryBudget(0)
    address = await created(uploads, await uploads.link(actions=WRITE), 4321)
    async with uploads.client() as client:
        await client.send(request("PATCH", address, patching(0) | {"Content-Length": "4321"}, BODY[:1500]))
        await until_moved(uploads, 1500)
    await uploads.settled()
    assert 1000 == await offset(uploads, address)
    part = BODY[1000:1500]
    assert 503 == (await patch(uploads, address, 1000, part, Upload_Checksum=checksum("sha1", part))).status
    assert 204 == (await patch(uploads, address, 1000, BODY[1000:])).status
    assert BODY == uploads.store.stored("inside/a.txt")


async def test_all_room_comes_back(uploads: Rig) -> None:
    """After a success, a break and a wrong checksum alike."""
    before = uploads.plane.body_memory.room
    address = await created(uploads, await uploads.link(actions=WRITE), 4321)
    async with uploads.client() as client:
        await client.send(request("PATCH", address, patching(0) | {"Content-Length": "4321"}, BODY[:1500]))
        await until_moved(uploads, 1500)
    await uploads.settled()
    part = BODY[1500:2000]
    assert 460 == (await patch(uploads, address, 1500, part, Upload_Checksum=checksum("sha1", b"else"))).status
    assert 204 == (await patch(uploads, address, 1500, part, Upload_Checksum=checksum("sha1", part))).status
    assert 204 == (await patch(uploads, address, 2000, BODY[2000:])).status
    assert before == uploads.plane.body_memory.room
