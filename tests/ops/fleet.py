"""Owns two gateways on one state behind a proxy that asks for their readiness, as a Service of two pods is.

Refuses to own what is sent through it.
"""

from __future__ import annotations

import http.client
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.servers import over_tls
from tests.servers.gateway import RunningGateway
from tests.servers.process import await_port, free_ports, running
from tests.servers.store import RunningStore

__all__ = ["Fleet", "fleet_before"]

_SETTINGS: Final = """
data: {{listen: "127.0.0.1:0", public_url: "{scheme}://127.0.0.1:{front}"}}
control: {{listen: "127.0.0.1:0", tokens: [{{name: tests, secret: "env:OPS_ADMIN_TOKEN"}}]}}
state: sqlite:///gateway.db
policies: policies/
deadlines: {{notice: {notice}, drain: {drain}}}
"""

_POLICY: Final = """
backends:
  store:
    profile: {profile}
    endpoint: {endpoint}
    region: {region}
    credentials: {{access_key: env:OPS_KEY, secret_key: env:OPS_SECRET}}
    {authorities}
buckets:
  files: {{backend: store, bucket: {bucket}}}
rules:
  - name: the tests do everything
    who: admin:tests
    may: [read, list, write, delete, share]
    on: "**"
    links: {{actions: [read, list, write]}}
"""

_PROXY: Final = """
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout check 5s
  option redispatch
  retries 3
frontend front
  bind 127.0.0.1:{front}{encrypted}
  default_backend gateways
backend gateways
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200ms fall 1 rise 1{trusting}
{servers}
"""
"""A request is tried again only when no connection to a gateway came about: nothing is hidden after that."""


@dataclass(slots=True)
class _Seat:
    """A place for one process: its ports and what runs there now."""

    data: int
    control: int
    running: ExitStack = field(default_factory=ExitStack)
    child: subprocess.Popen[bytes] | None = None


class Fleet:
    """The gateways by number, and the address of the proxy before them."""

    def __init__(self, directory: Path, environ: dict[str, str], bucket: str) -> None:
        self.front, *ports = free_ports(5)
        self.directory = directory
        self.bucket = bucket
        self._environ = environ
        self._seats = (_Seat(ports[0], ports[1]), _Seat(ports[2], ports[3]))

    def proxy_settings(self) -> str:
        lines = [
            f"  server gateway{number} 127.0.0.1:{seat.data} port {seat.control}"
            for number, seat in enumerate(self._seats)
        ]
        encrypted = trusting = ""
        if (trust := over_tls.trust()) is not None:
            pem = self.directory / "proxy.pem"
            pem.write_bytes(trust.cert.read_bytes() + trust.key.read_bytes())
            encrypted, trusting = f" ssl crt {pem}", f" ssl verify required ca-file {trust.cert}"
        return _PROXY.format(front=self.front, encrypted=encrypted, trusting=trusting, servers="\n".join(lines))

    def start(self, number: int) -> None:
        """Start one gateway; returns when it is ready."""
        seat = self._seats[number]
        environ = self._environ | {
            "GATEWAY_DATA__LISTEN": f"127.0.0.1:{seat.data}",
            "GATEWAY_CONTROL__LISTEN": f"127.0.0.1:{seat.control}",
        }
        log = self.directory / f"gateway{number}.log"
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--config",
            self.directory / "gateway.yaml",
        ]
        seat.child = seat.running.enter_context(running(command, log, environ, self.directory))
        deadline = time.monotonic() + 30
        while self.readiness(number) != 200:
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            assert seat.child.poll() is None, log.read_text()[-3000:]
            time.sleep(0.02)

    def stop(self, number: int) -> float:
        """SIGTERM, and wait for the end; returns how long it took, in seconds. Fails when it had to be killed."""
        seat = self._seats[number]
        assert seat.child is not None
        started = time.monotonic()
        seat.child.terminate()
        assert 0 == seat.child.wait(60)
        seat.running.close()
        return time.monotonic() - started

    def tell(self, number: int) -> None:
        """SIGTERM, without waiting."""
        child = self._seats[number].child
        assert child is not None
        child.terminate()

    def await_end(self, number: int) -> int:
        """The exit code of a gateway that was told to stop."""
        child = self._seats[number].child
        assert child is not None
        return child.wait(60)

    def readiness(self, number: int) -> int:
        """The status of `/readyz`, 0 when nobody answers."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._seats[number].control, timeout=5)) as connection:
            try:
                connection.request("GET", "/readyz")
                answer = connection.getresponse()
                answer.read()
            except OSError:
                return 0
            return answer.status

    def seen_by_proxy(self, number: int, *, up: bool, within: float = 10.0) -> None:
        """Wait until the proxy has noticed: it asks every 200 ms."""
        deadline = time.monotonic() + within
        while (self.readiness(number) == 200) is not up and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.45)

    def gateway(self, number: int) -> RunningGateway:
        """One of them, to call its control API."""
        seat = self._seats[number]
        assert seat.child is not None
        return RunningGateway(
            f"{over_tls.scheme()}://127.0.0.1:{seat.data}",
            f"http://127.0.0.1:{seat.control}",
            self._environ["OPS_ADMIN_TOKEN"],
            self.directory,
            seat.child.pid,
            {"files": self.bucket},
        )

    def close(self) -> None:
        for seat in self._seats:
            seat.running.close()


@contextmanager
def fleet_before(
    store: RunningStore,
    directory: Path,
    *,
    notice: str = "1s",
    drain: str = "10s",
    count: int = 2,
    more: Mapping[str, str] | None = None,
) -> Iterator[Fleet]:
    """Gateways in front of a store, and HAProxy in front of them; `more` are variables of theirs."""
    directory.joinpath("policies").mkdir(parents=True)
    environ = {
        "OPS_ADMIN_TOKEN": secrets.token_urlsafe(24),
        "OPS_KEY": store.access_key,
        "OPS_SECRET": store.secret_key,
        **over_tls.gateway_variables("DATA"),  # a proxy gives a probe's handshake no more than its interval
        **(more or {}),
    }
    fleet = Fleet(directory, environ, store.make_bucket())
    trust = over_tls.trust()
    policy = _POLICY.format(
        profile=store.profile,
        endpoint=store.endpoint,
        region=store.region,
        authorities="" if trust is None else f"ca_file: {trust.cert}",
        bucket=fleet.bucket,
    )
    directory.joinpath("policies", "ops.yaml").write_text(policy)
    settings = _SETTINGS.format(scheme=over_tls.scheme(), front=fleet.front, notice=notice, drain=drain)
    directory.joinpath("gateway.yaml").write_text(settings)
    proxy = directory / "haproxy.cfg"
    proxy.write_text(fleet.proxy_settings())
    try:
        for number in range(count):
            fleet.start(number)
        with running(["haproxy", "-db", "-f", proxy], directory / "haproxy.log") as child:
            await_port(fleet.front, child, directory / "haproxy.log")
            yield fleet
    finally:
        fleet.close()
