"""The law of `LeaseStore`, for every engine."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.lease import LEASE_WINDOW, Lease, Reservation, Room, Settlement, Usage, Use
from gateway.stores.engine import Engine
from tests.contract.sample import NOW, link

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def test_a_use_is_opened_once_and_joined_after(engine: Engine) -> None:
    """Further requests of one caller inside the window cost no use."""
    first = await engine.leases.open_lease(Reservation("l_1", "k"), 1, NOW, LEASE_WINDOW)
    assert first == Lease("l_1", "k", fresh=True)
    for later in (0.0, 1.0, LEASE_WINDOW - 1):
        assert await engine.leases.open_lease(Reservation("l_1", "k"), 1, NOW + later, LEASE_WINDOW) == Lease(
            "l_1", "k", fresh=False
        )
    assert (await engine.leases.usage(["l_1"]))["l_1"].uses == 1


async def test_another_caller_needs_another_use(engine: Engine) -> None:
    """Without a use left, only who holds a lease goes on."""
    assert await engine.leases.open_lease(Reservation("l_1", "a"), 2, NOW, 60) is not None
    assert await engine.leases.open_lease(Reservation("l_1", "b"), 2, NOW, 60) is not None
    assert await engine.leases.open_lease(Reservation("l_1", "c"), 2, NOW, 60) is None
    assert await engine.leases.open_lease(Reservation("l_1", "b"), 2, NOW, 60) is not None
    assert await engine.leases.open_lease(Reservation("l_2", "c"), 2, NOW, 60) is not None


async def test_a_lease_ends_with_its_window(engine: Engine) -> None:
    """After the window the same caller needs a new use, and joining has not prolonged it."""
    assert await engine.leases.open_lease(Reservation("l_1", "k"), 2, NOW, 60) is not None
    assert await engine.leases.open_lease(Reservation("l_1", "k"), 2, NOW + 59, 60) == Lease("l_1", "k", fresh=False)
    assert await engine.leases.open_lease(Reservation("l_1", "k"), 2, NOW + 60, 60) == Lease("l_1", "k", fresh=True)
    assert await engine.leases.open_lease(Reservation("l_1", "k"), 2, NOW + 120, 60) is None


async def test_a_window_of_nothing_is_never_joined(engine: Engine) -> None:
    """A write's use covers that one write."""
    assert await engine.leases.open_lease(Reservation("l_1", "k"), 1, NOW, 0.0) is not None
    assert await engine.leases.open_lease(Reservation("l_1", "k"), 1, NOW, 0.0) is None


async def test_no_uses_means_none(engine: Engine) -> None:
    """A link with zero uses opens nothing and leaves no counter."""
    assert await engine.leases.open_lease(Reservation("l_1", "k"), 0, NOW, 60) is None
    assert await engine.leases.usage(["l_1"]) == {}


async def test_an_unlimited_link_is_counted(engine: Engine) -> None:
    """Without a limit every opening succeeds and is counted."""
    for number in range(5):
        assert await engine.leases.open_lease(Reservation("l_1", str(number)), None, NOW, 60) is not None
    assert (await engine.leases.usage(["l_1"]))["l_1"] == Usage(5, 0, NOW)


async def test_many_uses_are_counted_as_one_after_the_other(engine: Engine) -> None:
    """Each joins its key's lease or opens one, of one grant and of many, and nothing of it can be given back."""
    leases = engine.leases
    assert await leases.open_lease(Reservation("l_1", "a"), None, NOW, 60) is not None
    await leases.count_uses([], 60)
    seen = [Use("l_1", "a", 5, NOW + 1), Use("l_1", "b", 7, NOW + 2), Use("l_1", "b", 1, NOW + 3)]
    await leases.count_uses([*seen, *(Use(f"l_{number}", "k", number, NOW) for number in range(2, 80))], 60)
    await leases.count_uses([Use("l_1", "b", 2, NOW + 61)], 60)
    others = {f"l_{number}": Usage(1, number, NOW) for number in range(2, 80)}
    assert {"l_1": Usage(2, 15, NOW + 61)} | others == await leases.usage([f"l_{number}" for number in range(1, 81)])
    await leases.count_uses([Use("l_1", "b", 1, NOW + 63)], 60)
    for key in ("a", "b"):
        await leases.give_back(Reservation("l_1", key, "late"))
    assert Usage(3, 16, NOW + 63) == (await leases.usage(["l_1"]))["l_1"]


