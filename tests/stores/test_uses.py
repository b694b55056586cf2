"""Uses are counted one by one where a store cannot count many."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.lease import Lease, Reservation, Settlement, Use
from gateway.core.reasons import DependencyDown
from gateway.stores.uses import count_each


class Noting:
    """Notes what it is asked, and how much of it at once; `down` is a grant that it cannot answer for."""

    def __init__(self, down: str = "") -> None:
        self.asked: list[tuple[object, ...]] = []
        self.at_once = self.most = 0
        self.down = down

    async def open_lease(self, mine: Reservation, uses: int | None, now: float, window: float) -> Lease:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if mine.grant_id == self.down:
            raise DependencyDown("grants", "away")
        self.asked.append((mine, uses, now, window))
        return Lease(mine.grant_id, mine.key or "", fresh=True)

    async def settle_bytes(self, mine: Reservation, done: Settlement, now: float) -> None:
        self.asked.append((mine, done, now))


async def test_each_is_opened_and_settled() -> None:
    """In this order, in nobody's name, without a limit."""
    leases, mine = Noting(), Reservation("l_1", "k")
    await count_each(leases, [Use("l_1", "k", 5, 7.0)], 60.0)  # type: ignore[arg-type]
    assert [(mine, None, 7.0, 60.0), (mine, Settlement(5), 7.0)] == leases.asked


async def test_no_more_are_counted_at_once_than_a_store_bears() -> None:
    """However many there are, all of them are counted."""
    leases = Noting()
    await count_each(leases, [Use(f"l_{number}", "k", 1, 1.0) for number in range(100)], 60.0)  # type: ignore[arg-type]
    assert (200, 32) == (len(leases.asked), leases.most)


async def test_a_store_that_is_down_is_told() -> None:
    """Who asks hears that not all of them were counted."""
    uses = [Use("l_1", "k", 1, 1.0), Use("l_2", "k", 1, 1.0)]
    with pytest.raises(DependencyDown):
        await count_each(Noting(down="l_2"), uses, 60.0)  # type: ignore[arg-type]
