"""The book of sealing keys in Redis."""

from __future__ import annotations

import pytest

from gateway.core.reasons import DependencyDown
from gateway.stores.engine import Engine
from gateway.stores.redis import server


async def test_a_number_that_is_not_on_the_disk_was_not_noted(state: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grants would be sealed under a number that a restart forgets; once it is synced, it is told."""
    client = state.feed._server._client
    assert state.seals is not None
    await client.config_set("appendfsync", "no")
    monkeypatch.setattr(server, "_SYNC_MILLISECONDS", 20)
    try:
        with pytest.raises(DependencyDown):
            await state.seals.note_seal(1, "mark")
    finally:
        await client.config_set("appendfsync", "always")
    monkeypatch.undo()
    assert "mark" == await state.seals.note_seal(1, "mark")