async def test_batches_of_uses_do_not_stop_each_other(engine: Engine) -> None:
    """Replicas count the same links at once, each in an order of its own, while leases of them are opened and lapse."""
    leases, names = engine.leases, [f"l_{number}" for number in range(200)]
    many = [[Use(name, f"k{turn}", 1, NOW + turn) for name in names] for turn in range(16)]
    batches = [uses if turn % 2 else uses[::-1] for turn, uses in enumerate(many)]
    opened = [leases.open_lease(Reservation(name, "mine", "r"), None, NOW + 100, 60) for name in names[::5]]
    await asyncio.gather(*(leases.count_uses(uses, 60) for uses in batches), *opened)
    found = await leases.usage(names)
    assert {name: (17 if number % 5 == 0 else 16, 16) for number, name in enumerate(names)} == {
        name: (usage.uses, usage.moved) for name, usage in found.items()
    }


def mine(request: str = "r", key: str | None = "k", **more: float) -> Reservation:
    return Reservation("l_1", key, request, **more)


async def test_a_use_is_given_back(engine: Engine) -> None:
    """A request that brought nothing gives its use back, and leaves no trace if it was the only one."""
    assert await engine.leases.open_lease(mine(), 1, NOW, 60) is not None
    await engine.leases.give_back(mine())
    assert await engine.leases.usage(["l_1"]) == {}
    assert await engine.leases.open_lease(mine("s", "other"), 1, NOW, 60) is not None


@pytest.mark.parametrize("window", [0, 60])
async def test_what_runs_longer_than_its_window_gives_its_use_back(engine: Engine, window: float) -> None:
    """An upload's has none. Other links' leases begin and end meanwhile, which clears away what has lapsed."""
    leases = engine.leases
    assert await leases.open_lease(mine(), 1, NOW, window) is not None
    await leases.count_uses([Use(f"l_{number}", "k", 1, NOW + 3600) for number in range(2, 20)], 60)
    for number in range(20):
        assert await leases.open_lease(Reservation("l_0", str(number), "r"), None, NOW + 3600 + number, 1) is not None
    assert await leases.open_lease(mine("s", "other"), 1, NOW + 3700, window) is None
    await leases.give_back(mine())
    assert await leases.open_lease(mine("s", "other"), 1, NOW + 3700, window) is not None


async def test_giving_back_twice_gives_back_once(engine: Engine) -> None:
    """A second giving back changes nothing."""
    assert await engine.leases.open_lease(mine("a", "a"), 2, NOW, 60) is not None
    assert await engine.leases.open_lease(mine("b", "b"), 2, NOW, 60) is not None
    await engine.leases.give_back(mine("a", "a"))
    await engine.leases.give_back(mine("a", "a"))
    assert (await engine.leases.usage(["l_1"]))["l_1"].uses == 1


async def test_the_last_of_a_lease_gives_it_back(engine: Engine) -> None:
    """Who joined may be moving bytes, so the use stays taken for as long as one of them stands."""
    for request in ("one", "two", "three"):
        assert await engine.leases.open_lease(mine(request), 1, NOW, 60) is not None
    for request in ("two", "one"):
        await engine.leases.give_back(mine(request))
        assert await engine.leases.open_lease(mine("s", "other"), 1, NOW, 60) is None
    await engine.leases.give_back(mine("three"))
    assert await engine.leases.open_lease(mine("s", "other"), 1, NOW, 60) is not None


@pytest.mark.parametrize("moved", [0, 7])
async def test_a_use_that_was_had_is_not_given_back(engine: Engine, moved: int) -> None:
    """Not even by another request of the same lease, and not if it was an empty object."""
    for request in ("one", "two"):
        assert await engine.leases.open_lease(mine(request), 1, NOW, 60) is not None
    await engine.leases.settle_bytes(mine("one"), Settlement(moved), NOW)
    await engine.leases.give_back(mine("two"))
    assert (await engine.leases.usage(["l_1"]))["l_1"] == Usage(1, moved, NOW)


async def test_settled_bytes_count(engine: Engine) -> None:
    """For the grant, whichever lease they moved under, and also after that has gone."""
    await engine.leases.open_lease(mine("one", "a"), None, NOW, 60)
    await engine.leases.settle_bytes(mine("one", "a"), Settlement(100, ends=False), NOW + 1)
    await engine.leases.settle_bytes(mine("one", "a"), Settlement(11), NOW + 2)
    await engine.leases.settle_bytes(mine("two", "gone"), Settlement(1000), NOW + 3)
    assert (await engine.leases.usage(["l_1"]))["l_1"] == Usage(1, 1111, NOW + 3)


