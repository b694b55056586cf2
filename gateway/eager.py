"""Owns the tasks that requests run in: begun at once, gone on with in the very turn in which what they wait for comes.

Refuses to own what is waited for, and what is done with it.

Laws: asyncio's current task is this one while its coroutine runs, so that timeouts, cancellation and whatever else asks
for a task work as in any other; context variables are its own. No coroutine runs inside of another task's turn. What is
waited for in vain (a `Signal` that never comes) holds nothing but the two of them.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from threading import get_ident
from typing import Any, Final, cast

_Entering = Callable[[asyncio.AbstractEventLoop, object], None]

# Documented for other implementations of tasks (docs.python.org, asyncio, "Extending"); stubs know asyncio's own only.
_enter_task: Final = cast("_Entering", asyncio.tasks._enter_task)  # noqa: SLF001
_leave_task: Final = cast("_Entering", asyncio.tasks._leave_task)  # noqa: SLF001


_init_future: Final = asyncio.Future.__init__
_ENDED: Final = object()


class Signal:
    """Something that comes again and again, and that one task at a time, the `waiter`, waits for: `await signal`."""

    __slots__ = ("waiter",)

    def __init__(self) -> None:
        self.waiter: EagerTask | asyncio.Future[None] | None = None

    @property
    def awaited(self) -> bool:
        """Whether anybody waits for it now."""
        return self.waiter is not None

    def give(self) -> None:
        """It has come: who waits goes on, at once if that is an eager task. To be called last in a turn."""
        waiter, self.waiter = self.waiter, None
        if waiter is None:
            return
        if type(waiter) is EagerTask:
            waiter.go_on()
        elif not waiter.done():
            waiter.set_result(None)

    def __await__(self) -> Generator[Any, None, None]:
        if _running is not None and _running.thread == get_ident():
            yield self  # to the eager task, which has it wait here
            return
        self.waiter = waiter = asyncio.get_running_loop().create_future()
        try:
            yield from waiter
        finally:
            # Between the wake-up and now somebody else may have begun to wait in this place.
            if self.waiter is waiter:
                self.waiter = None


class EagerTask(asyncio.Future[None]):
    """A task whose coroutine runs at once up to its first wait, and whose own waits cost no turn of the loop."""

    __slots__ = (
        "_awaited",
        "_cancel_requests",
        "_cancelled_next",
        "_context",
        "_coroutine",
        "_serving_loop",
        "_steps",
        "thread",
        "waited",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> None:
        _init_future(self, loop=loop)
        self.thread = get_ident()
        self._serving_loop = loop
        self._coroutine: Coroutine[Any, Any, None] | None = coroutine
        self._steps = coroutine.__await__()
        self._context = copy_context()
        self._awaited: Signal | asyncio.Future[Any] | None = None
        self._cancelled_next = False
        self._cancel_requests = 0
        self.waited = False

    def cancel(self, msg: Any | None = None) -> bool:
        """As `asyncio.Task.cancel`: the coroutine gets a CancelledError where it waits, in a turn of its own."""
        if self.done():
            return False
        self._cancel_requests += 1
        awaited = self._awaited
        if isinstance(awaited, asyncio.Future) and awaited.cancel():
            return True
        self._cancelled_next = True
        if type(awaited) is Signal:
            awaited.waiter = None
            self._awaited = None
            self._serving_loop.call_soon(self.go_on)
        return True

    def cancelling(self) -> int:
        """As `asyncio.Task.cancelling`."""
        return self._cancel_requests

    def uncancel(self) -> int:
        """As `asyncio.Task.uncancel`."""
        self._cancel_requests = max(0, self._cancel_requests - 1)
        return self._cancel_requests

    def get_coro(self) -> Coroutine[Any, Any, None] | None:
        """As `asyncio.Task.get_coro`."""
        return self._coroutine

    def go_on(self, error: BaseException | None = None) -> None:
        """Run the coroutine until it waits again, or ends: it begins, or what it waited for has come."""
        global _running  # noqa: PLW0603 (set and cleared here alone)
        loop, coroutine = self._serving_loop, self._coroutine
        if coroutine is None:
            return
        self._awaited = None
        try:
            _enter_task(loop, self)
        except RuntimeError:  # inside of another task's turn
            loop.call_soon(self.go_on, error)
            return
        _running = self
        if self._cancelled_next:
            self._cancelled_next = False
            error = error if isinstance(error, CancelledError) else CancelledError()
        try:
            # With a default no exception is made of the end: it would be traced and caught, for more than a step costs.
            awaited = (
                self._context.run(next, self._steps, _ENDED)
                if error is None
                else self._context.run(self._steps.throw, error)
            )
        except StopIteration:
            awaited = _ENDED
        except CancelledError:
            self._coroutine = None
            super().cancel()
            return
        except BaseException as failure:
            self._coroutine = None
            self.set_exception(failure)
            if isinstance(failure, Exception):
                return
            raise
        finally:
            error = None  # its traceback holds this frame
            _running = None
            _leave_task(loop, self)
        self.waited = True
        if awaited is _ENDED:
            self._coroutine = None
            self.set_result(None)
        elif type(awaited) is Signal and not self._cancelled_next:
            self._awaited = awaited
            awaited.waiter = self
        else:
            self._wait_for(awaited)

    def _wait_for(self, awaited: Any) -> None:
        if type(awaited) is Signal:  # while it is to be cancelled
            self._awaited = awaited
            awaited.waiter = self
        elif awaited is None:  # it only gives way
            self._serving_loop.call_soon(self.go_on)
            return
        else:
            awaited._asyncio_future_blocking = False  # noqa: SLF001 (how futures and tasks of any kind agree)
            awaited.add_done_callback(self._woken)
            self._awaited = awaited
        if self._cancelled_next:  # asked for while it ran
            self._cancelled_next = False
            self._cancel_requests -= 1
            self.cancel()

    def _woken(self, future: asyncio.Future[Any]) -> None:
        try:
            future.result()
        except BaseException as error:  # noqa: BLE001 (it is the coroutine's to judge)
            self.go_on(error)
        else:
            self.go_on()


_running: EagerTask | None = None
"""The one that runs right now: asking asyncio for its current task costs a system call. Where loops run in several
threads, one may pass for none, and then waits as any other task does."""


def has_waited() -> bool:
    """Whether what runs now has waited for anything since it began, as far as is known here. While it has not, nobody
    else in this process has had a turn: what it found at its beginning is so still."""
    return _running is None or _running.waited or _running.thread != get_ident()
