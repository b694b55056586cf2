"""The list of operations, held against the endpoints."""

from __future__ import annotations

from gateway.control.admin_auth import Door
from gateway.control.api import endpoints
from gateway.control.rows import ROWS
from gateway.control.usecases.revocations import Waits
from tests.control.desk import Desk


async def test_rows_and_endpoints_are_the_same(desk: Desk) -> None:
    """Every endpoint is described, and nothing else is."""
    served = [(row.method, row.path) for row in endpoints(desk.deps, Door(desk.clock), Waits())]
    assert sorted(served) == sorted((row.method, row.path) for row in ROWS)
    assert len({row.name for row in ROWS}) == len(ROWS)