async def test_what_was_counted_can_be_taken_back(engine: Engine) -> None:
    """By less than no bytes, down to none; uses stay."""
    await engine.leases.open_lease(mine("one", "a"), None, NOW, 60)
    await engine.leases.settle_bytes(mine("one", "a"), Settlement(100), NOW)
    await engine.leases.settle_bytes(Reservation("l_1"), Settlement(-40), NOW + 1)
    assert (await engine.leases.usage(["l_1"]))["l_1"] == Usage(1, 60, NOW + 1)
    await engine.leases.settle_bytes(Reservation("l_1"), Settlement(-100), NOW + 2)
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == 0


async def test_bytes_are_reserved_up_to_the_budget(engine: Engine) -> None:
    """A reservation that would pass the budget takes nothing; the last byte can be reserved."""
    assert await engine.leases.reserve_bytes(mine("a", None), 60, budget=100) is Room.TAKEN
    assert await engine.leases.reserve_bytes(mine("b", None), 41, budget=100) is Room.HELD
    assert await engine.leases.reserve_bytes(mine("b", None), 40, budget=100) is Room.TAKEN
    assert await engine.leases.reserve_bytes(mine("c", None), 1, budget=100) is Room.HELD
    assert await engine.leases.reserve_bytes(Reservation("l_2", None, "r"), 101, budget=100) is Room.SPENT
    assert await engine.leases.usage(["l_2"]) == {}


async def test_bytes_are_reserved_up_to_the_leases_cap(engine: Engine) -> None:
    """Of one lease; another one has a cap of its own, and one that does not exist has no room."""
    assert await engine.leases.reserve_bytes(mine(), 1, cap=100) is Room.SPENT
    for key in ("k", "other"):
        assert await engine.leases.open_lease(mine("o", key), None, NOW, 60) is not None
    assert await engine.leases.reserve_bytes(mine("a"), 100, cap=100) is Room.TAKEN
    assert await engine.leases.reserve_bytes(mine("b"), 1, cap=100) is Room.HELD
    assert await engine.leases.reserve_bytes(mine("b", "other"), 100, cap=100) is Room.TAKEN
    await engine.leases.settle_bytes(mine("a"), Settlement(30), NOW)
    assert await engine.leases.reserve_bytes(mine("b"), 71, cap=100) is Room.SPENT
    assert await engine.leases.reserve_bytes(mine("b"), 70, cap=100, budget=1000) is Room.TAKEN


async def test_all_or_nothing(engine: Engine) -> None:
    """Where one of two limits refuses, nothing is taken of the other."""
    await engine.leases.open_lease(mine("o"), None, NOW, 60)
    assert await engine.leases.reserve_bytes(mine("a"), 50, budget=40, cap=100) is Room.SPENT
    assert await engine.leases.reserve_bytes(mine("a"), 50, budget=100, cap=40) is Room.SPENT
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == 0
    assert await engine.leases.reserve_bytes(mine("a"), 40, budget=40, cap=40) is Room.TAKEN


async def test_settling_replaces_the_reservation(engine: Engine) -> None:
    """What was reserved and not moved is free again, and nobody else's; the count never gets negative."""
    assert await engine.leases.reserve_bytes(mine("a", None), 60, budget=100) is Room.TAKEN
    assert await engine.leases.reserve_bytes(mine("b", None), 40, budget=100) is Room.TAKEN
    await engine.leases.settle_bytes(mine("a", None), Settlement(30), NOW)
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == 70
    for _ in range(3):
        await engine.leases.settle_bytes(mine("a", None), Settlement(0), NOW)
        await engine.leases.give_back(mine("a", None))
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == 70
    assert await engine.leases.reserve_bytes(mine("c", None), 30, budget=100) is Room.TAKEN


async def test_what_moves_is_counted_once_while_it_runs(engine: Engine) -> None:
    """A word in between turns reserved bytes into moved ones; the rest stands on."""
    await engine.leases.open_lease(mine(), None, NOW, 60)
    assert await engine.leases.reserve_bytes(mine(), 100, cap=100) is Room.TAKEN
    await engine.leases.settle_bytes(mine(), Settlement(60, ends=False), NOW)
    assert await engine.leases.reserve_bytes(mine("b"), 1, cap=100) is Room.HELD
    await engine.leases.settle_bytes(mine(), Settlement(10), NOW)
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == 70
    assert await engine.leases.reserve_bytes(mine("b"), 31, cap=100) is Room.SPENT
    assert await engine.leases.reserve_bytes(mine("b"), 30, cap=100) is Room.TAKEN


