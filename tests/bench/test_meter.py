"""What a part of a request costs is its own cost, and measuring is no part of it."""

from __future__ import annotations

import asyncio

from tests.bench.meter import CALLED, NOTHING, PROBE, WAITING, Meter, Tally, corrected, tallied


class _Ticks:
    """A clock that work moves on by hand; everything else takes no time."""

    def __init__(self) -> None:
        self.now = self._last = 0
        self.spent: list[tuple[tuple[str, ...], int]] = []

    def mark(self, path: tuple[str, ...]) -> None:
        self.spent.append((path, self.now - self._last))
        self._last = self.now

    def found(self, meter: Meter) -> dict[tuple[str, ...], Tally]:
        meter.mark()
        return {path: tally for path, tally in tallied(self.spent, meter.entered.items()).items() if tally.spent}


def test_a_part_is_told_without_what_its_parts_cost() -> None:
    """A part's own cost is what ran in it and in none of the parts inside of it."""
    ticks = _Ticks()
    meter = Meter(ticks.mark)

    def work(ticks_of_work: int) -> None:
        ticks.now += ticks_of_work

    inner = meter.around("inner", lambda: work(5))

    def outside() -> None:
        work(2)
        inner()
        inner()
        work(1)

    meter.around("outer", outside)()
    work(7)
    expected = {(): Tally(0, 7), ("outer",): Tally(1, 3), ("outer", "inner"): Tally(2, 10)}
    assert expected == ticks.found(meter)


def test_waiting_is_not_counted_where_one_waits() -> None:
    """What runs while a coroutine waits is not the coroutine's, and what is thrown into it arrives."""
    ticks = _Ticks()
    meter = Meter(ticks.mark)

    async def wait(gate: asyncio.Event) -> str:
        ticks.now += 1
        await gate.wait()
        ticks.now += 2
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ticks.now += 4
        return "cancelled, and told so"

    async def main() -> str:
        gate = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(meter.around("waiting", wait)(gate))
            await asyncio.sleep(0)
            ticks.now += 100
            gate.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
        return task.result()

    assert "cancelled, and told so" == asyncio.run(main())
    assert {(): 100, ("waiting",): 7} == {path: tally.spent for path, tally in ticks.found(meter).items()}


def test_measuring_is_taken_off() -> None:
    """Each entrance takes off the cost of measuring its kind, inside from itself and outside from what is around it."""
    tallies = {
        (): Tally(0, 40),
        ("a",): Tally(2, 30),
        ("a", "b"): Tally(4, 120),
        (PROBE, CALLED): Tally(0, 50),
        (PROBE, CALLED, NOTHING): Tally(10, 20),
        (PROBE, WAITING): Tally(0, 60),
        (PROBE, WAITING, NOTHING): Tally(10, 200),
    }
    expected = {(): Tally(0, 30), ("a",): Tally(2, 2), ("a", "b"): Tally(4, 40)}
    assert expected == corrected(tallies, {"b"})
