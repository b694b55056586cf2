"""What a link with limited uses may park in pieces."""

from __future__ import annotations

import pytest

from gateway.core.posture import FailPosture
from gateway.core.reasons import DependencyDown
from tests.data.harness import Rig, running
from tests.data.parts_store import PartsStore
from tests.data.uploading import WRITE, create, later

MIB = 1024**2
PARTIAL = {"Upload_Concat": "partial"}


async def begun(rig: Rig, token: str, length: int, most: int = 300) -> list[str]:
    """Pieces until one is refused."""
    addresses = []
    for _ in range(most):
        got = await create(rig, f"/s/{token}", length, **PARTIAL)
        if got.status == 429:
            assert got.header("retry-after")
            return addresses
        assert 201 == got.status
        addresses.append(got.header("location") or "")
    return addresses


async def test_pieces_are_no_more_than_twice_what_the_uses_could_store(uploads: Rig) -> None:
    """With some room for small ones; what is ended makes room, and so does time."""
    token = await uploads.link(actions=WRITE, uses=2, max_size=50 * MIB)
    addresses = await begun(uploads, token, 50 * MIB)
    assert 2 * 2 + 2 == len(addresses)
    assert 429 == (await create(uploads, f"/s/{token}", 50 * MIB, **PARTIAL)).status
    assert 204 == (await uploads.ask("DELETE", addresses[0], {"Tus-Resumable": "1.0.0"})).status
    assert 201 == (await create(uploads, f"/s/{token}", 50 * MIB, **PARTIAL)).status
    assert [] == await begun(uploads, token, 50 * MIB, 2)
    await later(uploads, 24 * 3600)
    assert 2 * 2 + 2 == len(await begun(uploads, token, 50 * MIB))


async def test_what_was_joined_makes_room(uploads: Rig) -> None:
    """So a link of many uses is not at its end after two."""
    token = await uploads.link(actions=WRITE, uses=3, overwrite=True)
    for _ in range(3):
        got = await create(uploads, f"/s/{token}", 0, **PARTIAL)
        concat = {"Tus-Resumable": "1.0.0", "Upload-Concat": f"final;{got.header('location')}"}
        assert 201 == (await uploads.ask("POST", f"/s/{token}", concat)).status
    assert 410 == (await create(uploads, f"/s/{token}", 0, **PARTIAL)).status


async def test_without_a_size_pieces_are_counted(uploads: Rig) -> None:
    """Twice as many as all uses could join; a link without counted uses has no such bound."""
    assert 200 == len(await begun(uploads, await uploads.link(actions=WRITE, uses=1), 1))
    assert 210 == len(await begun(uploads, await uploads.link(actions=WRITE), 1, 210))


@pytest.mark.parametrize(("posture", "status"), [("open", 201), ("closed", 503)])
async def test_a_limiter_that_is_down_is_as_its_posture_says(posture: str, status: int) -> None:
    """As for every other limit."""
    async with running(store=PartsStore(), posture=FailPosture(limits=posture)) as rig:
        token = await rig.link(actions=WRITE, uses=1)

        async def down(*_: object) -> None:
            raise DependencyDown("limits", "down")

        rig.plane.limits = type("Down", (), {"take": staticmethod(down)})()
        assert status == (await create(rig, f"/s/{token}", 1, **PARTIAL)).status
