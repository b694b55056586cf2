"""Tasks that begin at once, and go on in the turn in which what they wait for comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.eager import EagerTask, Signal, has_waited

Work = Callable[[list[str], Signal], Coroutine[Any, Any, None]]


async def in_the_loop(work: Callable[[], object]) -> None:
    """Do it as the event loop does what it calls: inside of no task."""
    done = asyncio.get_running_loop().create_future()

    def turn() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 (the test's to judge)
            done.set_exception(failure)
        else:
            done.set_result(None)

    asyncio.get_running_loop().call_soon(turn)
    await done


def eager(work: Coroutine[Any, Any, None]) -> EagerTask:
    return EagerTask(asyncio.get_running_loop(), work)


async def test_it_begins_and_goes_on_in_the_turns_of_others() -> None:
    """Nothing is left for the loop to do: who starts it, and who gives what it waits for, has run it."""
    said: list[str] = []
    signal = Signal()

    async def work() -> None:
        said.append("begun")
        await signal
        said.append("gone on")

    def turns() -> None:
        task = eager(work())
        task.go_on()
        assert (["begun"], True) == (said, signal.awaited)
        signal.give()
        assert (["begun", "gone on"], True, False) == (said, task.done(), signal.awaited)

    await in_the_loop(turns)


async def test_one_that_has_not_waited_knows_that_nobody_else_had_a_turn() -> None:
    """Until its first wait, whatever that was for; of a task of asyncio's own it is not known."""
    said: list[bool] = []

    async def work() -> None:
        said.append(has_waited())
        await asyncio.sleep(0)
        said.append(has_waited())

    task = eager(work())
    await in_the_loop(task.go_on)
    await task
    assert [False, True] == said
    assert has_waited()


async def test_no_coroutine_runs_inside_of_another_tasks_turn() -> None:
    """Started or gone on with by a task, it has a turn of its own after that."""
    signal, said = Signal(), list[str]()

    async def work() -> None:
        said.append("begun")
        await signal
        said.append("gone on")

    task = eager(work())
    task.go_on()
    assert [] == said
    await asyncio.sleep(0)
    signal.give()
    assert ["begun"] == said
    await task
    assert ["begun", "gone on"] == said


async def test_it_waits_for_anything_that_a_task_can_wait_for() -> None:
    """Futures, other tasks, a turn of the loop; their failures come where they were awaited."""
    loop = asyncio.get_running_loop()
    said: list[object] = []

    async def work() -> None:
        said.append(await asyncio.shield(loop.create_task(asyncio.sleep(0, "slept"))))
        await asyncio.sleep(0)
        failing = loop.create_future()
        loop.call_soon(failing.set_exception, ValueError("no"))
        try:
            await failing
        except ValueError as failure:
            said.append(str(failure))
        said.extend(await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)))

    task = eager(work())
    task.go_on()
    await task
    assert ["slept", "no", 1, 2] == said


async def test_a_time_limit_ends_its_wait_for_a_signal() -> None:
    """`asyncio.timeout` finds its task, and what it cancels it takes back."""
    said: list[str] = []

    async def work() -> None:
        for _ in range(2):
            try:
                async with asyncio.timeout(0.01):
                    await Signal()
            except TimeoutError:
                said.append("late")
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        said.append("in time")

    task = eager(work())
    await in_the_loop(task.go_on)
    await task
    assert (["late", "late", "in time"], 0) == (said, task.cancelling())


async def on_signal(said: list[str], signal: Signal) -> None:
    await signal


async def on_future(said: list[str], signal: Signal) -> None:
    await asyncio.get_running_loop().create_future()


async def on_shielded(said: list[str], signal: Signal) -> None:
    await asyncio.shield(asyncio.get_running_loop().create_future())


async def on_nothing(said: list[str], signal: Signal) -> None:
    for _ in range(99):
        await asyncio.sleep(0)


