"""How deep a request is nested before a byte of it leaves for the store."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.data import serve as room
from tests.data.test_cycles import before_a_store
from tests.data.walks import Walk, requests, walk

MOST_FRAMES = 8


@pytest.mark.parametrize("name", ["GET /s/TOKEN", "SigV4 GET"])
async def test_eight_frames_from_handler_to_socket(name: str) -> None:
    """From the listener's handler to the write on the store's socket, both counted: no wrapper more."""
    async with before_a_store() as rig:
        found = await walk((await requests(rig))[name])
    assert ["data_handler.<locals>.handle", "serve"] == found.frames[:2]
    assert MOST_FRAMES >= len(found.frames), " → ".join(found.frames)


async def test_a_frame_more_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one wrapper around step 6 is one too many."""
    async with before_a_store() as rig:
        ask = (await requests(rig))["GET /s/TOKEN"]
        bare = await walk(ask)
        step = room.open_answer

        async def wrapped(*arguments):
            return await step(*arguments)

        monkeypatch.setattr(room, "open_answer", wrapped)
        assert len(bare.frames) + 1 == len((await walk(ask)).frames)


async def test_what_is_counted_is_ours() -> None:
    """Functions of the gateway alone, without state stores and telemetry."""
    async with before_a_store() as rig:
        found: Walk = await walk((await requests(rig))["GET /s/TOKEN"])
    assert {"data/serve.py", "data/plans.py", "backends/connection.py"} <= found.files
    assert not [file for file in found.files if file.startswith(("stores/", "telemetry/", "/"))]


def test_the_architecture_page_says_how_many() -> None:
    """The number there is the one that is held here."""
    text = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    assert [str(MOST_FRAMES)] == re.findall(r"at most (\d+) frames", text)
