"""What is written beside the chart agrees with it and with the gateway. Needs no tools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from gateway.core.reasons import Reason
from gateway.core.record import Outcome
from gateway.settings.model import Settings
from gateway.telemetry.metrics import Metrics
from tests.helm.chart import CHART, table

_METRIC = re.compile(r"\b(?:gateway|process|python)_[a-z0-9_]+\b(?!\()")
_OURS = re.compile(r"\bgateway:[a-z0-9_:]+")
_MATCHER = re.compile(r'\b(\w+)(=~|=)"([^"$]+)"')


_ENDINGS = ("", "_total", "_info", "_bucket", "_sum", "_count")


def _exposed() -> set[str]:
    """Every name that a page of metrics can have."""
    return {family.name + ending for family in Metrics().registry.collect() for ending in _ENDINGS}


def _rules() -> list[dict[str, str]]:
    groups = yaml.safe_load((CHART / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _panels() -> Iterator[tuple[str, str]]:
    board = json.loads((CHART / "dashboards" / "gateway.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for note in board["annotations"]["list"]:
        yield note["name"], note["expr"]


def _expressions() -> list[str]:
    return [rule["expr"] for rule in _rules()] + [expression for _, expression in _panels()]


def test_every_metric_named_exists() -> None:
    """Alerts, recording rules and the dashboard ask only for metrics that the gateway has, or rules record."""
    recorded = {rule["record"] for rule in _rules() if "record" in rule}
    names = {name for text in _expressions() for name in _METRIC.findall(text)}
    assert len(names) > 20
    assert names <= _exposed()
    assert {name for text in _expressions() for name in _OURS.findall(text)} <= recorded


def test_every_label_value_named_exists() -> None:
    """No rule waits for an outcome or a reason that is never counted."""
    known = {"outcome": {str(word) for word in Outcome}, "reason": {str(word) for word in Reason}}
    seen = set()
    for text in _expressions():
        for label, _, values in _MATCHER.findall(text):
            if label in known:
                seen.add(label)
                assert set(values.split("|")) <= known[label]
    assert {"outcome", "reason"} == seen


def test_every_alert_is_in_the_runbook_and_tested() -> None:
    """Who is woken finds a section of that name; and a unit test has seen the alert fire."""
    alerts = [rule["alert"] for rule in _rules() if "alert" in rule]
    headings = re.findall(r"^## (Gateway\w+)$", (CHART / "RUNBOOK.md").read_text(), re.MULTILINE)
    assert alerts == headings
    tests = yaml.safe_load((CHART / "alerts_test.yaml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", ()) if case["exp_alerts"]}
    assert set(alerts) == fired


def test_panels_do_not_overlap() -> None:
    """Each panel of the dashboard has its own place and id."""
    board = json.loads((CHART / "dashboards" / "gateway.json").read_text())
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert len(board["panels"]) == len({panel["id"] for panel in board["panels"]})


def test_the_table_of_values_is_the_values() -> None:
    """The README's table is made from values.yaml (`python -m tests.helm.chart` renews it)."""
    assert table() in (CHART / "README.md").read_text()


def test_settings_can_be_laid_over_in_every_section() -> None:
    """The chart's `settings` takes each section of gateway.yaml; only the policies' place is the chart's to say."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(Settings.model_fields) == set(schema["properties"]["settings"]["properties"]) | {"policies"}


def test_schema_and_values_name_the_same() -> None:
    """Each value has a place in the schema, and the schema allows nothing that has no default."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    given_by_helm = {"global", "enabled"}
    assert set(_paths(values)) <= set(_schema_paths(schema))
    assert set(values) | given_by_helm == set(schema["properties"])


def _paths(node: object, above: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, inner in node.items():
            yield f"{above}{name}"
            yield from _paths(inner, f"{above}{name}.")


def _schema_paths(node: dict[str, object], above: str = "") -> Iterator[str]:
    inner = node.get("properties")
    if isinstance(inner, dict):
        for name, below in inner.items():
            yield f"{above}{name}"
            yield from _schema_paths(below, f"{above}{name}.")
    if node.get("type") == "object" and not isinstance(inner, dict):
        yield from (f"{above}{name}" for name in ("cpu", "memory", "grafana_dashboard"))
