"""Uses that processes share, and leases that leave."""

from __future__ import annotations

from pathlib import Path

from gateway.core.lease import Reservation, Settlement
from gateway.stores.engine import Engine
from tests.contract.sample import NOW
from tests.stores.sqlite.conftest import children


def test_processes_share_uses_exactly(path: Path) -> None:
    """Four processes that make the file together and open leases at once get exactly as many as the link has uses."""
    assert sum(children(path, "lease", "l_1", "50", "40")) == 50


async def test_joining_a_download_writes_nothing(path: Path, state: Engine) -> None:
    """Once a use is kept, only a read is needed."""
    await state.leases.open_lease(Reservation("l_1", "k", "one"), 1, NOW, 60)
    await state.leases.settle_bytes(Reservation("l_1", "k", "one"), Settlement(7), NOW)
    before = Path(f"{path}-wal").read_bytes()
    lease = await state.leases.open_lease(Reservation("l_1", "k", "two"), 1, NOW, 60)
    assert lease is not None
    assert not lease.fresh
    assert Path(f"{path}-wal").read_bytes() == before


async def test_lapsed_leases_leave(state: Engine) -> None:
    """However many callers come, only open leases stay in the file, and for a day those that nobody kept."""
    for number in range(100):
        await state.leases.open_lease(Reservation("l_1", str(number)), None, NOW + number, 10)
        if number % 10:
            await state.leases.settle_bytes(Reservation("l_1", str(number)), Settlement(1), NOW + number)
    assert 10 + 9 >= len(state.grants._database.read("grants", "SELECT * FROM leases"))
    for number in range(9):
        await state.leases.open_lease(Reservation("l_2", str(number)), None, NOW + 90_000 + number, 1)
    assert 2 >= len(state.grants._database.read("grants", "SELECT * FROM leases WHERE grant_id = 'l_1'"))
