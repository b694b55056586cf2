"""Uses and limits that replicas share exactly."""

from __future__ import annotations

from gateway.stores.redis.engine import open_redis
from tests.stores.replicas import share_exactly


async def test_replicas_share_uses_and_limits_exactly(url: str) -> None:
    """Four replicas at once get exactly the uses of a link and exactly the burst of a limit."""
    await share_exactly(lambda: open_redis(url))
