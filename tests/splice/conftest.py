"""Both event loops, and both ways that the bytes of a large body may take."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.splice import pump
from tests.conftest import loops_of
from tests.servers import over_tls


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """The loop that serves, and the one that serves where there is no uvloop."""
    return loops_of(config, both=True)


plain_only = pytest.mark.skipif("config.getoption('--over-tls')", reason="of what is encrypted nothing is lent")


@dataclass
class Spliced:
    """Bytes that went over lent sockets."""

    count: int = 0


@pytest.fixture
def spliced(monkeypatch: pytest.MonkeyPatch) -> Spliced:
    seen, splice, writev = Spliced(), os.splice, os.writev

    def counted(source: int, sink: int, count: int, *, flags: int) -> int:
        moved = splice(source, sink, count, flags=flags)
        seen.count += moved
        return moved

    def written(sink: int, pieces: Sequence[bytes | memoryview]) -> int:
        moved = writev(sink, pieces)
        seen.count += moved
        return moved

    monkeypatch.setattr(os, "splice", counted)
    monkeypatch.setattr(os, "writev", written)
    return seen


@pytest.fixture(params=["over lent sockets", "in chunks"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, spliced: Spliced) -> Iterator[str]:
    """A test that asks for this runs once each way, and is told if bytes went another: what is encrypted passes in
    chunks, whatever was wished."""
    if request.param == "in chunks":
        monkeypatch.setattr(pump, "LEAST", 2**62)
    yield request.param
    lent = request.param == "over lent sockets" and over_tls.listener() is None
    assert lent == (spliced.count > 0)
