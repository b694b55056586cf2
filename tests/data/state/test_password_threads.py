"""Comparing passwords: everybody in turn."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.core.password import SALT_BYTES, hash_password
from gateway.data.state import password_threads
from gateway.data.state.password_threads import Passwords
from tests.data.harness import Rig

STORED = hash_password("open sesame", b"s" * SALT_BYTES)


@pytest.fixture
async def token(rig: Rig) -> str:
    """A link with the password `open sesame`, asked for through a proxy that tells the address."""
    rig.store.hold("inside/a.txt", b"hello")
    rig.plane.snapshot = replace(rig.plane.snapshot, trusted_proxies=(ip_network("127.0.0.0/8"),))
    return await rig.link(password=STORED)


async def test_a_flood_at_one_link_delays_no_other(rig: Rig, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One proof a link and two in all run at once; another link's waits for none of a hundred at this one."""
    grant = next(iter(rig.state.grants._tables.grants.values()))
    desk, order, running = Passwords(), [], [0, 0]
    go = asyncio.Event()

    class Threads:
        async def run_in_executor(self, _, match, password, stored):
            running[0] += 1
            running[1] = max(running)
            await go.wait()
            await asyncio.sleep(0)
            running[0] -= 1
            order.append(password)
            return True

    monkeypatch.setattr(password_threads.asyncio, "get_running_loop", Threads)
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(desk.match(f"flood {number}", grant))
        await asyncio.sleep(0)
        group.create_task(desk.match("honest", replace(grant, id="l_other")))
        await asyncio.sleep(0)
        go.set()
    assert 2 == running[1]
    assert 2 > order.index("honest")
    assert 101 == len(order)


async def test_what_was_right_is_not_compared_again_while_the_same_is_stored(
    rig: Rig, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is spared: not what was wrong, not another password of the link, not another link's."""
    grant = next(iter(rig.state.grants._tables.grants.values()))
    desk, compared = Passwords(), []

    def match(password: str, stored: str) -> bool:
        compared.append(stored)
        return password == "open sesame"

    monkeypatch.setattr(password_threads, "password_matches", match)
    assert [True, True, False, False, True] == [
        await desk.match(password, grant) for password in ("open sesame", "open sesame", "x", "x", "open sesame")
    ]
    assert 3 * [STORED] == compared
    assert await desk.match("open sesame", replace(grant, password="another"))
    assert "another" == compared[-1]
