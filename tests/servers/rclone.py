"""rclone over a plain folder: a third opinion on SigV4, and a store that ignores most preconditions."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import over_tls
from tests.servers.process import await_port, free_ports, running
from tests.servers.store import RunningStore

__all__ = ["rclone_store"]


@contextmanager
def rclone_store(directory: Path) -> Iterator[RunningStore]:
    """Buckets are the folders inside `directory/buckets`."""
    program = shutil.which("rclone", path=str(Path(sys.executable).parent)) or "rclone"
    buckets, settings, log = directory / "buckets", directory / "rclone.conf", directory / "rclone.log"
    buckets.mkdir()
    settings.touch()
    [port] = free_ports(1)
    access_key, secret_key = "RCLONE" + secrets.token_hex(7).upper(), secrets.token_urlsafe(30)
    command = [program, "serve", "s3", "--config", settings, "--cache-dir", directory / "cache"]
    command += ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{access_key},{secret_key}", buckets]
    if (trust := over_tls.trust()) is not None:
        command += ["--cert", trust.cert, "--key", trust.key]
    with running(command, log) as child:
        await_port(port, child, log)
        yield RunningStore(f"{over_tls.scheme()}://127.0.0.1:{port}", access_key, secret_key, "rclone")
