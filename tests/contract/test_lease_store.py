"""The law of `LeaseStore`, for every engine."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.lease import LEASE_WINDOW, Lease, Usage
from gateway.stores.state import Engine
from tests.contract.sample import NOW, link

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def test_a_use_is_opened_once_and_joined_after(engine: Engine) -> None:
    """Further requests of one caller inside the window cost no use."""
    first = await engine.open_lease("l_1", "k", 1, NOW, LEASE_WINDOW)
    assert first == Lease("l_1", "k", fresh=True, moved=0)
    for later in (0.0, 1.0, LEASE_WINDOW - 1):
        assert await engine.open_lease("l_1", "k", 1, NOW + later, LEASE_WINDOW) == Lease("l_1", "k", fresh=False)
    assert (await engine.usage(["l_1"]))["l_1"].uses == 1


async def test_another_caller_needs_another_use(engine: Engine) -> None:
    """Without a use left, only who holds a lease goes on."""
    assert await engine.open_lease("l_1", "a", 2, NOW, 60) is not None
    assert await engine.open_lease("l_1", "b", 2, NOW, 60) is not None
    assert await engine.open_lease("l_1", "c", 2, NOW, 60) is None
    assert await engine.open_lease("l_1", "b", 2, NOW, 60) is not None
    assert await engine.open_lease("l_2", "c", 2, NOW, 60) is not None


async def test_a_lease_ends_with_its_window(engine: Engine) -> None:
    """After the window the same caller needs a new use, and joining has not prolonged it."""
    assert await engine.open_lease("l_1", "k", 2, NOW, 60) is not None
    assert await engine.open_lease("l_1", "k", 2, NOW + 59, 60) == Lease("l_1", "k", fresh=False)
    assert await engine.open_lease("l_1", "k", 2, NOW + 60, 60) == Lease("l_1", "k", fresh=True)
    assert await engine.open_lease("l_1", "k", 2, NOW + 120, 60) is None


async def test_a_window_of_nothing_is_never_joined(engine: Engine) -> None:
    """A write's use covers that one write."""
    assert await engine.open_lease("l_1", "k", 1, NOW, 0.0) is not None
    assert await engine.open_lease("l_1", "k", 1, NOW, 0.0) is None


async def test_no_uses_means_none(engine: Engine) -> None:
    """A link with zero uses opens nothing and leaves no counter."""
    assert await engine.open_lease("l_1", "k", 0, NOW, 60) is None
    assert await engine.usage(["l_1"]) == {}


async def test_an_unlimited_link_is_counted(engine: Engine) -> None:
    """Without a limit every opening succeeds and is counted."""
    for number in range(5):
        assert await engine.open_lease("l_1", str(number), None, NOW, 60) is not None
    assert (await engine.usage(["l_1"]))["l_1"] == Usage(5, 0, NOW)


async def test_a_use_is_given_back(engine: Engine) -> None:
    """A request that moved no byte gives its use back, and leaves no trace if it was the only one."""
    lease = await engine.open_lease("l_1", "k", 1, NOW, 60)
    assert lease is not None
    await engine.give_back(lease)
    assert await engine.usage(["l_1"]) == {}
    assert await engine.open_lease("l_1", "other", 1, NOW, 60) is not None


async def test_giving_back_twice_gives_back_once(engine: Engine) -> None:
    """A second giving back changes nothing."""
    lease = await engine.open_lease("l_1", "a", 2, NOW, 60)
    assert lease is not None
    assert await engine.open_lease("l_1", "b", 2, NOW, 60) is not None
    await engine.give_back(lease)
    await engine.give_back(lease)
    assert (await engine.usage(["l_1"]))["l_1"].uses == 1


async def test_a_joined_lease_is_not_given_back(engine: Engine) -> None:
    """Who joined may be moving bytes, so the use stays taken; and who joined gives nothing back."""
    opener = await engine.open_lease("l_1", "k", 1, NOW, 60)
    joiner = await engine.open_lease("l_1", "k", 1, NOW, 60)
    assert opener is not None
    assert joiner is not None
    await engine.give_back(joiner)
    await engine.give_back(opener)
    assert (await engine.usage(["l_1"]))["l_1"].uses == 1
    assert await engine.open_lease("l_1", "other", 1, NOW, 60) is None


async def test_a_lease_that_moved_bytes_is_not_given_back(engine: Engine) -> None:
    """Bytes that moved are a use."""
    lease = await engine.open_lease("l_1", "k", 1, NOW, 60)
    assert lease is not None
    await engine.settle_bytes("l_1", "k", 0, 7, NOW)
    await engine.give_back(lease)
    assert (await engine.usage(["l_1"]))["l_1"] == Usage(1, 7, NOW)


