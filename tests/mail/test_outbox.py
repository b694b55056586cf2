"""Laws of `gateway.mail.outbox`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import structlog

from gateway.core.mail import Mail, shown_address
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.mail import outbox as room
from gateway.mail.outbox import Outbox
from tests.waiting import until

MAIL = Mail("ann@acme.example", "Your code", "12345678")
LATER = UpstreamFailed(Reason.UPSTREAM_BROKE, "the mail server answered 451")
NEVER = UpstreamFailed(Reason.UPSTREAM_REFUSED, "the mail server answered 550")


class Counts:
    def __init__(self) -> None:
        self.ended: list[str] = []
        self.waiting = 0

    def count_mail(self, result: str) -> None:
        self.ended.append(result)

    def set_mails_waiting(self, count: int) -> None:
        self.waiting = count


class Way:
    """A `Mailer` that does what it is told, one answer a mail, and then takes everything."""

    def __init__(self, *answers: Exception | None, gate: asyncio.Event | None = None) -> None:
        self.answers = list(answers)
        self.gate = gate
        self.tried: list[Mail] = []
        self.at_once = self.most = 0

    async def send(self, mail: Mail) -> None:
        self.tried.append(mail)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.answers and (answer := self.answers.pop(0)) is not None:
                raise answer
        finally:
            self.at_once -= 1


class Later:
    """`call_later` that is called when the test says so."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[..., None], Any]] = []

    def __call__(self, seconds: float, call: Callable[..., None], value: Any) -> None:
        self.calls.append((seconds, call, value))

    def pass_by(self) -> float:
        seconds, call, value = self.calls.pop(0)
        call(value)
        return seconds


@asynccontextmanager
async def running(way: Way | None, **changes: Any) -> AsyncIterator[tuple[Outbox, Counts]]:
    counts = Counts()
    box = Outbox(way, counts, lambda address: shown_address(address, "short"), **changes)
    task = asyncio.get_running_loop().create_task(box.run())
    try:
        yield box, counts
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_mail_is_sent_behind_the_back_of_who_asked() -> None:
    """Handing it in returns while the server has not answered; the outcome is counted."""
    gate = asyncio.Event()
    way = Way(gate=gate)
    async with running(way) as (box, counts):
        await box.send(MAIL)
        assert ([], 1, True) == (counts.ended, counts.waiting, box.busy)
        gate.set()
        await until(lambda: counts.ended)
    assert (["sent"], 0, False) == (counts.ended, counts.waiting, box.busy)
    assert [MAIL.text] == [mail.text for mail in way.tried]


async def test_an_attempt_that_failed_for_now_is_made_again_few_times_with_one_id() -> None:
    """After pauses that grow; a receiver knows the second copy by its id."""
    way, later = Way(*[LATER] * 9), Later()
    async with running(way, later=later) as (box, counts):
        await box.send(MAIL)
        pauses = []
        for _ in room.PAUSES:
            await until(lambda: later.calls)
            assert not box.busy
            pauses.append(later.pass_by())
        await until(lambda: counts.ended)
    assert (["failed"], list(room.PAUSES), 0) == (counts.ended, pauses, counts.waiting)
    assert (4, 1, 32) == (len(way.tried), len({mail.id for mail in way.tried}), len(way.tried[0].id))


async def test_what_was_refused_for_good_is_not_asked_again() -> None:
    """Neither is what no library could send; the next mail is sent all the same."""
    way, later = Way(NEVER, RuntimeError("of a library"), None), Later()
    async with running(way, later=later) as (box, counts):
        for _ in range(3):
            await box.send(MAIL)
        await until(lambda: len(counts.ended) == 3)
    assert (["failed", "failed", "sent"], []) == (sorted(counts.ended), later.calls)


async def test_ten_thousand_askers_neither_wait_nor_fill_the_memory() -> None:
    """While the server hangs so many are held and so many on their way; each further one is dropped, in no time."""
    gate = asyncio.Event()
    way = Way(gate=gate)
    async with running(way) as (box, counts):
        began = time.perf_counter()
        for _ in range(10_000):
            await box.send(MAIL)
        took = time.perf_counter() - began
        assert {"dropped": 10_000 - room.MOST_WAITING} == {name: counts.ended.count(name) for name in set(counts.ended)}
        await until(lambda: len(way.tried) == room.SENDERS)
        gate.set()
        await until(lambda: counts.waiting == 0)
    assert (room.SENDERS, room.MOST_WAITING) == (way.most, counts.ended.count("sent"))
    assert took < 5


async def test_a_mail_that_is_of_no_use_any_more_is_not_sent() -> None:
    """A code that comes when it is over makes people ask who is at fault."""
    now = [0.0]
    way, later = Way(LATER), Later()
    async with running(way, later=later, monotonic=lambda: now[0]) as (box, counts):
        await box.send(MAIL)
        await until(lambda: later.calls)
        now[0] = room.USEFUL + 1
        later.pass_by()
        await until(lambda: counts.ended)
    assert (["dropped"], 1) == (counts.ended, len(way.tried))


async def test_without_a_way_nothing_is_held() -> None:
    """Settings may take it away and bring another, which the next mail goes."""
    way = Way()
    async with running(None) as (box, counts):
        await box.send(MAIL)
        assert (["dropped"], 0) == (counts.ended, counts.waiting)
        box.mailer = way
        await box.send(MAIL)
        await until(lambda: len(counts.ended) == 2)
    assert ["dropped", "sent"] == counts.ended


@pytest.mark.parametrize("answer", [None, NEVER, RuntimeError("12345678 to ann@acme.example")])
async def test_no_line_of_the_log_holds_the_text_or_more_of_the_address_than_allowed(answer) -> None:
    """Sent, failed, or broken by a library that repeats what it was given."""
    with structlog.testing.capture_logs() as lines:
        async with running(Way(answer)) as (box, counts):
            await box.send(MAIL)
            await until(lambda: counts.ended)
    [line] = lines
    assert "…@acme.example" == line["to"]
    assert (False, False) == ("12345678" in str(lines), "ann" in str(lines))


async def test_what_is_left_at_the_end_is_told() -> None:
    """By its number."""
    with structlog.testing.capture_logs() as lines:
        way = Way(gate=asyncio.Event())
        async with running(way) as (box, _):
            await box.send(MAIL)
            await box.send(MAIL)
            await until(lambda: len(way.tried) == 2)
    assert [("mails were left unsent", 2)] == [(line["event"], line["count"]) for line in lines]
