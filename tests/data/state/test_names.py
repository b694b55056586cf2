"""Names that are being written."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from gateway.core.limits import LimitStore
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.route import UpstreamCall
from gateway.data.state.names import Names
from gateway.data.state.shared_hold import shared_hold
from gateway.stores.memory import open_memory
from tests.data.harness import NOW, ScriptedStore
from tests.data.scripted_store import Scripted

CALL = UpstreamCall(backend="lab", method="PUT", bucket="real", key="k")
OTHER = UpstreamCall(backend="lab", method="PUT", bucket="real", key="other")


class Down:
    """A limit store that cannot answer."""

    async def take(self, demands, now):
        raise DependencyDown("limits", "gone")


def opened(limits: LimitStore, *, closed: bool = False) -> Names:
    return Names(partial(shared_hold, limits, lambda: NOW, closed=closed))


def _fail_inside(names: Names, call: UpstreamCall) -> None:
    with names.reserve(call):
        raise ZeroDivisionError


def test_a_reserved_name_is_free_again_after_a_failure() -> None:
    """While it is held nobody else has it; other names are never in the way."""
    names = opened(open_memory().limits)
    with names.reserve(CALL), names.reserve(OTHER), pytest.raises(Refused) as no:
        _fail_inside(names, CALL)
    assert Reason.OBJECT_EXISTS == no.value.reason
    with pytest.raises(ZeroDivisionError):
        _fail_inside(names, CALL)
    with names.reserve(CALL):
        pass


async def test_a_name_that_another_replica_writes_is_taken() -> None:
    """From the look at the store to the end of the writing; other names are free, and this one is once it has ended."""
    store, limits = ScriptedStore(), open_memory().limits
    here, there = opened(limits), opened(limits)
    async with here.reserve_absent(store, CALL), there.reserve_absent(store, OTHER):
        with pytest.raises(Refused) as no:
            await there.reserve_absent(store, CALL).__aenter__()
    assert Reason.OBJECT_EXISTS == no.value.reason
    with pytest.raises(ZeroDivisionError):
        async with there.reserve_absent(store, CALL):
            raise ZeroDivisionError
    async with here.reserve_absent(store, CALL):
        store.hold("k", b"")
    with pytest.raises(Refused):
        await there.reserve_absent(store, CALL).__aenter__()


async def test_a_limit_store_that_is_down_does_what_its_posture_says() -> None:
    """Open, the name is held in this process alone; closed, nothing is written."""
    store, names = ScriptedStore(), opened(Down())
    async with names.reserve_absent(store, CALL):
        with pytest.raises(Refused):
            _fail_inside(names, CALL)
    with pytest.raises(DependencyDown):
        await opened(Down(), closed=True).reserve_absent(store, CALL).__aenter__()


async def test_of_many_at_once_one_has_it() -> None:
    """Each on a replica of its own."""
    store, limits, held = ScriptedStore(), open_memory().limits, []

    async def write(number: int) -> None:
        try:
            async with opened(limits).reserve_absent(store, CALL):
                held.append(number)
                await asyncio.sleep(0)
                store.hold("k", b"")
        except Refused:
            return

    await asyncio.gather(*(write(number) for number in range(20)))
    assert 1 == len(held)


async def test_a_store_that_is_busy_at_the_look_is_told_as_busy() -> None:
    """As it is wherever a store is asked: with the wait that it asks for, and not as a fault of these settings."""
    store, names = ScriptedStore(), opened(open_memory().limits)
    store.script(Scripted(503, {"retry-after": "7"}), Scripted(403))
    found = []
    for _ in range(2):
        with pytest.raises(Refused) as no:
            await names.reserve_absent(store, CALL).__aenter__()
        found.append((no.value.reason, no.value.retry_after))
    assert [(Reason.UPSTREAM_UNREACHABLE, 7.0), (Reason.UPSTREAM_REFUSED, None)] == found
