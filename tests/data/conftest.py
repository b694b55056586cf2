"""One listener a test, with the plainest policy: every app may do everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import structlog

from gateway.data.tus import append, concat, handler, incoming
from gateway.server import listener
from gateway.wire.s3 import multipart
from tests.conftest import loops_of
from tests.data.harness import APP, Rig, running
from tests.data.parts_store import PartsStore
from tests.data.uploading import PART


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """The loop that serves; for tests marked `both_loops` also the one that serves where there is no uvloop."""
    return loops_of(config, both=item.get_closest_marker("both_loops") is not None)


@pytest.fixture(autouse=True)
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener's clock finds out twenty times a second who has left, not once."""
    monkeypatch.setattr(listener, "_LONGEST_TICK", 0.05)


@pytest.fixture(autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """An internal error is logged in plain text: structlog's own default takes a second to draw one."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A listener for links and signed requests."""
    async with running() as started:
        yield started


@pytest.fixture
async def uploads() -> AsyncIterator[Rig]:
    """A listener before a store that takes uploads in parts."""
    async with running(store=PartsStore()) as started:
        yield started


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a thousand bytes, so that a small upload has many."""
    for room in (handler, append, incoming):
        monkeypatch.setattr(room, "PART_SIZE", PART)
    monkeypatch.setattr(multipart, "_MIB", 1)
    monkeypatch.setattr(concat, "_LEAST", PART)
    monkeypatch.setattr(concat, "_COPIED", 3 * PART)


@pytest.fixture
async def app() -> AsyncIterator[Rig]:
    """A listener whose unsigned requests act as `app:billing`."""
    async with running(trusted=APP) as started:
        yield started
