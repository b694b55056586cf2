"""What the chart renders, judged by the tools that its users have, and by the gateway itself."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from gateway.backends.profiles import PROFILES
from gateway.settings.watch import Reloader
from tests.data.harness import running
from tests.helm.chart import CHART, EXAMPLES, SNAPSHOTS, VERSIONS, call, helm, objects, render

pytestmark = pytest.mark.usefixtures("tools")

_EXPLAINED = {
    ("CKV_K8S_11", "Deployment"): "no CPU limit: throttling adds latency, and requests share the CPU fairly",
    ("CKV_K8S_11", "Pod"): "as above",
    ("CKV_K8S_8", "Pod"): "the chart's test runs once and ends; there is nothing to keep alive",
    ("CKV_K8S_9", "Pod"): "as above; nothing is sent to it",
    ("CKV2_K8S_6", "Pod"): "the chart's test pod lives for a second and accepts nothing",
}
"""Checkov's findings that stay, and why."""


def test_lint_finds_nothing() -> None:
    """`helm lint --strict` passes for the defaults and for each example."""
    for path in EXAMPLES.values():
        values: list[str | Path] = ["--values", path] if path else []
        helm("lint", "--strict", "--kube-version", "1.36", CHART, *values)


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_fit_the_api(version: str, tmp_path: Path) -> None:
    """Every example is made of what this Kubernetes knows, and of nothing that it does not."""
    files = []
    for example in EXAMPLES:
        files.append(tmp_path / f"{example}.yaml")
        files[-1].write_text(render(example, version, known=()))
    done = call("kubernetes-validate", "--strict", "-k", version, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    unknown = set(re.findall(r"find schema for kind (\w+)", done.stdout + done.stderr))
    assert unknown <= {"HTTPRoute"}


def test_the_validator_would_see_a_misspelt_field(tmp_path: Path) -> None:
    """Control: the same call refuses a manifest with one wrong name in it."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(render(known=()).replace("terminationGracePeriodSeconds", "terminationGraceSeconds"))
    assert 0 != call("kubernetes-validate", "--strict", "-k", "1.36", wrong).returncode


@pytest.mark.parametrize("example", EXAMPLES)
def test_manifests_are_as_they_were(example: str) -> None:
    """Whoever reviews a change sees what it renders (`python -m tests.helm.chart` renews the snapshots)."""
    assert SNAPSHOTS.joinpath(f"{example}.yaml").read_text() == render(example)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("mode=server", "mode"),
        ("replica=3", "replica"),
        ("image.digest=sha256:abc", "digest"),
        ("image.repository=gateway:latest", "repository"),
        ("settings.dta.listen=x", "dta"),
        ("policies.rules.rules=1", "does not match pattern"),
        ("state.url=postgresql://user:secret@host/db", "url"),
        ("state.sealingKeys[0].value=abc", "sealingKeys"),
        ("data.port=80", "port"),
        ("drain.seconds=0", "seconds"),
        ("ipFamily=ipv6", "ipFamily"),
        ("service.type=ExternalName", "type"),
        ("ingress.paths[0]=s", "paths"),
        ("networkPolicy.storePorts[0]=99999", "storePorts"),
        ("probes.readiness.path=/x", "path"),
        ("sidecar.identity=none", "identity"),
        ("metrics.podMonitor.interval=fast", "interval"),
        ("backendSecrets[0]=Not_A_Name", "backendSecrets"),
        ("publicUrl=files.example.com/s", "publicUrl"),
        ("adminTokens[0].token=abc", "adminTokens"),
        ("podDisruptionBudget.minAvailable=1", "minAvailable"),
    ],
)
def test_wrong_values_are_refused(value: str, complaint: str) -> None:
    """The schema names the value that is wrong."""
    done = call("helm", "template", CHART, "--set", value)
    assert done.returncode != 0
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (["state.volume.enabled=true"], "set replicas to 1"),
        (["state.url=memory://"], "set replicas to 1"),
        (["state.url=sqlite:///gateway.db"], "set replicas to 1"),
        (["state.existingSecret.name="], "nowhere to keep grants"),
        (["settings.deadlines.drain=60s"], "drain.seconds"),
        (["control.port=8080"], "control.port are the same"),
        (["mode=sidecar", "data.port=9000", "control.port=9000"], "control.port are the same"),
        (["httpRoute.enabled=true"], "parentRefs"),
        (["ingress.enabled=true"], "hosts"),
        (["mode=links", "metrics.serviceMonitor.enabled=true"], "control.service.enabled"),
        (["mode=sidecar", "sidecar.tokenSecret.name="], "tokenSecret"),
        (["mode=sidecar", "sidecar.injection.enabled=true"], "Kubernetes 1.36"),
    ],
)
def test_values_that_do_not_go_together_are_refused(values: list[str], complaint: str) -> None:
    """A sentence says what to write instead, before anything reaches a cluster."""
    options = [part for value in values for part in ("--set", value)]
    done = call("helm", "template", CHART, "--kube-version", "1.35", *options)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_checkov_finds_only_what_is_explained(tmp_path: Path) -> None:
    """Every finding is in the list with its reason, and the list has nothing that is not found any more."""
    found = set()
    digest = {"image.digest": f'"sha256:{"0" * 64}"', "image.pullPolicy": '"Always"'}
    for example in EXAMPLES:
        path = tmp_path / f"{example}.yaml"
        path.write_text(render(example, values=digest))
        done = call("checkov", "-f", path, "--framework", "kubernetes", "--skip-download", "-o", "json", "--quiet")
        report: dict[str, Any] = json.loads(done.stdout)
        assert report["summary"]["parsing_errors"] == 0
        failed = report.get("results", {}).get("failed_checks", [])
        found |= {(check["check_id"], check["resource"].split(".")[0]) for check in failed}
    assert set(_EXPLAINED) == found


def test_pods_meet_the_restricted_standard() -> None:
    """Numeric user, no capabilities, read-only root, the runtime's seccomp profile, no token, bounded memory."""
    for example in EXAMPLES:
        for spec in _pod_specs(example):
            assert spec["automountServiceAccountToken"] is False
            for container in spec["containers"]:
                context = container["securityContext"]
                assert (True, 65532, True, False) == (
                    context["runAsNonRoot"],
                    context["runAsUser"],
                    context["readOnlyRootFilesystem"],
                    context["allowPrivilegeEscalation"],
                )
                assert (["ALL"], "RuntimeDefault") == (
                    context["capabilities"]["drop"],
                    context["seccompProfile"]["type"],
                )
                assert "memory" in container["resources"]["limits"]


def _pod_specs(example: str) -> list[dict[str, Any]]:
    pods = [one["spec"] for one in objects(example, kind="Pod")]
    return pods + [one["spec"]["template"]["spec"] for one in objects(example, kind="Deployment")]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_gateway_reads_what_the_chart_writes(example: str, tmp_path: Path) -> None:
    """Settings and policies are in order, examples included, and each secret they name is mounted where they look."""
    written = {one["metadata"]["name"]: one["data"] for one in objects(example, kind="ConfigMap")}
    settings = written["demo-gateway-settings"]["gateway.yaml"].replace("/etc/gateway", str(tmp_path))
    policies = written.get("demo-gateway-policies", {"none.yaml": "rules: []"})
    tmp_path.joinpath("policies").mkdir()
    for name, text in policies.items():
        tmp_path.joinpath("policies", name).write_text(text.replace("/run/secrets", f"{tmp_path}/secrets"))
    tmp_path.joinpath("gateway.yaml").write_text(settings.replace("/run/secrets", f"{tmp_path}/secrets"))
    for path in _mounted(example):
        place = tmp_path / "secrets" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        is_url = path.startswith("state/") and "sealing" not in path
        place.write_text("postgresql://db/gateway" if is_url else f"a secret of {path}, which is long enough")
    loaded = Reloader(tmp_path / "gateway.yaml", {}, PROFILES).load()
    assert ([2, 1] if example == "central" else []) == [one.id for one in loaded.settings.state.sealing_keys]
    assert str(tmp_path / "policies") == str(loaded.settings.policies)


def _mounted(example: str) -> set[str]:
    """The files below /run/secrets that the pod of an example has."""
    if example == "sidecar":
        return {"app/token", "backends/s3/access_key", "backends/s3/secret_key"}
    spec = _pod_specs(example)[-1]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    found = set()
    for mount in spec["containers"][0]["volumeMounts"]:
        place = mount["mountPath"].removeprefix("/run/secrets/")
        volume = volumes[mount["name"]]
        if "secret" in volume:
            keys = ("tls.crt", "tls.key") if place.startswith("tls-") else ("access_key", "secret_key")
            found |= {f"{place}/{key}" for key in keys}
        for source in volume.get("projected", {}).get("sources", ()):
            found |= {f"{place}/{item['path']}" for item in source["secret"]["items"]}
    return found


def test_a_pod_has_time_for_its_drain() -> None:
    """The grace period is longer than preStop, notice and drain together, whatever they are set to."""
    values = {"drain.preStopSeconds": "7", "drain.noticeSeconds": "3", "drain.seconds": "120"}
    [deployment] = [one for one in yaml.safe_load_all(render(values=values)) if one and one["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    assert 135 == spec["terminationGracePeriodSeconds"]
    assert {"sleep": {"seconds": 7}} == spec["containers"][0]["lifecycle"]["preStop"]
    old = objects(version="1.29", kind="Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert ["exec"] == list(old["lifecycle"]["preStop"])


def test_probes_ask_what_the_control_listener_serves() -> None:
    """Ready and started mean /readyz, alive means /healthz, on the port that binds the pod's address."""
    container = _pod_specs("default")[-1]["containers"][0]
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
    assert {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"} == {
        kind: probe["path"] for kind, probe in asked.items()
    }
    assert {"control"} == {probe["port"] for probe in asked.values()}
    assert {"data", "control"} == {port["name"] for port in container["ports"]}


@pytest.mark.parametrize("example", ["central", "links", "single"])
async def test_helm_test_knows_a_gateway_from_anything_else(example: str) -> None:
    """What the test's pod runs ends well before a gateway, and badly before another web server and before nobody."""
    [pod] = [one for one in objects(example, kind="Pod") if "helm.sh/hook" in one["metadata"]["annotations"]]
    [container] = pod["spec"]["containers"]
    script, url = container["args"]
    assert ["python", "-c"] == container["command"]

    async def end(base: str) -> int | None:
        asked = [sys.executable, "-c", script, f"{base}{urlsplit(url).path}"]
        process = await asyncio.create_subprocess_exec(*asked, stderr=asyncio.subprocess.DEVNULL)
        return await process.wait()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with running() as rig:
        assert 0 == await end(f"http://127.0.0.1:{rig.port}")
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        assert 1 == await end(f"http://127.0.0.1:{port}")
    assert 1 == await end(f"http://127.0.0.1:{port}")


def test_a_link_server_shows_nothing_but_links() -> None:
    """Its route leads /s/ only, and its control port has no Service."""
    [route] = objects("links", kind="HTTPRoute")
    assert ["/s/"] == [match["path"]["value"] for rule in route["spec"]["rules"] for match in rule["matches"]]
    assert [["data"]] == [
        [port["name"] for port in service["spec"]["ports"]] for service in objects("links", kind="Service")
    ]


def test_monitors_find_the_ports_they_name() -> None:
    """Prometheus is sent to ports and labels that exist; kinds that a cluster does not know are left out."""
    [pods] = objects("default", kind="PodMonitor")
    [deployment] = objects("default", kind="Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert pods["spec"]["selector"]["matchLabels"].items() <= labels.items()
    [services] = objects("central", kind="ServiceMonitor")
    wanted = services["spec"]["selector"]["matchLabels"].items()
    matching = [one for one in objects("central", kind="Service") if wanted <= one["metadata"]["labels"].items()]
    assert [["control"]] == [[port["name"] for port in one["spec"]["ports"]] for one in matching]
    kinds = {one["kind"] for one in yaml.safe_load_all(render("central", known=())) if one}
    assert not kinds & {"PodMonitor", "ServiceMonitor", "PrometheusRule"}


def test_rules_of_the_chart_are_rules(tmp_path: Path) -> None:
    """promtool accepts the PrometheusRule's spec, and each alert leads to its section of the runbook."""
    [rules] = objects("central", kind="PrometheusRule")
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules["spec"]))
    done = call("promtool", "check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    for alert in alerts:
        expected = f"https://runbooks.example.com/gateway#{alert['alert'].lower()}"
        assert expected == alert["annotations"]["runbook_url"]


def test_alerts_fire_on_what_they_are_for() -> None:
    """The unit tests beside the rules pass."""
    done = call("promtool", "test", "rules", "alerts_test.yaml", cwd=CHART)
    assert done.returncode == 0, done.stdout + done.stderr


_PARENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
        {{- include "gateway.sidecar" .Subcharts.gateway | nindent 8 }}
      containers:
        - name: app
          image: web
          env:
            {{- include "gateway.sidecar.env" .Subcharts.gateway | nindent 12 }}
          volumeMounts:
            {{- include "gateway.sidecar.mounts" .Subcharts.gateway | nindent 12 }}
      volumes:
        {{- include "gateway.volumes" .Subcharts.gateway | nindent 8 }}
"""


@pytest.fixture
def included(tmp_path: Path) -> str:
    """The manifests of another chart that has the sidecar in its pod, as the README says."""
    parent = tmp_path / "web"
    parent.joinpath("templates").mkdir(parents=True)
    parent.joinpath("Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    parent.joinpath("templates", "web.yaml").write_text(_PARENT)
    shutil.copytree(CHART, parent / "charts" / "gateway")
    values = yaml.safe_load((CHART / "examples" / "sidecar.yaml").read_text())
    parent.joinpath("values.yaml").write_text(
        yaml.safe_dump({"gateway": values | {"fullnameOverride": "demo-gateway"}})
    )
    return helm("template", "demo", parent, "--namespace", "storage", "--kube-version", "1.36")


def test_the_sidecar_can_be_included(included: str, tmp_path: Path) -> None:
    """A native sidecar: first, restarted always, ready before the app; every mount has its volume."""
    manifests = tmp_path / "web.yaml"
    manifests.write_text(included)
    done = call("kubernetes-validate", "--strict", "-k", "1.29", manifests)
    assert "MutatingAdmissionPolicy" in done.stdout + done.stderr  # not a kind of 1.29; the rest is judged
    assert "passed for resource deployment/web" in done.stdout + done.stderr
    spec = _web(included)
    [sidecar] = spec["initContainers"]
    assert ("Always", "/readyz") == (sidecar["restartPolicy"], sidecar["startupProbe"]["httpGet"]["path"])
    mounts = {mount["name"] for container in (sidecar, *spec["containers"]) for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in spec["volumes"]}
    variables = {variable["name"]: variable["value"] for variable in spec["containers"][0]["env"]}
    assert "http://127.0.0.1:8081/v1/credentials/web" == variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"]


def _web(manifests: str) -> dict[str, Any]:
    found = [one for one in yaml.safe_load_all(manifests) if one and one["kind"] == "Deployment"]
    spec: dict[str, Any] = found[0]["spec"]["template"]["spec"]
    return spec


def test_injection_adds_what_the_templates_add(included: str) -> None:
    """The policy's expressions hold the same container, variables and volumes as the templates."""
    [policy] = objects("sidecar", kind="MutatingAdmissionPolicy")
    spec = _web(included)
    first, second = (next(iter(one.values())) for one in map(_without_type, policy["spec"]["mutations"]))
    added = first["expression"].rpartition("JSONPatch{")[2]
    assert spec["initContainers"][0] == _literal(added.replace("value: ", "added: ", 1), "added: ")
    assert spec["volumes"] == _literal(second["expression"], "volumes: ")
    assert spec["containers"][0]["env"] == _literal(second["expression"], "env: ")
    assert spec["containers"][0]["volumeMounts"] == _literal(second["expression"], "volumeMounts: ")


def _without_type(mutation: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mutation.items() if name != "patchType"}


def _literal(expression: str, after: str) -> Any:
    """The last CEL literal after some text, as data: objects lose their type, names become keys."""
    text = expression.rpartition(after)[2]
    text = re.sub(r"Object[.\w]*\{", "{", text)
    text = re.sub(r"([{ ])(\w+): ", r'\1"\2": ', text)
    return json.JSONDecoder().raw_decode(text)[0]
