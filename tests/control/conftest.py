"""One desk a test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.control.desk import Desk, serving


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with serving() as opened:
        yield opened
