"""A real Prometheus reads our page, our rules, and every question that our dashboard asks."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.conftest import require
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.process import await_port, free_ports, running
from tests.servers.rclone import rclone_store

pytestmark = pytest.mark.e2e

_CHART = Path(__file__).resolve().parents[2] / "helm"
_SETTINGS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s, scrape_timeout: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: storage/gateway
    scheme: {scheme}
    tls_config: {{ca_file: "{authorities}"}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@dataclass(frozen=True, slots=True)
class _Prometheus:
    port: int

    def ask(self, path: str) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path)
            answer = json.loads(connection.getresponse().read())
        assert "success" == answer["status"], answer
        return answer["data"]

    def await_ready(self, within: float = 20.0) -> None:
        """Its port answers before it does: 503 to everything until its database is open."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                connection.request("GET", "/-/ready")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError("Prometheus is not ready")

    def value(self, expression: str, within: float = 20.0) -> float:
        """The sum of an expression, as soon as it has a value above 0."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            result = self.ask(f"/api/v1/query?query={quote(expression)}")["result"]
            if result and float(result[0]["value"][1]) > 0:
                return float(result[0]["value"][1])
            time.sleep(0.1)
        raise AssertionError(f"{expression} has no value")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One that has served, refused and revoked."""
    directory = tmp_path_factory.mktemp("scraped")
    directory.joinpath("store").mkdir()
    with rclone_store(directory / "store") as store, gateway_before([store], directory / "gateway") as running_one:
        client = store.client()
        client.put_object(Bucket=running_one.real_buckets["rclone"], Key="inside/a.txt", Body=b"x" * 5000)
        link = running_one.link("rclone", key="a.txt")
        for path in (link.url, link.url, f"{running_one.data}/s/gl_nobody"):
            _get(running_one, path)
        running_one.revoke(link)
        _get(running_one, link.url)
        yield running_one


def _get(gateway: RunningGateway, url: str) -> None:
    with closing(over_tls.dial(gateway.data, timeout=10)) as connection:
        connection.request("GET", url.removeprefix(gateway.data))
        connection.getresponse().read()


@pytest.fixture(scope="module")
def prometheus(gateway: RunningGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Prometheus]:
    require("prometheus")
    directory = tmp_path_factory.mktemp("prometheus")
    [port] = free_ports(1)
    settings, log = directory / "prometheus.yml", directory / "prometheus.log"
    target = gateway.control.rpartition(":")[2]
    settings.write_text(
        _SETTINGS.format(
            rules=_CHART / "alerts.yaml",
            port=target,
            scheme=over_tls.scheme(),
            authorities=over_tls.authorities() or "",
        )
    )
    command = ["prometheus", f"--config.file={settings}", f"--storage.tsdb.path={directory / 'data'}"]
    with running([*command, f"--web.listen-address=127.0.0.1:{port}"], log) as child:
        await_port(port, child, log)
        started = _Prometheus(port)
        started.await_ready()
        yield started


def test_the_page_is_as_it_should_be(gateway: RunningGateway) -> None:
    """promtool has nothing to say against a name, a type or a help text."""
    require("promtool")
    page = gateway.api("GET", "/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if line.startswith("gateway_")]
    assert [] == complaints
    assert "gateway_requests_total" in page


def test_prometheus_scrapes_us(prometheus: _Prometheus) -> None:
    """It is up, and what was done is in its database: requests, bytes, refusals by reason."""
    assert 1 == prometheus.value('up{job="storage/gateway"}')
    served = 'gateway_requests_total{plane="data",operation="GetObject",outcome="ok"}'
    assert 2 == prometheus.value(f"sum({served})")
    assert 10000 == prometheus.value('sum(gateway_bytes_total{direction="out",backend="rclone"})')
    assert 1 == prometheus.value('sum(gateway_refusals_total{reason="unknown_token"})')
    assert 1 == prometheus.value('sum(gateway_refusals_total{reason="revoked"})')
    [target] = prometheus.ask("/api/v1/targets")["activeTargets"]
    assert ("up", "") == (target["health"], target["lastError"])


def test_the_rules_are_evaluated(prometheus: _Prometheus) -> None:
    """Each rule is healthy on real data, and a gateway that does its work fires none."""
    deadline = time.monotonic() + 45
    rules: list[Any] = []
    while time.monotonic() < deadline:
        rules = [rule for group in prometheus.ask("/api/v1/rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] != "unknown" for rule in rules):
            break
        time.sleep(0.2)
    assert len(rules) > 20
    assert [] == [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]
    assert [] == [rule["name"] for rule in rules if rule.get("state") == "firing"]


def test_the_dashboard_asks_what_prometheus_understands(prometheus: _Prometheus) -> None:
    """No panel has a mistake in its expression, and most have something to show."""
    board = json.loads((_CHART / "dashboards" / "gateway.json").read_text())
    prometheus.value("gateway_build_info")
    shown = []
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "30s").replace("$job", ".+")
            shown.append(bool(prometheus.ask(f"/api/v1/query?query={quote(expression)}")["result"]))
    assert len(shown) > 25
