"""Owns how long a client may take for a small body, or a body's head, that is read before it is admitted.

Refuses to own what is admitted: its speed is watched (`gateway.data.state.transfers`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gateway.core.reasons import Reason, Refused

_UNADMITTED_SECONDS: Final = 10.0


@asynccontextmanager
async def head_deadline() -> AsyncIterator[None]:
    """A time limit for what a client sends before it is admitted; afterwards its transfer is watched.

    Raises:
        Refused: CLIENT_TOO_SLOW.
    """
    try:
        async with asyncio.timeout(_UNADMITTED_SECONDS):
            yield
    except TimeoutError:
        raise Refused(Reason.CLIENT_TOO_SLOW, "the body did not come in time") from None
