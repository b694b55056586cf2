"""Changing a running process, without HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.usecases.journal import Journal
from gateway.control.usecases.operations import Operations
from gateway.core.attempt import Principal
from gateway.core.reasons import DependencyDown
from tests.control.desk import Desk, FailingLedger

OPS = Principal("admin", "ops")


async def test_a_change_stands_although_the_trail_is_down(desk: Desk) -> None:
    """With a closed audit posture the caller is told; what protects a store is done all the same."""
    done: list[tuple[str, bool]] = []

    async def drain(name: str, drained: bool) -> int:
        done.append((name, drained))
        return 1

    process = replace(desk.deps.process, drain=drain)
    journal = Journal(FailingLedger(), desk.clock, lambda: True, lambda _: None)  # type: ignore[arg-type]
    operations = Operations(process, desk.deps.live, journal)
    with pytest.raises(DependencyDown):
        await operations.set_drained(OPS, "archive", drained=True)
    assert done == [("archive", True)]