async def test_a_lease_knows_what_it_moved(engine: Engine) -> None:
    """Settled bytes count for the grant and for the lease that moved them, and for no other."""
    await engine.open_lease("l_1", "a", None, NOW, 60)
    await engine.open_lease("l_1", "b", None, NOW, 60)
    await engine.settle_bytes("l_1", "a", 0, 100, NOW + 1)
    await engine.settle_bytes("l_1", "a", 0, 11, NOW + 2)
    await engine.settle_bytes("l_1", "gone", 0, 1000, NOW + 3)
    assert await engine.open_lease("l_1", "a", None, NOW, 60) == Lease("l_1", "a", fresh=False, moved=111)
    assert await engine.open_lease("l_1", "b", None, NOW, 60) == Lease("l_1", "b", fresh=False, moved=0)
    assert (await engine.usage(["l_1"]))["l_1"] == Usage(2, 1111, NOW + 3)


async def test_bytes_are_reserved_up_to_the_budget(engine: Engine) -> None:
    """A reservation that would pass the budget takes nothing; the last byte can be reserved."""
    assert await engine.reserve_bytes("l_1", 60, 100)
    assert not await engine.reserve_bytes("l_1", 41, 100)
    assert await engine.reserve_bytes("l_1", 40, 100)
    assert not await engine.reserve_bytes("l_1", 1, 100)
    assert not await engine.reserve_bytes("l_2", 101, 100)
    assert await engine.usage(["l_2"]) == {}


async def test_settling_replaces_the_reservation(engine: Engine) -> None:
    """What was reserved and not moved is free again; the count never gets negative."""
    assert await engine.reserve_bytes("l_1", 100, 100)
    await engine.settle_bytes("l_1", None, 100, 30, NOW)
    assert (await engine.usage(["l_1"]))["l_1"].moved == 30
    assert await engine.reserve_bytes("l_1", 70, 100)
    await engine.settle_bytes("l_1", None, 500, 0, NOW)
    assert (await engine.usage(["l_1"]))["l_1"].moved == 0


async def test_big_numbers_stay_exact(engine: Engine) -> None:
    """Byte counts above 2**53 are counted to the byte."""
    assert await engine.reserve_bytes("l_1", 2**53, 2**53 + 3)
    assert await engine.reserve_bytes("l_1", 1, 2**53 + 3)
    assert await engine.reserve_bytes("l_1", 2, 2**53 + 3)
    assert not await engine.reserve_bytes("l_1", 1, 2**53 + 3)
    assert (await engine.usage(["l_1"]))["l_1"].moved == 2**53 + 3


async def test_those_never_used_are_missing(engine: Engine) -> None:
    """Usage answers only for grants that have any."""
    await engine.open_lease("l_1", "k", None, NOW, 60)
    assert set(await engine.usage(["l_0", "l_1", "l_2"])) == {"l_1"}
    assert await engine.usage([]) == {}


@pytest.mark.parametrize("uses", [1, 7, 50])
async def test_parallel_openings_give_exactly_as_many_uses(engine: Engine, uses: int) -> None:
    """Of many callers at once, exactly the allowed number gets a use."""
    leases = await asyncio.gather(*(engine.open_lease("l_1", f"k{n}", uses, NOW, 60) for n in range(60)))
    assert sum(lease is not None for lease in leases) == uses
    assert (await engine.usage(["l_1"]))["l_1"].uses == uses


async def test_parallel_openings_of_one_caller_take_one_use(engine: Engine) -> None:
    """A download manager with many connections takes one use, and exactly one of them is fresh."""
    leases = await asyncio.gather(*(engine.open_lease("l_1", "k", 1, NOW, 60) for _ in range(40)))
    assert sum(lease is not None and lease.fresh for lease in leases) == 1
    assert None not in leases


async def test_parallel_reservations_never_pass_the_budget(engine: Engine) -> None:
    """Of many reservations at once, as many succeed as the budget holds."""
    taken = await asyncio.gather(*(engine.reserve_bytes("l_1", 30, 1000) for _ in range(60)))
    assert sum(taken) == 33
    assert (await engine.usage(["l_1"]))["l_1"].moved == 990


@FEW
@given(
    uses=st.integers(0, 4),
    steps=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["open", "back", "move"])), max_size=25),
)
async def test_uses_are_never_exceeded(engine: Engine, uses: int, steps: list[tuple[str, str]]) -> None:
    """Whatever is opened, given back and moved: no more than `uses` callers ever move a byte."""
    grant_id = link().id
    held: dict[str, Lease] = {}
    moved: set[str] = set()
    for caller, step in steps:
        if step == "open":
            lease = await engine.open_lease(grant_id, caller, uses, NOW, 60)
            assert lease is not None or caller not in held
            if lease is not None:
                held.setdefault(caller, lease)
        elif caller in held and step == "back" and caller not in moved:
            lease = held.pop(caller)
            await engine.give_back(lease)
            again = await engine.open_lease(grant_id, caller, uses, NOW, 60)
            if again is not None:
                held[caller] = again
        elif caller in held and step == "move":
            await engine.settle_bytes(grant_id, caller, 0, 1, NOW)
            moved.add(caller)
    used = (await engine.usage([grant_id])).get(grant_id, Usage())
    assert len(moved) <= used.uses <= uses
