"""What the control plane is built from, where nothing is said."""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, fields

import pytest

from gateway.control.deps import Callers, ControlDeps, Live, Process, Stores
from tests.control.desk import Desk


def test_nothing_has_a_default() -> None:
    """Whoever builds the control plane says who is believed, what is required and what has ended."""
    assert [] == [
        field.name
        for part in (Callers, ControlDeps, Live, Process, Stores)
        for field in fields(part)
        if not (field.default is MISSING and field.default_factory is MISSING)
    ]


async def test_the_value_is_frozen(desk: Desk) -> None:
    """Nobody swaps a part behind the endpoints' back."""
    with pytest.raises(FrozenInstanceError):
        desk.deps.live.audit_required = bool  # type: ignore[misc]