async def test_who_is_bounded_settles_at_most_what_it_reserved(engine: Engine) -> None:
    """Whatever it says has moved; where nothing was reserved, nothing is counted."""
    assert await engine.leases.reserve_bytes(mine("a", None), 60, budget=100) is Room.TAKEN
    await engine.leases.settle_bytes(mine("b", None), Settlement(1000, bounded=True), NOW)
    await engine.leases.settle_bytes(mine("a", None), Settlement(50, ends=False, bounded=True), NOW)
    await engine.leases.settle_bytes(mine("a", None), Settlement(1000, bounded=True), NOW)
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == 60


async def test_what_died_is_free_again(engine: Engine) -> None:
    """Where nothing was heard in time: its bytes, and the use that it had opened; not what it had told of."""
    for request, key in (("dead", "k"), ("told", "told")):
        assert await engine.leases.open_lease(mine(request, key, seconds=0.0), 2, NOW, 60) is not None
        assert await engine.leases.reserve_bytes(mine(request, key, seconds=0.0), 50, budget=100) is Room.TAKEN
    await engine.leases.settle_bytes(mine("told", "told", seconds=0.0), Settlement(20, ends=False), NOW)
    assert await engine.leases.reserve_bytes(mine("c", None), 1, budget=100) is Room.HELD
    assert await engine.leases.release_lapsed() == 2
    assert (await engine.leases.usage(["l_1"]))["l_1"] == Usage(1, 20, NOW)
    assert await engine.leases.reserve_bytes(mine("c", None), 80, budget=100) is Room.TAKEN
    assert await engine.leases.open_lease(mine("d", "new"), 2, NOW, 60) is not None


async def test_what_lives_is_not_released(engine: Engine) -> None:
    """A word renews it: reservations stand for as long as something is heard."""
    await engine.leases.open_lease(mine(seconds=0.0), 1, NOW, 60)
    assert await engine.leases.reserve_bytes(mine(seconds=0.0), 50, cap=100) is Room.TAKEN
    await engine.leases.settle_bytes(mine(), Settlement(0, ends=False, keeps=False), NOW)
    assert await engine.leases.release_lapsed() == 0
    assert await engine.leases.reserve_bytes(mine("b"), 51, cap=100) is Room.HELD


async def test_big_numbers_stay_exact(engine: Engine) -> None:
    """Byte counts above 2**53 are counted to the byte."""
    most = 2**53 + 3
    await engine.leases.open_lease(mine(), None, NOW, 60)
    for request, wanted in (("a", 2**53), ("b", 1), ("c", 2)):
        assert await engine.leases.reserve_bytes(mine(request), wanted, budget=most, cap=most) is Room.TAKEN
    assert await engine.leases.reserve_bytes(mine("d"), 1, budget=most) is Room.HELD
    assert await engine.leases.reserve_bytes(mine("d"), 1, cap=most) is Room.HELD
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == most
    await engine.leases.settle_bytes(mine("a"), Settlement(2**53 - 1), NOW)
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == most - 1
    assert await engine.leases.reserve_bytes(mine("d"), 5, budget=most) is Room.SPENT


async def test_those_never_used_are_missing(engine: Engine) -> None:
    """Usage answers only for grants that have any."""
    await engine.leases.open_lease(Reservation("l_1", "k"), None, NOW, 60)
    assert set(await engine.leases.usage(["l_0", "l_1", "l_2"])) == {"l_1"}
    assert await engine.leases.usage([]) == {}


@pytest.mark.parametrize("uses", [1, 7, 50])
async def test_parallel_openings_give_exactly_as_many_uses(engine: Engine, uses: int) -> None:
    """Of many callers at once, exactly the allowed number gets a use."""
    leases = await asyncio.gather(
        *(engine.leases.open_lease(Reservation("l_1", f"k{n}"), uses, NOW, 60) for n in range(60))
    )
    assert sum(lease is not None for lease in leases) == uses
    assert (await engine.leases.usage(["l_1"]))["l_1"].uses == uses


async def test_parallel_openings_of_one_caller_take_one_use(engine: Engine) -> None:
    """A download manager with many connections takes one use, and exactly one of them is fresh."""
    leases = await asyncio.gather(*(engine.leases.open_lease(Reservation("l_1", "k"), 1, NOW, 60) for _ in range(40)))
    assert sum(lease is not None and lease.fresh for lease in leases) == 1
    assert None not in leases


async def test_parallel_reservations_never_pass_the_budget(engine: Engine) -> None:
    """Of many reservations at once, as many succeed as the budget holds."""
    wishes = (engine.leases.reserve_bytes(mine(str(number), None), 30, budget=1000) for number in range(60))
    taken = await asyncio.gather(*wishes)
    assert taken.count(Room.TAKEN) == 33
    assert (await engine.leases.usage(["l_1"]))["l_1"].moved == 990


