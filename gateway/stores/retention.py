"""Owns forgetting: records that have been kept for long enough, and grants that have been expired for long enough.

Refuses to own how an engine forgets (`gateway.core.record`, `gateway.core.grant`) and how long is long enough (the
settings).

Law: it is asked hourly, and more often where something is not kept for long. A store that is down is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from gateway.core.reasons import DependencyDown
from gateway.stores.state import State

_log = structlog.get_logger("gateway")
_PRUNE_SECONDS: Final = 3600.0
_SHARE: Final = 4
"""What is kept for a short time is looked at so often within it."""


async def prune_for_ever(
    state: State, keep_records: Callable[[], float], keep_expired: float | None, clock: Callable[[], float]
) -> None:
    """Forget what is old, until cancelled. Seconds; `keep_expired` None keeps grants for good.

    What is forgotten by a wrong clock is lost: `clock` is the earliest of those that are known.
    """
    pause = _PRUNE_SECONDS if keep_expired is None else min(_PRUNE_SECONDS, max(1.0, keep_expired / _SHARE))
    while True:
        await prune(state, clock() - keep_records(), None if keep_expired is None else clock() - keep_expired)
        await asyncio.sleep(pause)


async def prune(state: State, records_before: float, expired_before: float | None) -> None:
    """Forget what is older than these instants, once; what cannot be forgotten now is logged."""
    try:
        if state.sealed is not None:
            await state.sealed.log_old_seals()
        await state.ledger.prune(records_before)
        if expired_before is not None:
            await state.grants.prune_ended(expired_before)
    except DependencyDown as failure:
        _log.warning("what is old could not be pruned, or old seals not be counted", detail=failure.detail)
