"""One writer at a time: here exactly, and between replicas."""

from __future__ import annotations

import pytest

from gateway.data.state.upload_locks import UploadLocks
from tests.data.harness import Rig, request
from tests.data.uploading import (
    BODY,
    WRITE,
    created,
    later,
    offset,
    patch,
    patching,
    until_moved,
)

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture
async def rig(uploads: Rig) -> Rig:
    return uploads


async def test_two_patches_at_once_are_one(rig: Rig) -> None:
    """While one is writing, the other is refused, and the object is the one's."""
    address = await created(rig, await rig.link(actions=WRITE), 4000)
    async with rig.client() as slow:
        await slow.send(request("PATCH", address, patching(0) | {"Content-Length": "4000"}, BODY[:10]))
        await until_moved(rig)
        assert 423 == (await patch(rig, address, 0, b"x" * 4000)).status
        await slow.send(BODY[10:4000])
        assert 204 == (await slow.answer()).status
    assert BODY[:4000] == rig.store.stored("inside/a.txt")


async def test_replicas_meet_in_the_limit_store(rig: Rig) -> None:
    """A holder elsewhere is heeded; one that died is forgotten after five seconds."""
    address = await created(rig, await rig.link(actions=WRITE), 10)
    held = rig.plane.upload_locks
    async with rig.client() as slow:
        await slow.send(request("PATCH", address, patching(0) | {"Content-Length": "10"}, b"01"))
        await until_moved(rig)
        rig.plane.upload_locks = type(held)()  # as another process has it
        assert 423 == (await patch(rig, address, 0, b"x" * 10)).status
        await later(rig, 4.9)
        assert 423 == (await patch(rig, address, 0, b"x" * 10)).status
        await later(rig, 0.2)
        assert 204 == (await patch(rig, address, 0, b"x" * 10)).status
        rig.plane.upload_locks = held
    await rig.settled()
    assert b"x" * 10 == rig.store.stored("inside/a.txt")


async def test_many_small_pieces_never_wait_for_themselves(rig: Rig) -> None:
    """A hold that has ended is gone, also while the clock stands still."""
    address = await created(rig, await rig.link(actions=WRITE), 60)
    for start in range(60):
        assert 204 == (await patch(rig, address, start, BODY[start : start + 1])).status


async def test_a_silent_client_makes_room(rig: Rig) -> None:
    """Who comes back on a new connection, two seconds after the old one fell silent, goes on from what came."""
    rig.plane.upload_locks = UploadLocks(rig.clock.monotonic)
    address = await created(rig, await rig.link(actions=WRITE), 4000)
    async with rig.client() as silent:
        await silent.send(request("PATCH", address, patching(0) | {"Content-Length": "4000"}, BODY[:1500]))
        await until_moved(rig, 1500)
        await offset(rig, address)
        await later(rig, 1.9)
        assert 423 == (await patch(rig, address, 1000, BODY[1000:4000])).status
        await later(rig, 0.2)
        assert 1500 == await offset(rig, address)
        assert 204 == (await patch(rig, address, 1500, BODY[1500:4000])).status
    assert BODY[:4000] == rig.store.stored("inside/a.txt")


async def test_a_client_that_sends_keeps_its_place(rig: Rig) -> None:
    """Control: a byte now and then is enough not to be taken for dead."""
    rig.plane.upload_locks = UploadLocks(rig.clock.monotonic)
    address = await created(rig, await rig.link(actions=WRITE), 4000)
    async with rig.client() as slow:
        await slow.send(request("PATCH", address, patching(0) | {"Content-Length": "4000"}, BODY[:1]))
        for sent in range(1, 5):
            await until_moved(rig, sent)
            assert 423 == (await patch(rig, address, 0, b"x" * 4000)).status
            await later(rig, 1.5)
            await slow.send(BODY[sent : sent + 1])
        await slow.send(BODY[5:4000])
        assert 204 == (await slow.answer()).status
    assert BODY[:4000] == rig.store.stored("inside/a.txt")
