"""What is special to the engine in memory: it is bounded."""

from __future__ import annotations

from gateway.core.lease import Reservation
from gateway.stores import memory
from gateway.stores.memory import open_memory
from tests.contract.sample import NOW, record


async def test_lapsed_leases_leave() -> None:
    """However many callers come, about as many leases stay as are open."""
    state = open_memory()
    for number in range(1000):
        await state.leases.open_lease(Reservation("l_1", str(number)), None, NOW + number, 10)
    assert len(state.leases._leases) <= 25


async def test_records_are_bounded() -> None:
    """The oldest records make room for new ones."""
    state = open_memory()
    await state.ledger.append([record("l_1", NOW + number) for number in range(memory._RECORDS_KEPT + 10)])
    page = await state.ledger.records_of("l_1", None, memory._RECORDS_KEPT + 10)
    assert len(page.records) == memory._RECORDS_KEPT
    assert page.records[-1].at == NOW + 10
