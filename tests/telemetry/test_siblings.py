"""One page of metrics for several processes."""

from __future__ import annotations

import asyncio
import os

import pytest

from gateway.telemetry import siblings as module
from gateway.telemetry.merging import families_text
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.siblings import Siblings


@pytest.fixture
async def pair(tmp_path, monkeypatch):
    """Two processes' parts, in one process: each is told another process id when it opens."""
    opened = []
    for pid in (1001, 1002):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        one = Siblings(Metrics(), tmp_path, 2)
        await one.open()
        opened.append(one)
    yield opened
    for one in opened:
        await one.close()


async def test_whoever_is_asked_answers_for_all(pair):
    """The one asked adds the other's numbers to its own."""
    for count, one in enumerate(pair, 1):
        one._metrics.transfers.inc(count)
    _, text = await pair[1].page("")
    assert b"gateway_transfers_in_progress 3.0" in text


async def test_a_process_on_its_own_has_its_own_page():
    """No socket, no merging."""
    alone = Siblings(Metrics(), None, 1)
    await alone.open()
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
        if answer is None:
            await release.wait()
        else:
            writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(serve, str(tmp_path / "1.sock")):
        assert await Siblings(Metrics(), tmp_path, 2).page("") is None
        release.set()


async def test_a_whole_answer_is_taken(tmp_path):
    """The control of the test above."""

    async def serve(reader, writer):
        writer.write(families_text(Metrics().registry))
        writer.close()

    async with await asyncio.start_unix_server(serve, str(tmp_path / "1.sock")):
        assert await Siblings(Metrics(), tmp_path, 2).page("") is not None
