"""What the control plane is built from, where nothing is said."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from gateway.control.deps import ControlDeps
from tests.control.desk import Desk


def test_nothing_is_open_by_default() -> None:
    """Without settings for them, no app has a token and no identity provider is believed."""
    fields = ControlDeps.__dataclass_fields__
    assert fields["identity"].default is None
    assert fields["app_tokens"].default() == {}


async def test_the_value_is_frozen(desk: Desk) -> None:
    """Nobody swaps a part behind the endpoints' back."""
    with pytest.raises(FrozenInstanceError):
        desk.deps.audit_required = True  # type: ignore[misc]
