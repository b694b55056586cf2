"""Owns the timing of calls to a state store: a stand-in that measures every coroutine method of what it stands for,
and notices whether the store is there.

Refuses to own what the calls do.
"""

from __future__ import annotations

import functools
import time
from typing import Any, TypeVar, cast

from gateway.core.reasons import DependencyDown
from gateway.telemetry.metrics import Metrics

Store = TypeVar("Store")


class _TimedStore:
    """Forwards everything. A method is wrapped once, at its first use."""

    def __init__(self, store: object, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        metrics = self._metrics

        @functools.wraps(method)
        async def measure(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            answered = True
            try:
                return await method(*arguments, **named)
            except DependencyDown:
                answered = False
                raise
            finally:
                metrics.observe_store_operation(name, time.perf_counter() - started, answered=answered)

        self.__dict__[name] = measure
        return measure


def measure_calls(store: Store, metrics: Metrics) -> Store:
    """The same store, its calls measured into `gateway_store_operation_duration_seconds`."""
    return cast("Store", _TimedStore(store, metrics))
