"""Large bodies where the kernel has no more to give, and that nothing of theirs is left behind."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.core.reasons import Reason
from gateway.splice.pipes import Pipes
from tests.backends.fault_server import Peer
from tests.data.harness import request
from tests.data.real_store import before
from tests.splice.conftest import plain_only
from tests.splice.large import BODY, Kept, in_pieces, whole
from tests.waiting import until


def no_more(*_: object) -> int:
    raise OSError(errno.EMFILE, "too many open files")


@pytest.mark.parametrize("what", ["descriptors", "pipes", "pipes after a while"])
async def test_without_descriptors_or_pipes_bodies_go_in_buffers(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody notices."""
    if what == "descriptors":
        monkeypatch.setattr(os, "dup", no_more)
    elif what == "pipes":
        monkeypatch.setattr(os, "pipe2", no_more)
    else:
        taken, take = [0], Pipes.take

        def seldom(self: Pipes):
            taken[0] += 1
            return take(self) if taken[0] % 2 else None

        monkeypatch.setattr(Pipes, "take", seldom)
    store = Kept()

    async def script(peer: Peer) -> None:
        await (store(peer) if peer.number else whole(peer))

    async with before(script) as (rig, _):
        assert BODY == (await rig.ask("GET", "/reports/a")).body
        rig.plane.upstream._stores["lab"].close()
        assert (200, BODY) == ((await rig.ask("PUT", "/reports/a", {}, BODY)).status, store.body)


@plain_only
async def test_no_descriptor_is_left_behind(spliced) -> None:
    """However a transfer ends: whole, cut, broken off by either side; and in any number."""

    async def often() -> None:
        big = BODY * 8
        async with before(in_pieces(big, length=len(big))) as (rig, _), AsyncExitStack() as stack:
            for _ in range(24):
                client = await stack.enter_async_context(rig.client(window=4096))
                await client.send(request("GET", "/reports/a"))
            await until(lambda: len(rig.plane.transfers) == 24)
            await asyncio.sleep(0.1)
            for permit in list(rig.plane.transfers)[:12]:
                permit.cut(Reason.REVOKED)
        await rig.settled()
        for end in (in_pieces(BODY), in_pieces(BODY[:-9])):
            async with before(end) as (rig, _), rig.client() as client:
                await client.send(request("GET", "/reports/a"))
                await client.answer()

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    await often()
    await asyncio.sleep(0.2)  # what is closed is closed by the loop, in a later turn
    first = descriptors()
    await often()
    await until(lambda: descriptors() <= first)
    assert spliced.count
