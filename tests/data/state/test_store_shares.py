"""One holder leaves a quarter of a store's connections to others, and waits for more in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Backend
from gateway.core.token import LinkToken
from gateway.data.state import store_shares
from gateway.data.state.store_shares import StoreShares
from tests.data.harness import Rig, policy, request, running
from tests.waiting import until

STORE = Backend("lab", max_connections=8)  # of which one is not counted, one link has five more, and one address six


async def test_who_is_beyond_the_share_waits_in_turn() -> None:
    """Others pass meanwhile; what is given back goes to who has waited for longest."""
    shares = StoreShares()
    held = [shares.take(STORE, ["link:a", "address x"]) for _ in range(5)]
    assert None is shares.take(STORE, ["link:a", "address y"])
    assert shares.take(STORE, ["link:b", "address x"]) is not None
    assert None is shares.take(STORE, ["link:c", "address x"])
    assert shares.take(STORE, ["link:c", "address y"]) is not None
    assert shares.take(Backend("other", max_connections=8), ["link:a", "address x"]) is not None
    loop = asyncio.get_running_loop()
    first, second = (loop.create_task(shares.wait(STORE, ["link:a", "address x"])) for _ in range(2))
    await asyncio.sleep(0)
    shares.give_back(held[0] or ())
    assert (("lab", "link:a"), ("lab", "address x")) == await first
    assert not second.done()
    second.cancel()
    await asyncio.wait([second])
    shares.give_back(held[1] or ())
    assert shares.take(STORE, ["link:a", "address x"]) is not None


async def test_who_waits_for_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a connection; and has nothing then."""
    monkeypatch.setattr(store_shares, "LONGEST_WAIT", 0.01)
    shares = StoreShares()
    held = [shares.take(STORE, ["link:b", "address x"]) for _ in range(4)]
    held += [shares.take(STORE, ["link:c", "address x"]) for _ in range(2)]
    with pytest.raises(Refused) as no:
        await shares.wait(STORE, ["link:a", "address x"])
    assert (Reason.TOO_MANY_TRANSFERS, 1.0) == (no.value.reason, no.value.retry_after)
    for places in held:
        shares.give_back(places or ())
    assert ({}, {}) == (shares._taken, shares._waiting)


HOLDERS = st.sampled_from([("a",), ("b",), ("a", "x"), ("b", "x"), ("b", "y")])
STORES = st.integers(1, 9).map(lambda most: Backend("lab", max_connections=most))
ACTS = st.lists(st.one_of(HOLDERS, st.integers(0, 30), STORES))


