"""How long a body may take whose sender is not admitted."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.server import deadline
from gateway.server.deadline import head_deadline


async def test_what_does_not_come_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason of slow clients; what comes in time is not disturbed."""
    async with head_deadline():
        await asyncio.sleep(0)
    monkeypatch.setattr(deadline, "_UNADMITTED_SECONDS", 0.01)
    with pytest.raises(Refused) as refused:
        async with head_deadline():
            await asyncio.get_running_loop().create_future()
    assert Reason.CLIENT_TOO_SLOW == refused.value.reason
