"""Several gateways on one state, in processes of their own, in front of one store."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import over_tls
from tests.servers.gateway import RunningGateway, await_ready
from tests.servers.process import free_ports, running
from tests.servers.store import RunningStore

__all__ = ["Fleet", "fleet", "owners_of", "refused_by"]

_SETTINGS = """
data: {{listen: "127.0.0.1:{data}", public_url: "{scheme}://127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: tests, secret: "env:E2E_ADMIN_TOKEN"}}], {more_control}}}
state: {state}
policies: {policies}
log: {{level: info, format: json}}
{more}
"""

_POLICY = """
backends:
  lab: {{profile: {profile}, endpoint: "{endpoint}", region: {region},
         credentials: {{access_key: env:LAB_KEY, secret_key: env:LAB_SECRET}}{store_more}}}
buckets:
  lab: {{backend: lab, bucket: {bucket}, prefix: inside/}}
rules:
  - name: the tests do everything
    who: ["admin:tests", "app:*"]
    may: [read, list, write, delete, share, sign]
    on: "**"
    links: {{actions: [read, list, write]}}
{more}
"""


@dataclass(frozen=True, slots=True, repr=False)
class Fleet:
    """Gateways that share one state. Each takes every link of the others."""

    gateways: Sequence[RunningGateway]
    store: RunningStore
    real_bucket: str

    def put(self, key: str, body: bytes) -> None:
        self.store.client().put_object(Bucket=self.real_bucket, Key=f"inside/{key}", Body=body)

    def url(self, replica: int, token: str) -> str:
        return f"{self.gateways[replica].data}/s/{token}"


@contextmanager
def fleet(
    directory: Path,
    store: RunningStore,
    states: Sequence[str],
    *,
    workers: int = 1,
    more: str = "",
    policy: str = "",
    control: str = "",
    bucket: str = "",
    environ: Mapping[str, str] | None = None,
    environs: Sequence[Mapping[str, str]] = (),
) -> Iterator[Fleet]:
    """One gateway for each of `states` (the value of `state:` in its gateway.yaml).

    `more` is added to every gateway.yaml, `control` to its section of that name, `policy` to the policy they share;
    `environs` are the gateways' own. `bucket` is a real one that exists; a new one is made otherwise.
    """
    token = secrets.token_urlsafe(24)
    bucket = bucket or store.make_bucket()
    shared = {"E2E_ADMIN_TOKEN": token, "LAB_KEY": store.access_key, "LAB_SECRET": store.secret_key}
    shared |= {**over_tls.gateway_variables(), **(environ or {})}
    policies, scheme = directory / "policies", over_tls.scheme()
    policies.mkdir(parents=True)
    text = _POLICY.format(
        profile=store.profile,
        endpoint=store.endpoint,
        region=store.region,
        store_more=over_tls.store_entry(),
        bucket=bucket,
        more=policy,
    )
    policies.joinpath("fleet.yaml").write_text(text)
    with ExitStack() as stack:
        started = []
        for number, state in enumerate(states):
            home = directory / f"gateway-{number}"
            home.mkdir()
            data, port = free_ports(2)
            settings = home / "gateway.yaml"
            places = {"scheme": scheme, "data": data, "control": port, "state": state, "policies": policies}
            settings.write_text(_SETTINGS.format(**places, more=more, more_control=control))
            command = [sys.executable, "-m", "gateway", "serve", "--config", settings, "--workers", str(workers)]
            variables = {**shared, **(environs[number] if environs else {})}
            child = stack.enter_context(running(command, home / "gateway.log", variables, home))
            gateway = RunningGateway(
                f"{scheme}://127.0.0.1:{data}", f"{scheme}://127.0.0.1:{port}", token, home, child.pid, {"lab": bucket}
            )
            started.append((gateway, child))
        for gateway, child in started:
            await_ready(gateway, child.poll)
        yield Fleet([gateway for gateway, _ in started], store, bucket)


def refused_by(status: int) -> bool:
    """Whether an answer is a refusal of the link itself: not a success, and not a fault of ours."""
    return status in {404, 410}


def owners_of(pids: Sequence[int], ports: Sequence[int]) -> dict[int, int]:
    """Which of these processes holds the server's end of the connection from each of these client ports."""
    holders: dict[str, int] = {}
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                name = str(entry.readlink())
            except OSError:
                continue
            if name.startswith("socket:["):
                holders[name[8:-1]] = pid
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        remote = int(fields[2].rpartition(":")[2], 16)
        if remote in ports and fields[9] in holders:
            found[remote] = holders[fields[9]]
    return found
