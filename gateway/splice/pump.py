"""Owns when bytes move from one socket to another, and how many in one turn: all passages of an event loop.

Refuses to own how (`gateway.splice.passage`), connections (they lend their sockets, `gateway.core.loan`), limits, and
what the bytes mean.

Laws: no more bytes move than were asked for, in order, and each is counted at both ends. One turn of the event loop
moves a bounded number of them, for all passages together, so that other tasks run in between. What left its source and
did not reach the sink is lost: the sink's owner is notified, and must not go on. A socket that ends is no failure here:
the next read from it, or write to it, reports that.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.core.loan import Lender, Loan, Sink
from gateway.splice.descriptors import FOR_PASSAGES
from gateway.splice.passage import BufferedPassage, KernelPassage, Passage, Transform
from gateway.splice.pipes import LARGE, Pipes

LEAST = 256 * 1024
"""Bytes from which it pays: below, the preparation costs more than it saves."""

TURN: Final = 256 * 1024
"""Bytes with which a turn of the event loop has had its share: some tenths of a millisecond. The piece that is on its
way then is moved whole, up to a pipe: to cut it short would make large bodies half as dear again."""

SHARED_TURN: Final = 128 * 1024
"""The same, and the most of one piece, while small answers are given in between: each of them waits for such a turn
twice, once for its client and once for its store."""

_SHARING: Final = 0.1
"""Seconds for which turns are shared after a small answer."""

_BUFFER: Final = 256 * 1024
"""Bytes that are looked at in one go: all of them are in the processor's cache still when they are sent."""

_TOGETHER: Final = 256 * 1024
"""Bytes that have to come together before a fast source wakes us (SO_RCVLOWAT): a wake-up costs as much as many bytes.
A source is fast when `_FAST` of them come in one tick, and is so no more when none does."""

_FAST: Final = 65536

_TICK: Final = 0.02

_SOURCE_EVENTS: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_SINK_EVENTS: Final = select.EPOLLOUT | select.EPOLLET


class SmallAnswers:
    """How many answers were given that no passage was needed for, in all loops; whoever gives one counts it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


small_answers: Final = SmallAnswers()


class _Pump:
    """All passages of one event loop: an epoll of its own, which the loop watches as one descriptor."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self.pipes = Pipes()
        self.buffer = memoryview(bytearray(_BUFFER))
        self._ends: dict[int, tuple[Passage, bool]] = {}
        self._queue: deque[Passage] = deque()
        self._turning = False
        self._answers_seen = small_answers.count
        self._shared_until = 0.0
        self._paced: set[Passage] = set()
        self._tick: asyncio.TimerHandle | None = None

    @property
    def has_room(self) -> bool:
        """Whether one more passage leaves the process enough descriptors for everything else."""
        return len(self._ends) + 2 * self.pipes.count < FOR_PASSAGES

    async def run(self, passage: Passage) -> None:
        """Return when it has ended. What is there already moves at once, unless others are queued."""
        if not self._ends and not self._queue:  # what was answered while nothing moved has waited for nothing
            self._answers_seen, self._shared_until = small_answers.count, 0.0
        if self._queue:
            self._enqueue(passage)
        else:
            self._move(passage, *self._share())
        self._schedule()
        if not passage.ended:
            passage.done = self._loop.create_future()
            self._watch(passage)
            await passage.done

    def end(self, passage: Passage) -> None:
        """Nothing moves from here on; all is given back. A second time does nothing."""
        if passage.ended:
            return
        passage.ended = True
        source, sink, lost = passage.source, passage.sink, passage.held
        passage.wake_at(1)
        self._paced.discard(passage)
        for loan in (source, sink):
            if self._ends.pop(loan.descriptor, None) is not None:
                self._epoll.unregister(loan.descriptor)
            os.close(loan.descriptor)
            loan.awaited, loan.stop = False, None  # a loan that held its passage would be left to the collector
        if not self._ends:
            self._loop.remove_reader(self._epoll.fileno())
        passage.release()
        if passage.done is not None and not passage.done.done():
            passage.done.set_result(None)
        source.returned(0)
        sink.returned(lost)

    def close(self) -> None:
        """After the loop was closed."""
        self._epoll.close()
        self.pipes.close()

    def _watch(self, passage: Passage) -> None:
        source, sink = passage.source.descriptor, passage.sink.descriptor
        if not self._ends:
            self._loop.add_reader(self._epoll.fileno(), self._poll)
        self._ends[source] = passage, True
        self._ends[sink] = passage, False
        self._epoll.register(source, _SOURCE_EVENTS)
        self._epoll.register(sink, _SINK_EVENTS)

    def _poll(self) -> None:
        """Queue the passages whose sockets became ready."""
        for descriptor, _ in self._epoll.poll(0, len(self._ends)):
            passage, reads = self._ends[descriptor]
            if reads:
                passage.readable = True
            else:
                passage.writable = True
            self._enqueue(passage)
        if not self._turning:
            self._turn()

    def _enqueue(self, passage: Passage) -> None:
        if not passage.queued:
            passage.queued = True
            self._queue.append(passage)

    def _schedule(self) -> None:
        if self._queue and not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Move for the queued passages, one after the other, up to a turn's bound; the rest waits for the next turn."""
        self._turning = False
        queue, moved = self._queue, 0
        turn, piece = self._share()
        while queue and moved < turn:
            passage = queue.popleft()
            passage.queued = False
            if passage.ended:
                continue
            try:
                moved += self._move(passage, turn - moved, piece)
            except Exception as failure:  # noqa: BLE001 (it is raised where the passage is waited for)
                if passage.done is not None and not passage.done.done():
                    passage.done.set_exception(failure)
                self.end(passage)
        self._schedule()

    def _share(self) -> tuple[int, int]:
        """With how many bytes this turn has had its share, and how many a piece of them has at most."""
        now = self._loop.time()
        if self._answers_seen != small_answers.count:
            self._answers_seen, self._shared_until = small_answers.count, now + _SHARING
        return (SHARED_TURN, SHARED_TURN) if now < self._shared_until else (TURN, LARGE)

    def _move(self, passage: Passage, most: int, piece: int) -> int:
        """What can move now, up to about `most` bytes; returns how many reached the sink."""
        before = passage.written
        alive = passage.advance(most, piece)
        stuck = passage.held > 0
        if not alive or not (passage.left or stuck):
            self.end(passage)
        else:
            passage.sink.awaited, passage.source.awaited = stuck, not stuck
            if passage.writable and (passage.readable or stuck):
                self._enqueue(passage)
            elif not passage.readable:
                self._watch_pace(passage)
        return passage.written - before

    # -- how often a source wakes the loop

    def _watch_pace(self, passage: Passage) -> None:
        """The source has nothing more right now: how fast is it?"""
        self._paced.add(passage)
        if self._tick is None:
            self._tick = self._loop.call_later(_TICK, self._set_pace)

    def _set_pace(self) -> None:
        for passage in tuple(self._paced):
            came, passage.mark = passage.mark - passage.left, passage.left
            if came >= _FAST:
                passage.wake_at(min(_TOGETHER, passage.left))
            elif not came:  # what may have come since then waits for more, which does not come
                passage.wake_at(1)
                self._paced.remove(passage)
        self._tick = self._loop.call_later(_TICK, self._set_pace) if self._paced else None


