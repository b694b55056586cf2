"""The whole gateway in a process of its own, in front of real stores, as an operator would run it."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import over_tls
from tests.servers.process import free_ports, running
from tests.servers.store import RunningStore

__all__ = ["Link", "RunningGateway", "gateway_before"]

MODULE = "gateway"
"""What is run unless a caller says otherwise (`tests.servers.without_plans` remembers no head)."""

_SETTINGS = """
data: {{listen: "127.0.0.1:{data}", public_url: "{scheme}://127.0.0.1:{data}", domains: [localhost]}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: tests, secret: "env:E2E_ADMIN_TOKEN"}}]}}
state: "sqlite:///gateway.db"
policies: policies/
log: {{level: info, format: json}}
{more}
"""

_RULES = """
rules:
  - name: the tests do everything
    who: ["admin:tests", "app:*"]
    may: [read, list, write, delete, share, sign]
    on: "**"
    links: {actions: [read, list, write]}
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A link as its maker sees it once; `url` without the slash that a folder's ends with."""

    id: str
    url: str
    token: str


@dataclass(frozen=True, slots=True, repr=False)
class RunningGateway:
    """A gateway that answers. Each store is a bucket of the profile's name, below `inside/` of a real bucket."""

    data: str
    control: str
    admin_token: str
    directory: Path
    pid: int
    real_buckets: Mapping[str, str]

    def api(self, method: str, path: str, body: object = None, expect: int | None = None) -> Any:
        """One call of the control API; returns the parsed answer. Fails when the status is not as expected."""
        with closing(over_tls.dial(self.control)) as connection:
            headers = {"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        assert (answer.status == expect) if expect else answer.status < 400, (
            f"{method} {path}: {answer.status} {text!r}"
        )
        return json.loads(text) if "json" in (answer.getheader("Content-Type") or "") else text.decode()

    def link(self, bucket: str, key: str | None = None, prefix: str | None = None, **more: Any) -> Link:
        """A new link; by default it may read (and list, for a prefix) for an hour."""
        place = {"key": key} if prefix is None else {"prefix": prefix}
        actions = ["read"] if prefix is None else ["read", "list"]
        made = self.api(
            "POST", "/v1/links", {"bucket": bucket, "actions": actions, "expires_in": 3600, **place, **more}
        )
        return Link(made["id"], made["url"].rstrip("/"), made["token"])

    def revoke(self, link: Link) -> None:
        """Returns when the gateway has acknowledged it."""
        self.api("DELETE", f"/v1/links/{link.id}")

    def resident(self) -> int:
        """Bytes of memory that the process holds now."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """Bytes of memory that the process held at most since `forget_peak`, or since its start."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        [line] = [line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith(name)]
        return int(line.split()[1]) * 1024

    def log(self) -> str:
        return (self.directory / "gateway.log").read_text(errors="replace")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self.api("GET", "/metrics").splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name and all(f'{key}="{text}"' in sample for key, text in labels.items()):
                total += float(value)
        return total


@contextmanager
def gateway_before(
    stores: list[RunningStore],
    directory: Path,
    more: str = "",
    *,
    backend_more: str = "",
    bucket_more: str = "",
    rules: str = _RULES,
    environ: Mapping[str, str] | None = None,
    interpreter: Sequence[str] = (sys.executable,),
    module: str = "",
    arguments: Sequence[str] = (),
    within: float = 30.0,
) -> Iterator[RunningGateway]:
    """`gateway serve` in front of these stores.

    `more` is added to gateway.yaml, `backend_more` and `bucket_more` to every backend's and bucket's entry
    (`, cors: [...]`), `environ` to the environment, where it may replace settings. `rules` stand in the policy instead
    of "the tests do everything".
    `interpreter` runs `module` (something that measures may stand around either), which is given `arguments` too.
    """
    data, control = free_ports(2)
    variables = {"E2E_ADMIN_TOKEN": secrets.token_urlsafe(24), **over_tls.gateway_variables(), **(environ or {})}
    policy, buckets = ["backends:"], {}
    for store in stores:
        buckets[store.profile] = store.make_bucket()
        upper = store.profile.upper()
        variables |= {f"{upper}_KEY": store.access_key, f"{upper}_SECRET": store.secret_key}
        credentials = f"{{access_key: env:{upper}_KEY, secret_key: env:{upper}_SECRET}}"
        place = (
            f'profile: {store.profile}, endpoint: "{store.endpoint}", region: {store.region}{over_tls.store_entry()}'
        )
        policy.append(f"  {store.profile}: {{{place}, credentials: {credentials}{backend_more}}}")
    policy.append("buckets:")
    policy += [
        f"  {name}: {{backend: {name}, bucket: {real}, prefix: inside/{bucket_more}}}" for name, real in buckets.items()
    ]
    directory.joinpath("policies").mkdir(parents=True)
    directory.joinpath("policies", "e2e.yaml").write_text("\n".join(policy) + rules)
    settings = directory / "gateway.yaml"
    settings.write_text(_SETTINGS.format(scheme=over_tls.scheme(), data=data, control=control, more=more))
    command = [*interpreter, "-m", module or MODULE, "serve", "--config", settings, *arguments]
    with running(command, directory / "gateway.log", variables, directory) as child:
        gateway = RunningGateway(
            f"{over_tls.scheme()}://127.0.0.1:{data}",
            f"{over_tls.scheme()}://127.0.0.1:{control}",
            variables["E2E_ADMIN_TOKEN"],
            directory,
            child.pid,
            buckets,
        )
        await_ready(gateway, child.poll, within)
        yield gateway


def await_ready(gateway: RunningGateway, ended: Callable[[], int | None], within: float = 30.0) -> None:
    """Return when `/readyz` says so; raises AssertionError with the log's end if it never does."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and ended() is None:
        with closing(over_tls.dial(gateway.control, timeout=5)) as connection:
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
        time.sleep(0.05)
    raise AssertionError(f"the gateway is not ready: {gateway.log()[-3000:]}")
