"""What moves, how it ends, and what both ends hear of it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from fcntl import ioctl
from termios import FIONREAD

import pytest

from gateway.core.loan import Lender, Loan
from gateway.core.loan import Sink as SinkLender
from gateway.splice import pump
from gateway.splice.pipes import LARGE
from gateway.splice.pump import LEAST, SHARED_TURN, TURN, carry, small_answers, splice
from tests.waiting import until

Move = Callable[[Lender, SinkLender, int, Callable[[int], None]], Coroutine[None, None, int]]

SIZE = 2 * 1024 * 1024
BODY = os.urandom(SIZE)


@dataclass
class End:
    """A lender and a sink, over one of two connected sockets: ours is lent, theirs belongs to the peer."""

    ours: socket.socket
    theirs: socket.socket
    loan: Loan | None = None
    moved: int = 0
    lost: int | None = None
    willing: bool = True
    asked: list[int] = field(default_factory=list)

    def lend_now(self) -> Loan | None:
        if not self.willing:
            return None
        self.loan = Loan(os.dup(self.ours.fileno()), self.hear, self.returned)
        return self.loan

    def hear(self, count: int) -> None:
        self.moved += count
        self.asked.append(count)

    def returned(self, lost: int) -> None:
        assert self.lost is None
        self.lost = lost

    def take(self) -> bytes:
        """All that has come to the peer."""
        data = b""
        try:
            while piece := self.theirs.recv(1 << 20):
                data += piece
        except BlockingIOError:
            pass
        return data


class Source(End):
    def lend(self) -> Loan | None:
        return self.lend_now()


class Sink(End):
    async def lend(self) -> Loan | None:
        return self.lend_now()


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.setblocking(False)
    far.setblocking(False)
    return near, far


@pytest.fixture
def ends() -> Iterator[tuple[Source, Sink]]:
    source, sink = Source(*connected()), Sink(*connected())
    yield source, sink
    for end in (source, sink):
        end.ours.close()
        end.theirs.close()


async def _carried(source: Lender, sink: SinkLender, most: int, told: Callable[[int], None]) -> int:
    def through(view: memoryview) -> list[memoryview]:
        told(len(view))
        return [view]

    return await carry(source, sink, most, through)


@pytest.fixture(params=[splice, _carried], ids=["spliced", "carried"])
def move(request: pytest.FixtureRequest) -> Move:
    """Both ways through."""
    return request.param


async def feed(source: Source, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(source.theirs, data)


async def test_exactly_what_was_asked_for_moves(ends: tuple[Source, Sink], move: Move) -> None:
    """In order; what follows it stays where it is, and all three are told of as much."""
    source, sink = ends
    told: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed(source, BODY + b"next"))
        moving = tasks.create_task(move(source, sink, SIZE, told.append))
        came = bytearray()
        await until(lambda: came.extend(sink.take()) or len(came) == SIZE)
        assert SIZE == await moving
    assert BODY == came
    assert (SIZE, SIZE, SIZE) == (source.moved, sink.moved, sum(told))
    assert (0, 0) == (source.lost, sink.lost)
    assert b"next" == await asyncio.get_running_loop().sock_recv(source.ours, 9)


async def test_what_is_there_already_moves_at_once(ends: tuple[Source, Sink]) -> None:
    """Without a turn of the event loop."""
    source, sink = ends
    async with asyncio.timeout(5):
        await feed(source, BODY[:LEAST])
    moving = splice(source, sink, LEAST, lambda count: None)
    with pytest.raises(StopIteration) as ended:
        moving.send(None)
    assert LEAST == ended.value.value


@pytest.mark.parametrize("refusing", ["source", "sink", "both"])
async def test_nothing_moves_unless_both_lend(ends: tuple[Source, Sink], refusing: str, move: Move) -> None:
    """What the other one lent is given back."""
    source, sink = ends
    source.willing, sink.willing = refusing == "sink", refusing == "source"
    assert 0 == await move(source, sink, SIZE, lambda count: None)
    assert {None, 0} >= {source.lost, sink.lost}
    for end in (source, sink):
        if end.loan is not None:
            with pytest.raises(OSError, match="Bad file"):
                os.fstat(end.loan.descriptor)


async def test_nothing_moves_here_where_descriptors_run_short(
    ends: tuple[Source, Sink], monkeypatch: pytest.MonkeyPatch, move: Move
) -> None:
    """Half of them are for connections and files; nobody is asked for a loan then."""
    source, sink = ends
    await feed(source, BODY[:LEAST])
    with monkeypatch.context() as poor:
        poor.setattr(pump, "FOR_PASSAGES", 0)
        assert 0 == await move(source, sink, LEAST, lambda count: None)
    assert (None, None) == (source.loan, sink.loan)
    assert LEAST == await move(source, sink, LEAST, lambda count: None)


async def test_little_is_not_worth_it(ends: tuple[Source, Sink], move: Move) -> None:
    """Nobody is asked for a loan then."""
    source, sink = ends
    assert 0 == await move(source, sink, LEAST - 1, lambda count: None)
    assert (None, None) == (source.loan, sink.loan)


async def test_a_source_that_ends_is_no_failure(ends: tuple[Source, Sink], move: Move) -> None:
    """What came has arrived; the sink may go on."""
    source, sink = ends
    async with asyncio.TaskGroup() as tasks:
        moving = tasks.create_task(move(source, sink, SIZE, lambda count: None))
        await feed(source, BODY[:1000])
        source.theirs.close()
        assert 1000 == await moving
    await until(lambda: sink.theirs.recv(1000, socket.MSG_PEEK) == BODY[:1000])
    assert (0, 0) == (source.lost, sink.lost)


async def filled(source: Source, sink: Sink, tasks: asyncio.TaskGroup, move: Move) -> asyncio.Task[int]:
    """A passage that is stuck: its pipe holds what the sink does not take."""
    moving = tasks.create_task(move(source, sink, 64 * SIZE, lambda count: None))
    feeding = tasks.create_task(feed(source, BODY * 64))
    went = [-1]

    def stuck() -> bool:
        """Twice in a row: between two turns it may wait for a moment, and go on."""
        went.append(sink.moved)
        return sink.loan is not None and sink.loan.awaited and went[-1] == went[-2]

    await until(stuck)
    feeding.cancel()
    assert source.loan is not None
    assert not source.loan.awaited
    return moving


@pytest.mark.parametrize("end", ["source", "sink"])
async def test_once_recalled_nothing_moves(ends: tuple[Source, Sink], end: str, move: Move) -> None:
    """In the same call; what was in the pipe is lost, and the sink knows how much."""
    source, sink = ends
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        moving = await filled(source, sink, tasks, move)
        loan = (source if end == "source" else sink).loan
        assert loan is not None
        loan.recall()
        went = sink.moved
        lost = source.moved - sink.moved
        assert (0, lost) == (source.lost, sink.lost)
        assert lost > 0
        for one in (source.loan, sink.loan):
            assert one is not None
            with pytest.raises(OSError, match="Bad file"):
                os.fstat(one.descriptor)
        assert went == await moving
        assert went == sink.moved


async def test_a_recall_before_it_begins_counts(ends: tuple[Source, Sink], move: Move) -> None:
    """A source may end while the sink is still being emptied."""
    source, sink = ends
    lend = sink.lend

    async def late() -> Loan | None:
        assert source.loan is not None
        source.loan.recall()
        return await lend()

    sink.lend = late  # type: ignore[method-assign]
    await feed(source, BODY[:LEAST])
    assert 0 == await move(source, sink, LEAST, lambda count: None)
    assert (0, 0, 0) == (source.lost, sink.lost, sink.moved)


async def test_a_sink_that_fails_is_told_what_it_lost(ends: tuple[Source, Sink], move: Move) -> None:
    """Its connection must not go on."""
    source, sink = ends
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        moving = await filled(source, sink, tasks, move)
        sink.theirs.close()
        await moving
    assert sink.lost


async def test_who_cancels_ends_it(ends: tuple[Source, Sink], move: Move) -> None:
    """As a recall does."""
    source, sink = ends
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        moving = await filled(source, sink, tasks, move)
        moving.cancel()
    assert sink.lost == source.moved - sink.moved > 0


async def test_who_is_told_may_end_it(ends: tuple[Source, Sink], move: Move) -> None:
    """What it raises is raised, at once or later."""
    source, sink = ends
    came = 0

    def refuse(count: int) -> None:
        nonlocal came
        came += count
        if came > SIZE // 2:
            raise ValueError("enough")

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(feed(source, BODY[: SIZE - 1000]))

        async def take() -> None:
            while sink.lost is None:
                sink.take()
                await asyncio.sleep(0.001)

        tasks.create_task(take())
        with pytest.raises(ValueError, match="enough"):
            await move(source, sink, SIZE, refuse)
    assert SIZE // 2 < came <= SIZE - 1000


def waiting(source: Source) -> int:
    """Bytes that have come and were not moved."""
    return int.from_bytes(ioctl(source.ours.fileno(), FIONREAD, bytes(4)), sys.byteorder)


async def _longest_turn(monkeypatch: pytest.MonkeyPatch, move: Move, *, answers: int) -> int:
    """Most bytes of one turn, while eight bodies move and so many small answers are given before each."""
    turns: list[int] = []
    turn = pump._Pump._turn

    def counted(self: pump._Pump) -> None:
        small_answers.count += answers
        before = sum(sink.moved for _, sink in pairs)
        turn(self)
        turns.append(sum(sink.moved for _, sink in pairs) - before)

    monkeypatch.setattr(pump._Pump, "_turn", counted)
    pairs = [(Source(*connected()), Sink(*connected())) for _ in range(8)]
    small_answers.count += answers
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        for source, _ in pairs:
            tasks.create_task(feed(source, BODY))
        await until(lambda: all(waiting(source) >= TURN // 4 for source, _ in pairs))
        for source, sink in pairs:
            tasks.create_task(move(source, sink, SIZE, lambda count: None))
        await until(lambda: [sink.take() for _, sink in pairs] and all(sink.moved == SIZE for _, sink in pairs))
    for end in (end for pair in pairs for end in pair):
        end.ours.close()
        end.theirs.close()
    return max(turns)


async def test_a_turn_is_bounded(monkeypatch: pytest.MonkeyPatch, move: Move) -> None:
    """Whoever the bytes belong to: others come in between."""
    assert 0 < await _longest_turn(monkeypatch, move, answers=0) < TURN + LARGE


async def test_a_turn_is_short_while_small_answers_are_given(monkeypatch: pytest.MonkeyPatch, move: Move) -> None:
    """No small request waits for more than a fraction of what a turn moves where nobody waits."""
    assert 0 < await _longest_turn(monkeypatch, move, answers=1) < 2 * SHARED_TURN


async def test_what_was_answered_before_shortens_no_turn(monkeypatch: pytest.MonkeyPatch, move: Move) -> None:
    """Who asks for one thing after another, small and large by turns, waits for nobody."""
    pump._pump()  # which has seen none of them yet
    small_answers.count += 1
    assert 2 * SHARED_TURN <= await _longest_turn(monkeypatch, move, answers=0)


async def test_a_turn_is_long_again_once_none_is_given(monkeypatch: pytest.MonkeyPatch, move: Move) -> None:
    """And the control of the law above: where no time is shared, the same answers leave turns as long as they were."""
    monkeypatch.setattr(pump, "_SHARING", 0)
    assert 2 * SHARED_TURN <= await _longest_turn(monkeypatch, move, answers=1)


async def test_a_fast_source_wakes_us_seldom_and_a_slow_one_always(ends: tuple[Source, Sink], move: Move) -> None:
    """Bytes are let come together as long as they do, and never when they do not."""
    source, sink = ends
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        moving = tasks.create_task(move(source, sink, 100 * SIZE, lambda count: None))
        came = 0
        while source.ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1:
            await feed(source, BODY[:100_000])
            came += 100_000
            sink.take()
            await asyncio.sleep(0)
        for _ in range(3):
            await feed(source, b"x")
            came += 1
            await until(lambda: sink.take() and sink.moved == came)  # noqa: B023 (it is waited for here)
        assert 1 == source.ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        source.theirs.close()
        assert came == await moving
