"""Both event loops, and both ways that the bytes of a large body may take."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.splice import pump
from tests.conftest import ServingLoop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """The loop that serves, and the one that serves where there is no uvloop."""
    return {"uvloop": ServingLoop, "asyncio": asyncio.new_event_loop}


@dataclass
class Spliced:
    """Bytes that the kernel has moved out of a pipe, into a socket."""

    count: int = 0


@pytest.fixture
def spliced(monkeypatch: pytest.MonkeyPatch) -> Spliced:
    seen, splice = Spliced(), os.splice

    def counted(source: int, sink: int, count: int, *, flags: int) -> int:
        moved = splice(source, sink, count, flags=flags)
        seen.count += moved
        return moved

    monkeypatch.setattr(os, "splice", counted)
    return seen


@pytest.fixture(params=["in the kernel", "in buffers"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, spliced: Spliced) -> Iterator[str]:
    """A test that asks for this runs once each way, and is told if bytes went another."""
    if request.param == "in buffers":
        monkeypatch.setattr(pump, "LEAST", 2**62)
    yield request.param
    assert (request.param == "in the kernel") == (spliced.count > 0)
