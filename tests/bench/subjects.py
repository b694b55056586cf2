"""Owns what is measured: a store for all, and in front of it nginx, HAProxy, nginx that signs in njs, the bare
prototype, and the gateway; each in a process of its own, pinned to one CPU, the store and the load on another.

Refuses to own the measuring (`tests.bench.measure`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from gateway.core.backend import Credentials
from gateway.wire.sig.sigv4 import SigningKeys, sign_headers
from tests.bench.measure import LOAD_CPU, SUBJECT_CPU, pin
from tests.servers.gateway import gateway_before
from tests.servers.process import await_port, free_ports, running

__all__ = ["BARE", "LARGE", "NGINX", "SMALL", "Store", "Subject", "started"]

BARE, NGINX = "the bare prototype", "nginx proxy_pass"

SMALL, LARGE = 4096, 1024**3
_BUCKET = "bench"
_OBJECTS = f"{_BUCKET}/inside"
_NJS_MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")

_NGINX = """
{modules}
daemon off; worker_processes 1; pid {place}/nginx.pid; error_log {place}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/octet-stream;
  client_max_body_size 0; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
  {content}
}}
"""
_STORE = "server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }}"
_PROXY = """
  upstream store {{ server {store}; keepalive 64; }}
  upstream sink {{ server {sink}; keepalive 64; }}
  {before}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
    location / {{ proxy_pass http://store; {each} }}
    location /sink/ {{ proxy_pass http://sink; }}
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
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option splice-auto
frontend front
  bind 127.0.0.1:{port}
  use_backend sink if {{ path_beg /sink/ }}
  default_backend store
backend store
  server one {store}
backend sink
  server one {sink}
"""


@dataclass(frozen=True, slots=True)
class Store:
    """What all subjects stand before: an nginx with two objects, and a sink for uploads."""

    reads: str
    writes: str
    upload: Path

    @property
    def small(self) -> str:
        return f"{self.reads}/{_OBJECTS}/small"


@dataclass(frozen=True, slots=True)
class _Stand:
    """One half of the store, as the gateway's settings name it."""

    profile: str
    endpoint: str
    access_key: str = "AK"
    secret_key: str = "SK"
    region: str = "us-east-1"

    def make_bucket(self) -> str:
        return _BUCKET


@dataclass(frozen=True, slots=True)
class Subject:
    """One server at work. A URL that is empty is one that it does not offer. `pair` signs what is sent to it."""

    name: str
    pid: int
    small: str = ""
    large: str = ""
    put: str = ""
    pair: Credentials | None = None
    seconds_to_ready: float = 0.0

    def headers(self) -> list[str]:
        """What to send along for the small object: a signature that holds for a quarter of an hour."""
        if self.pair is None:
            return []
        place = urlsplit(self.small)
        signed = sign_headers(
            self.pair,
            SigningKeys(),
            method="GET",
            host=place.netloc,
            path=place.path,
            region="us-east-1",
            now=time.time(),
        )
        return [f"{name}: {value}" for name, value in signed]


@contextmanager
def started(place: Path, others: dict[str, Path]) -> Iterator[tuple[Store, list[Subject]]]:
    """The store and every subject. `others` are further checkouts of this project to compare with, by name."""
    place.chmod(0o755)  # nginx's workers run as nobody
    with ExitStack() as stack:
        store = stack.enter_context(_store(_directory(place / "store")))
        enter = stack.enter_context
        subjects = [enter(_nginx(_directory(place / "nginx"), NGINX, store))]
        if _NJS_MODULE.exists():
            subjects.append(enter(_nginx(_directory(place / "njs"), "nginx signing in njs", store, njs=True)))
        subjects.append(enter(_haproxy(_directory(place / "haproxy"), store)))
        subjects += enter(_prototype(_directory(place / "prototype"), store))
        for name, tree in {"": Path.cwd(), **others}.items():
            subjects += enter(_gateway(_directory(place / f"gateway{name}"), name, tree, store))
        yield store, subjects


def _directory(path: Path) -> Path:
    path.mkdir()
    return path


@contextmanager
def _server(command: Sequence[str | Path], port: int, place: Path, cpu: int = SUBJECT_CPU) -> Iterator[int]:
    """The process id of a server that answers on the port, pinned."""
    with running(command, place / "log", cwd=Path.cwd()) as child:
        await_port(port, child, place / "log")
        pin(child.pid, cpu)
        yield child.pid


@contextmanager
def _store(place: Path) -> Iterator[Store]:
    port, sink = free_ports(2)
    objects = _directory(place / "root") / _OBJECTS
    objects.mkdir(parents=True)
    objects.joinpath("small").write_bytes(os.urandom(SMALL))
    with objects.joinpath("large").open("wb") as large:
        large.truncate(LARGE)
    command = _nginx_command(place, _STORE.format(port=port, root=place / "root"))
    counter = [sys.executable, "-m", "tests.bench.sink", str(sink)]
    with _server(command, port, place, LOAD_CPU), _server(counter, sink, place, LOAD_CPU):
        yield Store(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sink}", objects / "large")


def _nginx_command(place: Path, content: str, modules: str = "") -> list[str | Path]:
    place.joinpath("nginx.conf").write_text(_NGINX.format(place=place, content=content, modules=modules))
    return ["nginx", "-c", place / "nginx.conf", "-p", place]


@contextmanager
def _nginx(place: Path, name: str, store: Store, *, njs: bool = False) -> Iterator[Subject]:
    [port] = free_ports(1)
    modules = before = each = ""
    if njs:
        place.joinpath("signing.js").write_text(_NJS_SIGNING)
        modules, before, each = f"load_module {_NJS_MODULE};", _NJS_BEFORE.format(place=place), _NJS_EACH
    content = _PROXY.format(port=port, store=_netloc(store.reads), sink=_netloc(store.writes), before=before, each=each)
    with _server(_nginx_command(place, content, modules), port, place) as pid:
        yield _plain(name, pid, port)


@contextmanager
def _haproxy(place: Path, store: Store) -> Iterator[Subject]:
    [port] = free_ports(1)
    settings = _HAPROXY.format(port=port, store=_netloc(store.reads), sink=_netloc(store.writes))
    place.joinpath("haproxy.cfg").write_text(settings)
    with _server(["haproxy", "-db", "-f", place / "haproxy.cfg"], port, place) as pid:
        yield _plain("HAProxy", pid, port)


@contextmanager
def _prototype(place: Path, store: Store) -> Iterator[list[Subject]]:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "tests.bench.prototype", str(port), store.reads]
    with _server(command, port, place) as pid:
        bare = replace(_plain(BARE, pid, port), put="")
        yield [Subject("aiohttp, from memory", pid, small=f"http://127.0.0.1:{port}/static"), bare]


@contextmanager
def _gateway(place: Path, name: str, tree: Path, store: Store) -> Iterator[list[Subject]]:
    """The gateway of one checkout: by a link, and by requests that are signed with a key of its own."""
    before = [_Stand("generic", store.reads), _Stand("minio", store.writes)]
    since = time.perf_counter()
    with gateway_before(before, place / "home", environ={"PYTHONPATH": str(tree)}) as gateway:  # type: ignore[arg-type]
        ready = time.perf_counter() - since
        pin(gateway.pid, SUBJECT_CPU)
        key = gateway.api("POST", "/v1/keys", {"app": "bench", "expires_in": 86400})
        pair = Credentials(key["access_key_id"], key["secret_access_key"])
        small, large = (gateway.link("generic", path).url for path in ("small", "large"))
        put = gateway.link("minio", "large", actions=["write"], overwrite=True).url
        label = f"gateway {name}".strip()
        yield [
            Subject(f"{label}, a link", gateway.pid, small, large, put, seconds_to_ready=ready),
            Subject(f"{label}, SigV4", gateway.pid, small=f"{gateway.data}/generic/small", pair=pair),
        ]


def _plain(name: str, pid: int, port: int) -> Subject:
    base = f"http://127.0.0.1:{port}"
    return Subject(name, pid, f"{base}/{_OBJECTS}/small", f"{base}/{_OBJECTS}/large", f"{base}/sink/large")


def _netloc(url: str) -> str:
    return urlsplit(url).netloc