@pytest.mark.parametrize("wait", [on_signal, on_future, on_shielded, on_nothing])
@pytest.mark.parametrize("again", [1, 2])
async def test_a_cancelled_one_hears_of_it_where_it_waits(wait: Work, again: int) -> None:
    """Once, in a turn of its own, whatever it waits for; afterwards it can still clear up and wait."""
    signal, said = Signal(), list[str]()

    async def work() -> None:
        try:
            await wait(said, signal)
        except asyncio.CancelledError:
            said.append("cancelled")
            await asyncio.sleep(0)
            said.append("cleared up")
            raise

    task = eager(work())
    await in_the_loop(task.go_on)
    for _ in range(again):
        assert task.cancel()
    assert [] == said
    signal.give()  # too late: nobody waits for it any more
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (["cancelled", "cleared up"], True, False) == (said, task.cancelled(), task.cancel())


async def test_cancelled_from_within_it_ends_at_its_next_wait() -> None:
    """Not before: what it does in between is done."""
    said: list[str] = []

    async def work() -> None:
        found = asyncio.current_task()
        assert found is task
        found.cancel()
        said.append("still here")
        await Signal()

    task = eager(work())
    await in_the_loop(task.go_on)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["still here"] == said


async def test_its_failure_is_kept_for_who_waits_for_it() -> None:
    """And comes through nobody's turn."""

    async def work() -> None:
        raise ValueError("no")

    task = eager(work())
    await in_the_loop(task.go_on)
    with pytest.raises(ValueError, match="no"):
        await task


async def test_a_signal_reaches_the_one_that_waits_now() -> None:
    """Who waited before takes nothing away from who waits now; either may be an ordinary task."""
    signal, said = Signal(), list[str]()

    async def wait(name: str) -> None:
        await signal
        said.append(name)

    first = asyncio.get_running_loop().create_task(wait("first"))
    await asyncio.sleep(0)
    signal.give()
    second = eager(wait("second"))
    await in_the_loop(second.go_on)
    await first
    assert (["first"], True) == (said, signal.awaited)
    await in_the_loop(signal.give)
    assert ["first", "second"] == said
    signal.give()  # for nobody


WAITS = st.lists(st.sampled_from(["signal", "future", "turn", "timeout"]), max_size=8)


@given(WAITS, st.integers(0, 12))
async def test_it_ends_as_an_ordinary_task_would(waits: list[str], cancelled_after: int) -> None:
    """With the same words said in the same order, cancelled after the same number of them or not at all."""
    loop = asyncio.get_running_loop()

    async def tried(make: Callable[[Coroutine[Any, Any, None]], asyncio.Future[None]]) -> tuple[list[str], bool]:
        said, signal = list[str](), Signal()

        async def work() -> None:
            for wait in waits:
                said.append(wait)
                if len(said) == cancelled_after:
                    loop.call_soon(task.cancel)
                try:
                    await one(wait, signal)
                finally:
                    said.append(f"after {wait}")

        task = make(work())
        await asyncio.wait({task})
        return said, task.cancelled()

    async def one(wait: str, signal: Signal) -> None:
        soon = loop.create_future()
        match wait:
            case "signal":
                loop.call_soon(loop.call_soon, signal.give)
                await signal
            case "future":
                loop.call_soon(loop.call_soon, lambda: soon.done() or soon.set_result(None))
                await soon
            case "turn":
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            case _:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0):
                        await Signal()

    def begun(work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        task = eager(work)
        loop.call_soon(task.go_on)
        return task

    if not cancelled_after or "timeout" not in waits:
        assert await tried(loop.create_task) == await tried(begun)


async def test_context_variables_are_its_own() -> None:
    """What it sets, it finds after each wait, and nobody else does: a trace's span is no other request's."""
    variable: ContextVar[str] = ContextVar("variable", default="nobody's")
    found: list[str] = []
    signal = Signal()

    async def work() -> None:
        variable.set("mine")
        await signal
        found.append(variable.get())

    await in_the_loop(eager(work()).go_on)
    await in_the_loop(signal.give)
    assert (["mine"], "nobody's") == (found, variable.get())
