"""The page of metrics: complete, acceptable to Prometheus, bounded, and cheap."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from gateway.core.reasons import Reason
from gateway.core.record import Outcome
from gateway.core.request import Operation
from gateway.telemetry.metrics import _STORE_PROTOCOLS, Metrics

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"

CONTRACT = {
    "gateway_requests_total",
    "gateway_request_duration_seconds_bucket",
    "gateway_time_to_first_byte_seconds_bucket",
    "gateway_bytes_total",
    "gateway_transfers_in_progress",
    "gateway_refusals_total",
    "gateway_upstream_requests_total",
    "gateway_upstream_duration_seconds_bucket",
    "gateway_presign_duration_seconds_bucket",
    "gateway_revocation_view_age_seconds",
    "gateway_revocation_list_age_seconds",
    "gateway_clock_skew_seconds",
    "gateway_lost_log_lines_total",
    "gateway_revocation_lag_seconds_bucket",
    "gateway_streams_cut_total",
    "gateway_grant_cache_total",
    "gateway_limiter_decisions_total",
    "gateway_store_operation_duration_seconds_bucket",
    "gateway_policy_reloads_total",
    "gateway_build_info",
    "gateway_config_last_reload_successful",
    "gateway_dropped_records_total",
    "gateway_state_store_up",
    "gateway_grants_awaiting_approval",
    "gateway_mails_total",
    "gateway_mails_waiting",
}


def used() -> Metrics:
    """Metrics after one of everything happened."""
    metrics = Metrics()
    metrics.announce_names(backends=["archive"], operations=["CreateLink"])
    metrics.transfers.value += 1
    metrics.count_request("data", Operation.GET_OBJECT, "archive", Outcome.OK, 0.3, 0.02)
    metrics.count_request("control", "CreateLink", "", "refused", 0.001, None)
    metrics.count_bytes("out", "archive", 4096)
    metrics.count_refusal(Reason.EXPIRED)
    metrics.count_cut(Reason.REVOKED)
    metrics.observe_answer("archive", 206, 0.01)
    metrics.observe_answer("archive", 418, 0.01)
    metrics.count_failure("archive", Reason.UPSTREAM_BROKE)
    metrics.observe_presign(0.000006)
    metrics.count_grant_lookup("hit")
    metrics.count_limiter_decision("allowed")
    metrics.observe_store_operation("find", 0.0002)
    metrics.observe_store_operation("take", 0.0002, answered=False)
    metrics.observe_revocation_lag(0.004)
    metrics.report_view_age(lambda: 0.25)
    metrics.report_list_age(lambda: 30.0)
    metrics.measure_clocks(lambda: 7.0)
    metrics.measure_lost_lines(lambda: 9)
    metrics.count_reload("ok")
    metrics.count_dropped_records(2)
    metrics.count_mail("sent")
    metrics.set_mails_waiting(3)
    return metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple], float]:
    _, text = metrics.render(None)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_metric_of_the_contract_is_on_the_page():
    """Dashboards from outside find each name, with the reserved prefix."""
    names = {name for name, _ in samples(used())}
    assert names >= CONTRACT
    assert {name for name in names if not name.startswith(("gateway_", "process_", "python_"))} == set()


def test_promtool_accepts_the_page():
    """Prometheus' own linter finds nothing. It comes with Debian's package prometheus."""
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing: apt-get install -y prometheus"
    _, text = used().render(None)
    told = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, b"")


def test_the_accept_header_chooses_the_format():
    """A scraper that asks for OpenMetrics gets it; a browser gets plain text."""
    metrics = used()
    content_type, text = metrics.render(OPEN_METRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert {family.name for family in open_families(text.decode())} >= {"gateway_requests", "gateway_build"}
    content_type, _ = metrics.render("text/html")
    assert content_type.startswith("text/plain")


def test_what_happened_is_what_the_page_says():
    """Each call changes its own series by what it was told."""
    found = samples(used())
    asked = {
        ("gateway_requests_total", ("archive", "GetObject", "ok", "data")): 1,
        ("gateway_requests_total", ("none", "CreateLink", "refused", "control")): 1,
        ("gateway_bytes_total", ("archive", "out")): 4096,
        ("gateway_bytes_total", ("archive", "in")): 0,
        ("gateway_transfers_in_progress", ()): 1,
        ("gateway_refusals_total", ("expired",)): 1,
        ("gateway_refusals_total", ("revoked",)): 0,
        ("gateway_streams_cut_total", ("revoked",)): 1,
        ("gateway_upstream_requests_total", ("archive", "206")): 1,
        ("gateway_upstream_requests_total", ("archive", "4xx")): 1,
        ("gateway_upstream_requests_total", ("archive", "none")): 1,
        ("gateway_upstream_duration_seconds_count", ("archive",)): 2,
        ("gateway_grant_cache_total", ("hit",)): 1,
        ("gateway_limiter_decisions_total", ("allowed",)): 1,
        ("gateway_revocation_view_age_seconds", ()): 0.25,
        ("gateway_revocation_list_age_seconds", ()): 30.0,
        ("gateway_clock_skew_seconds", ()): 7.0,
        ("gateway_lost_log_lines_total", ()): 9,
        ("gateway_store_operation_duration_seconds_count", ("find",)): 1,
        ("gateway_time_to_first_byte_seconds_count", ("GetObject", "data")): 1,
        ("gateway_policy_reloads_total", ("ok",)): 1,
        ("gateway_dropped_records_total", ()): 2,
        ("gateway_mails_total", ("sent",)): 1,
        ("gateway_mails_total", ("dropped",)): 0,
        ("gateway_mails_waiting", ()): 3,
        ("gateway_state_store_up", ("grants",)): 1,
        ("gateway_state_store_up", ("limits",)): 0,
    }
    by_values = {(name, tuple(value for _, value in labels)): value for (name, labels), value in found.items()}
    assert {key: by_values[key] for key in asked} == asked


def test_a_failed_reload_shows_until_one_succeeds():
    """The gauge that Prometheus users alert on follows the last reload."""
    metrics = Metrics()
    metrics.count_reload("failed")
    assert samples(metrics)["gateway_config_last_reload_successful", ()] == 0
    metrics.count_reload("ok")
    found = samples(metrics)
    assert found["gateway_config_last_reload_successful", ()] == 1
    assert found["gateway_config_last_reload_success_timestamp_seconds", ()] == pytest.approx(time.time(), abs=60)


@given(st.lists(st.text(min_size=20, max_size=40, alphabet="abcdefghijk/"), min_size=1, max_size=20))
def test_nothing_a_caller_chose_reaches_the_page(words):
    """Keys, tokens and addresses passed by mistake as any label are counted as `other`."""
    metrics = Metrics()
    for word in words:
        metrics.count_request(word, word, word, word, 1, 1)
        metrics.count_bytes(word, word, 1)
        metrics.count_refusal(word)
        metrics.count_cut(word)
        metrics.observe_answer(word, 200, 1)
        metrics.count_grant_lookup(word)
        metrics.count_limiter_decision(word)
        metrics.observe_store_operation(word, 1)
        metrics.count_reload(word)
    content = metrics.render(None)[1].decode()
    assert [word for word in words if word in content] == []


def test_two_gateways_in_one_process_share_nothing():
    """Each `Metrics` has a registry of its own."""
    first, second = Metrics(), Metrics()
    first.count_refusal(Reason.EXPIRED)
    assert samples(second)["gateway_refusals_total", (("reason", "expired"),)] == 0


@pytest.mark.parametrize(("status", "outcome"), [(200, "ok"), (302, "ok"), (404, "refused"), (500, "error")])
def test_a_control_request_counts_by_its_status(status, outcome):
    """On the plane of its own, with no backend."""
    metrics = Metrics()
    metrics.count_control_request("GetObject", status, 0.1)
    place = (("backend", "none"), ("operation", "GetObject"), ("outcome", outcome), ("plane", "control"))
    assert samples(metrics)["gateway_requests_total", place] == 1


def test_each_method_of_a_store_is_one_stores() -> None:
    """By its name alone it is known which store a call asked: no two protocols of different stores share one."""
    found: dict[str, set[str]] = {}
    for protocol, store in _STORE_PROTOCOLS.items():
        for name in vars(protocol):
            if not name.startswith("_"):
                found.setdefault(name, set()).add(store)
    assert {} == {name: stores for name, stores in found.items() if len(stores) > 1}
