"""Ceph's RADOS Gateway, smallest: one monitor, one OSD that keeps all in memory, one gateway. Up in ten seconds.

`python -m tests.servers.ceph` unpacks Debian's packages (bookworm: 16.2) to `.tools/ceph`; nothing is installed and no
rights are needed. `pytest --ceph` puts it where Swift stands.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.servers import over_tls
from tests.servers.process import await_port, free_ports, running
from tests.servers.store import RunningStore

__all__ = ["ROOT", "ceph_store", "install_ceph"]

ROOT: Final = Path(__file__).resolve().parents[2] / ".tools" / "ceph"
_LIBRARIES: Final = ROOT / "usr/lib/x86_64-linux-gnu"

_PACKAGES: Final = (
    *("ceph-base", "ceph-mon", "ceph-osd", "radosgw", "ceph-common", "librgw2", "librados2", "librbd1", "libcephfs2"),
    *("libaio1", "libbabeltrace1", "libboost-context1.74.0", "libboost-thread1.74.0", "libdaxctl1", "libfmt9"),
    *("libfuse2", "libgoogle-perftools4", "libibverbs1", "libleveldb1d", "liblua5.3-0", "libndctl6", "libnl-3-200"),
    *("libnl-route-3-200", "liboath0", "libpmem1", "librabbitmq4", "libradosstriper1", "librdkafka1", "librdmacm1"),
    *("libsnappy1v5", "libtcmalloc-minimal4"),
)

_SETTINGS: Final = """
[global]
fsid = {fsid}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = /dev/null
mon_host = [v2:127.0.0.1:{mon},v1:127.0.0.1:{mon_v1}]
mon_initial_members = a
ms_mon_client_mode = crc
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
mon_data_avail_crit = 1
mon_data_avail_warn = 1
mon_allow_pool_size_one = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
osd_class_dir = {libraries}/rados-classes
erasure_code_dir = {libraries}/ceph/erasure-code
plugin_dir = {libraries}/ceph
run_dir = {directory}
admin_socket =
log_file = {directory}/$name.log
mon_cluster_log_file = {directory}/cluster.log
[mon.a]
mon_data = {directory}/mon
[osd.0]
osd_data = {directory}/osd
osd_objectstore = memstore
memstore_device_bytes = 17179869184
[client.rgw]
rgw_data = {directory}
rgw_frontends = beast {endpoint}
rgw_thread_pool_size = 64
"""


def install_ceph() -> None:
    """Make `.tools/ceph` from the packages, unless it is there."""
    if not (ROOT / "usr/bin/radosgw").exists():
        with tempfile.TemporaryDirectory() as fetched:
            subprocess.run(["apt-get", "download", "-qq", *_PACKAGES], cwd=fetched, check=True)
            for package in sorted(Path(fetched).glob("*.deb")):
                subprocess.run(["dpkg", "-x", package, ROOT], check=True)


@contextmanager
def ceph_store(directory: Path) -> Iterator[RunningStore]:
    """The store for the length of the block; the packages have to be there."""
    mon, mon_v1, port = free_ports(3)
    trust, fsid, settings = over_tls.trust(), str(uuid.uuid4()), directory / "ceph.conf"
    endpoint = f"endpoint=127.0.0.1:{port}"
    if trust is not None:
        endpoint = f"ssl_{endpoint} ssl_certificate={trust.cert} ssl_private_key={trust.key}"
    places = {"directory": directory, "libraries": _LIBRARIES, "endpoint": endpoint}
    settings.write_text(_SETTINGS.format(fsid=fsid, mon=mon, mon_v1=mon_v1, **places))
    searched = (_LIBRARIES, _LIBRARIES / "ceph", ROOT / "lib/x86_64-linux-gnu")
    environ = {"CEPH_CONF": str(settings), "LD_LIBRARY_PATH": ":".join(map(str, searched))}
    log, store = (
        directory / "output.log",
        RunningStore(
            f"{over_tls.scheme()}://127.0.0.1:{port}",
            secrets.token_hex(10).upper(),
            secrets.token_hex(20),
            "ceph",
            "default",
        ),
    )

    def do(program: str, *arguments: str | Path) -> None:
        with log.open("ab") as output:
            command = [str(ROOT / "usr/bin" / program), *map(str, arguments)]
            subprocess.run(command, env=environ, stdout=output, stderr=output, check=True, timeout=120)

    for name in ("mon", "osd"):
        (directory / name).mkdir()
    monmap, osdmap = directory / "monmap", directory / "osdmap"
    do("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon},v1:127.0.0.1:{mon_v1}]", monmap)
    do("osdmaptool", "--createsimple", "1", osdmap)
    do("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--osdmap", osdmap, "--fsid", fsid)
    with ExitStack() as children:

        def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
            return children.enter_context(running([ROOT / "usr/bin" / program, "-f", *arguments], log, environ))

        start("ceph-mon", "-i", "a")
        do("ceph-osd", "--mkfs", "-i", "0")
        start("ceph-osd", "-i", "0")
        who = (
            "--uid=tests",
            "--display-name=tests",
            f"--access-key={store.access_key}",
            f"--secret={store.secret_key}",
        )
        do("radosgw-admin", "user", "create", *who)
        await_port(port, start("radosgw", "-n", "client.rgw"), log)
        yield store


if __name__ == "__main__":
    install_ceph()