@given(ACTS)
@settings(deadline=None)
def test_no_holder_ever_has_more_than_the_share(acts: list[tuple[str, ...] | int | Backend]) -> None:
    """Whoever comes, goes and gives up in whatever order, and whatever the store is said to bear next: nobody gets in
    at once beyond the share that holds then. Nobody waits for nothing, and at the end nothing is held."""

    async def run() -> None:
        shares, backend, most = (
            StoreShares(),
            Backend("lab", max_connections=9),
            dict.fromkeys("ab", 6) | dict.fromkeys("xy", 7),
        )
        tasks: list[asyncio.Task[tuple[tuple[str, str], ...]]] = []

        async def come(at: Backend, holders: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
            places = shares.take(at, holders)
            if places is None:
                return await shares.wait(at, holders)
            assert shares._taken[places[0]] <= store_shares._shares(at)[0]
            return places

        for act in acts:
            if isinstance(act, Backend):
                backend = act
            elif isinstance(act, tuple):
                tasks.append(asyncio.get_running_loop().create_task(come(backend, act)))
            elif tasks:
                gone = tasks.pop(act % len(tasks))
                if gone.done():
                    shares.give_back(gone.result())
                gone.cancel()
            for _ in range(3):
                await asyncio.sleep(0)
            held = Counter(place for task in tasks if task.done() for place in task.result())
            assert all(held[place] <= count <= most[place[1]] for place, count in shares._taken.items())
        while tasks:
            done = next((task for task in tasks if task.done()), None)
            assert done is not None, "all of them wait"
            tasks.remove(done)
            shares.give_back(done.result())
            for _ in range(3):
                await asyncio.sleep(0)
        assert ({}, {}) == (shares._taken, shares._waiting)

    asyncio.run(run())


@given(st.integers(1, 5000))
def test_somebody_else_always_finds_a_place(most: int) -> None:
    """A quarter of all beside one link, an eighth beside one address, those counted that are not; of very little, one
    may have all, and each may have something."""
    shares, backend = StoreShares(), Backend("lab", max_connections=most)
    uncounted = max(number for number in range(most + 1) if not shares.are_counted(backend, number))
    link, address = store_shares._shares(backend)
    assert 1 <= link <= address
    assert (link + uncounted, address + uncounted) == (most - most // 4, most - most // 8)


async def fetch(rig: Rig, token: str, address: str) -> int:
    return (await rig.fetch(token, X_Forwarded_For=address)).status


@asynccontextmanager
async def crowded() -> AsyncIterator[tuple[Rig, str, list[asyncio.Task[int]]]]:
    """Fifteen requests for one link, from one address, to a store that bears sixteen and answers none of them yet."""
    async with running(policy(max_connections=16)) as rig:
        rig.plane.snapshot = replace(rig.plane.snapshot, trusted_proxies=(ip_network("127.0.0.0/8"),))
        for key in ("slow", "quick"):
            rig.store.hold(f"inside/{key}", b"hello")
        rig.store.waits = lambda call: call.key == "inside/slow"
        rig.store.answers.clear()
        token = await rig.link("slow")
        asked = [asyncio.get_running_loop().create_task(fetch(rig, token, "192.0.2.1")) for _ in range(15)]
        await until(lambda: len(rig.plane.transfers) == 15)
        yield rig, token, asked


async def test_who_has_a_share_keeps_nobody_else_waiting() -> None:
    """Twelve of fifteen reach the store; another link is answered at once, of the same address too. The rest come in
    turn."""
    async with crowded() as (rig, token, asked):
        assert 12 == rig.store.open_now
        quick = await rig.link("quick")
        assert [200, 200] == [await fetch(rig, quick, address) for address in ("192.0.2.1", "192.0.2.2")]
        beside = asyncio.get_running_loop().create_task(fetch(rig, token, "192.0.2.2"))
        await until(lambda: len(rig.plane.transfers) == 16)
        assert (12, False) == (rig.store.open_now, beside.done())
        rig.store.answers.set()
        assert [200] * 16 == await asyncio.gather(*asked, beside)
        assert ({}, {}) == (rig.plane.shares._taken, rig.plane.shares._waiting)


async def test_who_waits_for_a_place_hears_of_a_revocation() -> None:
    """As whoever is at the store already does, and no store is asked for those that waited."""
    async with crowded() as (rig, token, asked):
        grant = await rig.state.grants.find(LinkToken(token).hash)
        assert grant is not None
        await rig.revoke(FeedKind.LINK, grant.id)
        assert [410] * 15 == await asyncio.gather(*asked)
        assert (12, 0) == (len(rig.store.seen), len(rig.plane.transfers))


async def test_who_goes_while_waiting_leaves_nothing() -> None:
    """A client that hangs up before it had a place."""
    async with crowded() as (rig, token, asked):
        async with rig.client() as client:
            await client.send(request("GET", f"/s/{token}", {"X-Forwarded-For": "192.0.2.1"}))
            await until(lambda: len(rig.plane.transfers) == 16)
        await until(lambda: len(rig.plane.transfers) == 15)
        rig.store.answers.set()
        assert [200] * 15 == await asyncio.gather(*asked)
        assert ({}, {}) == (rig.plane.shares._taken, rig.plane.shares._waiting)
