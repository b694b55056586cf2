"""Owns how tests render the chart and call the tools that judge it.

Refuses to own what is right: the tests say that. `python -m tests.helm.chart` renews the snapshots and the README's
table of values.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.helm.install import KUBE

__all__ = ["CHART", "EXAMPLES", "SNAPSHOTS", "VERSIONS", "Objects", "call", "helm", "objects", "render", "table"]

CHART: Final = Path(__file__).resolve().parents[2] / "helm"
EXAMPLES: Final[dict[str, Path | None]] = {
    "default": None,
    **{path.stem: path for path in sorted((CHART / "examples").glob("*.yaml"))},
}
SNAPSHOTS: Final = Path(__file__).with_name("snapshots")
VERSIONS: Final = tuple(f"1.{minor}" for minor in range(29, 38))
_MONITORING: Final = tuple(
    f"monitoring.coreos.com/v1/{kind}" for kind in ("PodMonitor", "ServiceMonitor", "PrometheusRule")
)
_README: Final = CHART / "README.md"
_MARKS: Final = ("<!-- values: begin -->", "<!-- values: end -->")
_EACH_A_ROW: Final = 2
"""How deep the README's table goes into the values."""

Objects = list[dict[str, Any]]


def call(program: str, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of the tools; its exit code is for the test to judge."""
    environ = {**os.environ, "PATH": f"{KUBE / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    command = [program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=cwd, check=False, timeout=100)


def helm(*arguments: str | Path) -> str:
    """What helm prints. Fails with what it complains of."""
    done = call("helm", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(
    example: str = "default",
    version: str = "1.36",
    *,
    chart: Path = CHART,
    known: Sequence[str] = _MONITORING,
    values: Mapping[str, str] | None = None,
) -> str:
    """The manifests of an example for a version of Kubernetes; injection only where there is such a thing."""
    options: list[str | Path] = []
    if (path := EXAMPLES[example]) is not None:
        options += ["--values", path]
    if example == "sidecar" and int(version.split(".")[1]) < 36:
        options += ["--set", "sidecar.injection.enabled=false"]
    for name in known:
        options += ["--api-versions", name]
    for name, value in (values or {}).items():
        options += ["--set-json", f"{name}={value}"]
    return helm("template", "demo", chart, "--namespace", "storage", "--kube-version", version, *options)


@functools.cache
def _parsed(example: str, version: str) -> Objects:
    return [one for one in yaml.safe_load_all(render(example, version)) if one]


def objects(example: str = "default", version: str = "1.36", kind: str | None = None) -> Objects:
    """The same, parsed; of one kind, or all."""
    return [one for one in _parsed(example, version) if kind in {None, one["kind"]}]


def table() -> str:
    """The README's table of values: what stands beside each value in values.yaml."""
    lines = CHART.joinpath("values.yaml").read_text().splitlines()
    defaults = yaml.safe_load("\n".join(lines))
    rows = ["| value | default | meaning |", "|---|---|---|"]
    path: list[str] = []
    above: list[str] = []
    for line in lines:
        text = line.strip()
        depth = (len(line) - len(line.lstrip())) // 2
        if text.startswith(("#", "- ")) or not text:
            above = [*above, text.lstrip("# ")] if text.startswith("# ") else []
            continue
        name, _, rest = text.partition(":")
        path = [*path[:depth], name]
        meaning = rest.partition(" # ")[2].strip() if " # " in rest else " ".join(above)
        above = []
        default = functools.reduce(lambda node, key: node[key] if isinstance(node, dict) else None, path, defaults)
        if depth >= _EACH_A_ROW or (isinstance(default, dict) and default and depth + 1 < _EACH_A_ROW and not meaning):
            continue
        shown = yaml.safe_dump(default, default_flow_style=True, width=999).replace("\n...", "").strip()
        rows.append(f"| `{'.'.join(path)}` | `{shown}` | {meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def _renew() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for example in EXAMPLES:
        SNAPSHOTS.joinpath(f"{example}.yaml").write_text(render(example))
    text = _README.read_text()
    before, begin, rest = text.partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    _README.write_text(f"{before}{begin}\n{table()}\n{end}{after}")


if __name__ == "__main__":
    _renew()
