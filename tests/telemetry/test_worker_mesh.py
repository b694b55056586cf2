"""One page of metrics and one order for several processes."""

from __future__ import annotations

import asyncio
import os

import pytest

from gateway.telemetry import worker_mesh as module
from gateway.telemetry.merging import families_text
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.worker_mesh import WorkerMesh


@pytest.fixture
async def pair(tmp_path, monkeypatch):
    """Two processes' parts, in one process: each is told another process id when it opens."""
    opened = []
    for pid in (1001, 1002):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        done = []
        one = WorkerMesh(Metrics(), tmp_path, 2, {"do": lambda *words, done=done: done.append(words), "fail": {}.pop})
        one.done = done
        await one.open()
        opened.append(one)
    yield opened
    for one in opened:
        await one.close()


async def test_whoever_is_asked_answers_for_all(pair):
    """The one asked adds the other's numbers to its own."""
    for count, one in enumerate(pair, 1):
        one._metrics.transfers.value += count
    _, text = await pair[1].page("")
    assert b"gateway_transfers_in_progress 3.0" in text


async def test_the_processes_wait_for_each_other(tmp_path, monkeypatch):
    """Whoever is early has met the others once they answer, and gives up on one that never does."""
    early, late = (WorkerMesh(Metrics(), tmp_path, 2) for _ in range(2))
    monkeypatch.setattr(os, "getpid", lambda: 1001)
    await early.open()
    async with asyncio.timeout(1), asyncio.TaskGroup() as waiting:
        met = waiting.create_task(early.meet())
        await asyncio.sleep(0.1)
        assert not met.done()
        monkeypatch.setattr(os, "getpid", lambda: 1002)
        await late.open()
        await late.meet()
    await late.close()
    monkeypatch.setattr(os, "getpid", lambda: 1001)
    monkeypatch.setattr(module, "_MEETING_SECONDS", 0.1)
    await asyncio.wait_for(early.meet(), 1)
    await early.close()


async def test_a_process_on_its_own_has_its_own_page():
    """No socket, no merging."""
    alone = WorkerMesh(Metrics(), None, 1)
    await alone.open()
    await asyncio.wait_for(alone.meet(), 0.1)
    content_type, text = await alone.page("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert b"gateway_build_info" in text
    await alone.close()


async def test_there_is_no_page_without_all(pair, tmp_path):
    """One that is gone, or that hangs, leaves no page rather than a wrong one."""
    (tmp_path / "1001.sock").unlink()
    assert await pair[1].page("") is None


@pytest.mark.parametrize("answer", [b"", b"[[", None])
async def test_a_process_that_answers_badly_leaves_no_page(tmp_path, monkeypatch, answer):
    """Nothing, half an answer, or none in time."""
    monkeypatch.setattr(module, "_ANSWER_SECONDS", 0.1)
    release = asyncio.Event()

    async def serve(reader, writer):
        await reader.readline()
        if answer is None:
            await release.wait()
        else:
            writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(serve, str(tmp_path / "1.sock")):
        assert await WorkerMesh(Metrics(), tmp_path, 2).page("") is None
        release.set()


async def test_a_whole_answer_is_taken(tmp_path):
    """The control of the test above."""

    async def serve(reader, writer):
        await reader.readline()
        writer.write(families_text(Metrics().registry))
        writer.close()

    async with await asyncio.start_unix_server(serve, str(tmp_path / "1.sock")):
        assert await WorkerMesh(Metrics(), tmp_path, 2).page("") is not None


async def test_an_order_reaches_all(pair):
    """With its words as they were given; whoever gave it hears that both have obeyed."""
    assert await pair[1].order("do", "lab", True, None, 1.5) == 2
    assert [one.done for one in pair] == [[("lab", True, None, 1.5)]] * 2


async def test_a_process_on_its_own_obeys_itself():
    """No socket, nobody to tell."""
    done = []
    alone = WorkerMesh(Metrics(), None, 1, {"do": done.append})
    assert await alone.order("do", "x") == 1
    assert done == ["x"]


async def test_who_does_not_obey_is_not_counted(pair, tmp_path):
    """One that cannot do it, or is gone, changes the count and breaks nothing for the others."""
    pair[1]._orders = {"do": lambda *_: None, "fail": lambda *_: None, "unknown": lambda *_: None}
    assert await pair[1].order("fail", "there is no such key") == 1
    assert await pair[1].order("unknown") == 1
    with pytest.raises(KeyError):
        await pair[0].order("fail", "there is no such key")
    (tmp_path / "1001.sock").unlink()
    assert await pair[1].order("do", "x") == 1


async def test_one_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    """The order is not obeyed there for all one knows, and the caller has its answer in time."""
    monkeypatch.setattr(module, "_ANSWER_SECONDS", 0.1)
    release = asyncio.Event()

    async def serve(reader, writer):
        await release.wait()
        writer.close()

    async with await asyncio.start_unix_server(serve, str(tmp_path / "1.sock")):
        assert await WorkerMesh(Metrics(), tmp_path, 2, {"do": lambda: None}).order("do") == 1
        release.set()


async def test_what_all_say_is_gathered(pair):
    """One's own answer first; one that answers nothing, or is gone, is left out."""
    for number, one in enumerate(pair):
        one._orders = {"tell": lambda word, number=number: f"{word}{number}"}
    assert await pair[1].ask_all("tell", "x") == ["x1", "x0"]
    pair[0]._orders = {}
    assert await pair[1].ask_all("tell", "x") == ["x1"]
    with pytest.raises(KeyError):
        await pair[0].ask_all("tell", "x")
