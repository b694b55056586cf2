"""How the tests of each store open a Redis engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.stores.engine import Engine
from gateway.stores.redis.engine import open_redis
from tests.contract.sample import FakeClock


@pytest.fixture
def url(valkey_url: str) -> str:
    return valkey_url


@pytest.fixture
async def state(valkey_url: str) -> AsyncIterator[Engine]:
    state = await open_redis(valkey_url)
    yield state
    await state.close()


@pytest.fixture
async def engine(valkey_url: str) -> AsyncIterator[Engine]:
    """As `state`, at the time of the samples."""
    opened = await open_redis(valkey_url, clock=FakeClock())
    yield opened
    await opened.close()
