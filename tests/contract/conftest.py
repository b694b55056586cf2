"""Every engine behind one fixture. The servers are real and start once a session, on free ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.stores.memory import MemoryState
from gateway.stores.sqlite import SqliteState
from gateway.stores.state import Engine
from tests.contract.sample import FakeClock

ENGINES = ("memory", "sqlite")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def engine(engine_name: str, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Engine]:
    made: dict[str, Callable[[], Engine]] = {
        "memory": lambda: MemoryState(clock=clock),
        "sqlite": lambda: SqliteState(tmp_path / "gateway.db", clock=clock),
    }
    engine = made[engine_name]()
    await engine.open()
    yield engine
    await engine.close()
