"""The Dockerfile, as the scanners of those who run it see it."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.helm.chart import CHART, call
from tests.ops.image import stages

_DOCKERFILE = CHART.parent / "Dockerfile"


@pytest.mark.usefixtures("tools")
def test_checkov_finds_nothing() -> None:
    """No finding, and none skipped."""
    done = call("checkov", "-f", _DOCKERFILE, "--framework", "dockerfile", "--skip-download", "-o", "json")
    summary = json.loads(done.stdout)["summary"]
    assert (0, 0) == (summary["failed"], summary["skipped"])
    assert summary["passed"] > 50


def test_the_chart_and_the_image_agree() -> None:
    """The same user, ports, writable directory and program in both, so that the chart fits the image it names."""
    final = stages(_DOCKERFILE.read_text())[-1]
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    container = (CHART / "templates" / "_container.tpl").read_text()
    assert "65532:65532" == final.last("USER")
    assert "runAsUser: 65532" in container
    assert f"{values['data']['port']} {values['control']['port']}" == final.last("EXPOSE")
    assert f"mountPath: {final.last('VOLUME')}}}" in container
    assert ["gateway"] == json.loads(final.last("ENTRYPOINT"))
    assert '"serve" "--config"' in container
    assert ["serve", "--config", final.environment()["GATEWAY_CONFIG"]] == json.loads(final.last("CMD"))
    assert "{name: GATEWAY_CONFIG, value: /etc/gateway/settings/gateway.yaml}" in container


def test_a_dockerfile_is_read_as_docker_reads_it() -> None:
    """Comments are left out, continued lines joined, arguments kept."""
    text = '# a\nFROM x AS build\nRUN a \\\n  # inside\n && b\nFROM y\nENV A=1 B="2 3"\nUSER 5\nUSER 6\n'
    build, final = stages(text)
    assert ("x", "build", [("RUN", "a   && b")]) == (build.base, build.name, build.steps)
    assert ({"A": "1", "B": "2 3"}, "6") == (final.environment(), final.last("USER"))