_pumps: Final[dict[asyncio.AbstractEventLoop, _Pump]] = {}


def _pump() -> _Pump:
    """The pump of the loop that runs."""
    loop = asyncio.get_running_loop()
    found = _pumps.get(loop)
    if found is None:
        for other in [other for other in _pumps if other.is_closed()]:
            _pumps.pop(other).close()
        found = _pumps[loop] = _Pump(loop)
    return found


def is_worth_it(count: int) -> bool:
    """Whether moving so many bytes here is cheaper than chunk by chunk."""
    return count >= LEAST


async def splice(source: Lender, sink: Sink, most: int, on_written: Callable[[int], None]) -> int:
    """Have the kernel move up to `most` bytes of a body, if both of its ends lend their sockets.

    Returns how many reached the sink. `on_written` is called with each count as they do; what it raises is raised here.
    """

    def make_passage(start: Loan, goal: Loan) -> Passage:
        return KernelPassage(start, goal, most, on_written, _pump().pipes)

    return await _move(source, sink, most, make_passage)


async def carry(source: Lender, sink: Sink, most: int, transform: Transform) -> int:
    """As `splice`, for bytes that `transform` has to see; it returns those that are to reach the sink."""

    def make_passage(start: Loan, goal: Loan) -> Passage:
        return BufferedPassage(start, goal, most, transform, _pump().buffer)

    return await _move(source, sink, most, make_passage)


async def _move(source: Lender, sink: Sink, most: int, make_passage: Callable[[Loan, Loan], Passage]) -> int:
    start = source.lend() if is_worth_it(most) and _pump().has_room else None
    if start is None:
        return 0
    goal: Loan | None = None
    try:
        goal = await sink.lend()
    finally:
        if goal is None or start.recalled or goal.recalled:
            _decline(start, goal)
    if goal is None or start.recalled or goal.recalled:
        return 0
    pump, passage = _pump(), make_passage(start, goal)
    start.stop = goal.stop = partial(pump.end, passage)
    try:
        await pump.run(passage)
    finally:
        pump.end(passage)
    return passage.written


def _decline(*loans: Loan | None) -> None:
    """Return loans of which nothing was used."""
    for loan in loans:
        if loan is not None:
            os.close(loan.descriptor)
            loan.returned(0)
