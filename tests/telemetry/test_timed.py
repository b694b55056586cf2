"""Calls to a store are measured, and change in nothing else."""

from __future__ import annotations

import pytest

from gateway.core.limits import Demand, LimitStore, Verdict
from gateway.core.reasons import DependencyDown
from gateway.core.units import Rate
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.timed import measure_calls

DEMAND = Demand("k", Rate(1, 1.0, 1))


class OneLimit:
    """A limit store that is down whenever the test says so."""

    down = False

    async def take(self, demands, now):
        if self.down:
            raise DependencyDown("limits", "gone")
        return Verdict(True, 0.0, len(demands), 1, now)


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_an_answer_comes_through_and_is_counted():
    """The arguments and the result are the store's own."""
    metrics = Metrics()
    store: LimitStore = measure_calls(OneLimit(), metrics)
    assert await store.take([DEMAND], now=7.0) == Verdict(True, 0.0, 1, 1, 7.0)
    assert sample(metrics, "gateway_store_operation_duration_seconds_count", operation="take") == 1
    assert sample(metrics, "gateway_state_store_up", store="limits") == 1


async def test_a_store_that_is_down_shows_until_it_answers_again():
    """The failure is raised as it was, measured, and visible on the page."""
    metrics, inner = Metrics(), OneLimit()
    store: LimitStore = measure_calls(inner, metrics)
    inner.down = True
    with pytest.raises(DependencyDown):
        await store.take([DEMAND], 0.0)
    assert sample(metrics, "gateway_state_store_up", store="limits") == 0
    inner.down = False
    await store.take([DEMAND], 0.0)
    assert sample(metrics, "gateway_state_store_up", store="limits") == 1
    assert sample(metrics, "gateway_store_operation_duration_seconds_count", operation="take") == 2


def test_waiting_for_news_shows_a_store_and_is_no_measure_of_it():
    """A follower waits as long as nothing happens; that the feed answered counts, and how long it took does not."""
    metrics = Metrics()
    metrics.observe_store_operation("changed", 1.0)
    metrics.observe_store_operation("since", 0.001, answered=False)
    assert sample(metrics, "gateway_state_store_up", store="revocations") == 0
    assert sample(metrics, "gateway_store_operation_duration_seconds_count", operation="changed") is None
    assert sample(metrics, "gateway_store_operation_duration_seconds_count", operation="since") == 1