async def test_replicas_reserve_of_one_lease_together(engine: Engine, rival: Engine) -> None:
    """Twenty requests of one client on two replicas: as many as fit are let in, and no byte more."""
    both = (engine, rival)
    for number in range(20):
        assert await both[number % 2].leases.open_lease(mine(str(number)), 1, NOW, 60) is not None
    wishes = (both[number % 2].leases.reserve_bytes(mine(str(number)), 100, cap=350) for number in range(20))
    rooms = await asyncio.gather(*wishes)
    assert (rooms.count(Room.TAKEN), rooms.count(Room.HELD)) == (3, 17)
    for number, room in enumerate(rooms):
        await both[(number + 1) % 2].leases.settle_bytes(
            mine(str(number)), Settlement(100 if room is Room.TAKEN else 0), NOW
        )
    assert (await engine.leases.usage(["l_1"]))["l_1"] == Usage(1, 300, NOW)


@FEW
@given(
    uses=st.integers(0, 4),
    steps=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["open", "back", "move"])), max_size=25),
)
async def test_uses_are_never_exceeded(engine: Engine, uses: int, steps: list[tuple[str, str]]) -> None:
    """Whatever is opened, given back and moved: no more than `uses` callers ever have something."""
    grant_id = link().id
    held: dict[str, Reservation] = {}
    moved: set[str] = set()
    for caller, step in steps:
        one = Reservation(grant_id, caller, caller)
        if step == "open":
            lease = await engine.leases.open_lease(one, uses, NOW, 60)
            assert lease is not None or caller not in held
            if lease is not None:
                held[caller] = one
        elif caller in held and step == "back":
            await engine.leases.give_back(held.pop(caller))
        elif caller in held and step == "move":
            await engine.leases.settle_bytes(one, Settlement(1), NOW)
            moved.add(caller)
    used = (await engine.leases.usage([grant_id])).get(grant_id, Usage())
    assert len(moved) <= used.uses <= uses


_SOMEBODY = st.tuples(st.sampled_from("ab"), st.integers(0, 3))


@FEW
@given(
    steps=st.lists(
        st.tuples(_SOMEBODY, st.sampled_from(["reserve", "move", "tell", "end", "die"]), st.integers(1, 60)),
        max_size=40,
    )
)
async def test_the_cap_holds_and_is_reachable(engine: Engine, steps: list[tuple[tuple[str, int], str, int]]) -> None:
    """Whatever requests reserve, move, tell, end or die of: no lease moves more than its cap, a wish is refused only
    when it would not fit, and at the end all that was not moved can be had."""
    cap, grant_id = 100, link().id
    left: dict[tuple[str, int], int] = {}
    moved = {"a": 0, "b": 0}
    for key in moved:
        await engine.leases.open_lease(Reservation(grant_id, key), None, NOW, 60)
        await engine.leases.settle_bytes(
            Reservation(grant_id, key), Settlement(0), NOW
        )  # kept: it stays to be counted with

    def entry(who: tuple[str, int], **more: float) -> Reservation:
        return Reservation(grant_id, who[0], f"{who}", **more)

    for who, step, size in steps:
        if step == "reserve":
            spare = cap - moved[who[0]] - sum(held for (key, _), held in left.items() if key == who[0])
            room = await engine.leases.reserve_bytes(entry(who), size, cap=cap)
            assert (room is Room.TAKEN) == (size <= spare)
            assert (room is Room.SPENT) == (size > cap - moved[who[0]])
            if room is Room.TAKEN:
                left[who] = left.get(who, 0) + size
        elif who in left:
            if step == "move":
                count = min(size, left[who])
                left[who] -= count
                moved[who[0]] += count
                await engine.leases.settle_bytes(entry(who), Settlement(count, ends=False), NOW)
            elif step == "tell":
                await engine.leases.settle_bytes(entry(who), Settlement(0, ends=False), NOW)
            elif step == "end":
                await engine.leases.settle_bytes(entry(who), Settlement(0), NOW)
                del left[who]
            else:
                await engine.leases.settle_bytes(entry(who, seconds=0.0), Settlement(0, ends=False), NOW)
                assert await engine.leases.release_lapsed() == 1
                del left[who]
        assert all(total <= cap for total in moved.values())
    for who in left:
        await engine.leases.settle_bytes(entry(who), Settlement(0), NOW)
    for key, total in moved.items():
        rest = cap - total
        assert await engine.leases.reserve_bytes(Reservation(grant_id, key, "last"), rest + 1, cap=cap) is Room.SPENT
        assert await engine.leases.reserve_bytes(Reservation(grant_id, key, "last"), rest, cap=cap) is Room.TAKEN
