"""Numbers of several processes as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.merging import families_from, families_text, merge_pages
from gateway.telemetry.metrics import Metrics
from tests.telemetry.test_metrics import used


def value(registry, name, **labels):
    return registry.get_sample_value(name, labels)


def joined(*metrics: Metrics):
    return merge_pages(families_from(families_text(one.registry)) for one in metrics)


def test_one_process_is_itself():
    """Merging changes no number, name, type or help text."""
    metrics = used()
    before = {family.name: family for family in metrics.registry.collect() if family.name.startswith("gateway_")}
    after = {family.name: family for family in joined(metrics).collect() if family.name.startswith("gateway_")}
    assert before == after


@given(st.lists(st.lists(st.floats(0, 20), max_size=5), min_size=1, max_size=4))
def test_counters_and_histograms_are_added(durations):
    """Whatever each process has seen, the page counts all of it."""
    processes = []
    for each in durations:
        metrics = Metrics()
        for seconds in each:
            metrics.observe_revocation_lag(seconds)
            metrics.count_refusal("expired")
        processes.append(metrics)
    page = joined(*processes)
    assert value(page, "gateway_refusals_total", reason="expired") == sum(map(len, durations))
    assert value(page, "gateway_revocation_lag_seconds_bucket", le="+Inf") == sum(map(len, durations))
    assert value(page, "gateway_revocation_lag_seconds_sum") == pytest.approx(sum(map(sum, durations)))


def test_a_gauge_shows_the_whole():
    """Transfers are added; the oldest view, the worst reload and a store that one cannot reach are what is shown."""
    one, other = Metrics(), Metrics()
    one.transfers.value += 3
    other.transfers.value += 4
    one.report_view_age(lambda: 0.5)
    other.report_view_age(lambda: 7.0)
    one.count_reload("ok")
    other.count_reload("failed")
    one.observe_store_operation("find", 0.1, answered=True)
    other.observe_store_operation("find", 0.1, answered=False)
    page = joined(one, other)
    assert value(page, "gateway_transfers_in_progress") == 7
    assert value(page, "gateway_revocation_view_age_seconds") == 7.0
    assert value(page, "gateway_config_last_reload_successful") == 0
    assert value(page, "gateway_state_store_up", store="grants") == 0
    assert len([1 for family in page.collect() if family.name == "gateway_build" for _ in family.samples]) == 1
    assert (
        max(sample.value for family in page.collect() if family.name == "gateway_build" for sample in family.samples)
        == 1
    )


def test_a_view_that_was_never_proved_is_infinitely_old():
    """Infinity survives the way from process to process."""
    metrics = Metrics()
    metrics.report_view_age(lambda: float("inf"))
    assert value(joined(metrics), "gateway_revocation_view_age_seconds") == float("inf")


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"a": 1}', b'[["a", "b", "no such type", []]]'])
def test_what_is_no_page_is_refused(text):
    """A sibling that was cut off while it answered is no zero."""
    with pytest.raises(ValueError):
        families_from(text)


def test_the_page_can_be_parsed():
    """By Prometheus's own parser."""
    from prometheus_client import generate_latest  # noqa: PLC0415 (only here)

    assert list(text_string_to_metric_families(generate_latest(joined(used(), used())).decode()))
