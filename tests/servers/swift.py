"""OpenStack Swift with its S3 door: the strictest judge of signatures that runs on one machine.

Four processes (proxy, account, container, object) with one replica. The directory has to be on a file system with
user extended attributes.
"""

from __future__ import annotations

import getpass
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers import over_tls
from tests.servers.install import SWIFT, install_swift
from tests.servers.process import await_port, free_ports, running
from tests.servers.store import RunningStore

__all__ = ["swift_store"]

_SERVERS = ("account", "container", "object")

_RINGS = """
import sys
from swift.common.ring import RingBuilder
for server, port in zip(sys.argv[2::2], map(int, sys.argv[3::2])):
    builder = RingBuilder(2, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(f"{sys.argv[1]}/{server}.ring.gz")
"""

_COMMON = """
[swift-hash]
swift_hash_path_prefix = {salt}
[storage-policy:0]
name = single
default = yes
"""

_STORAGE = """
[DEFAULT]
swift_dir = {etc}
devices = {directory}
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_level = WARNING
log_udp_host =
fallocate_reserve = 0
disable_fallocate = true
db_preallocation = off
recon_cache_path = {directory}
[pipeline:main]
pipeline = {server}-server
[app:{server}-server]
use = egg:swift#{server}
replication_server = true
"""

_FILTERS = {
    "catch_errors": {},
    "listing_formats": {},
    "s3api": {
        "location": "us-east-1",
        "storage_domain": "localhost",
        "dns_compliant_bucket_names": "true",
        "auth_pipeline_check": "true",
    },
    "tempauth": {"user_test_tester": "{secret} .admin"},
    "copy": {},
    "slo": {"rate_limit_after_segment": "1000"},
    "dlo": {},
    "versioned_writes": {"allow_versioned_writes": "true", "allow_object_versioning": "true"},
    "symlink": {},
}

_PROXY = """
[DEFAULT]
swift_dir = {etc}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_level = WARNING
{tls}
[pipeline:main]
pipeline = {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
"""


@contextmanager
def swift_store(directory: Path) -> Iterator[RunningStore]:
    """The store for the length of the block; installs its environment first if that is missing."""
    install_swift()
    etc, secret, ports = directory / "etc", secrets.token_hex(16), free_ports(4)
    _configure(directory, etc, secret, ports)
    with ExitStack() as children:
        started = []
        for server, port in zip((*_SERVERS, "proxy"), ports, strict=True):
            log = directory / f"{server}.log"
            command = [SWIFT / "bin" / "python", SWIFT / "bin" / f"swift-{server}-server", etc / f"{server}.conf", "-v"]
            started.append((port, children.enter_context(running(command, log, {"SWIFT_DIR": str(etc)})), log))
        for port, child, log in started:
            await_port(port, child, log)
        yield RunningStore(f"{over_tls.scheme()}://127.0.0.1:{ports[-1]}", "test:tester", secret, "swift")


def _configure(directory: Path, etc: Path, secret: str, ports: list[int]) -> None:
    etc.mkdir()
    (directory / "d1").mkdir()
    (etc / "swift.conf").write_text(_COMMON.format(salt=secrets.token_hex(8)))
    values = {"etc": etc, "directory": directory, "user": getpass.getuser()}
    pairs = []
    for server, port in zip(_SERVERS, ports, strict=False):
        (etc / f"{server}.conf").write_text(_STORAGE.format(server=server, port=port, **values))
        pairs += [server, str(port)]
    trust = over_tls.trust()
    tls = "" if trust is None else f"cert_file = {trust.cert}\nkey_file = {trust.key}"
    proxy = _PROXY.format(port=ports[-1], tls=tls, filters=" ".join(_FILTERS), **values)
    for name, options in _FILTERS.items():
        lines = (f"{key} = {value.format(secret=secret)}" for key, value in options.items())
        proxy += "\n".join((f"[filter:{name}]", f"use = egg:swift#{name}", *lines, ""))
    (etc / "proxy.conf").write_text(proxy)
    subprocess.run([SWIFT / "bin" / "python", "-c", _RINGS, str(etc), *pairs], check=True)
