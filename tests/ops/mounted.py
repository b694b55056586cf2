"""Owns a gateway whose every file is on volumes that a kubelet would write, and the store that it asks.

Refuses to own what is changed on them.
"""

from __future__ import annotations

import itertools
import re
import secrets
import shutil
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.gateway import RunningGateway
from tests.servers.process import free_ports, running

__all__ = ["Mounted", "Volume", "certificate", "mounted_gateway", "within"]

_CREDENTIAL: Final = re.compile(r"X-Amz-Credential=([A-Z0-9]+)")
_numbers = itertools.count(1)


class Volume:
    """A directory as a kubelet keeps it: each name leads through `..data`, which one rename leads elsewhere."""

    def __init__(self, directory: Path, files: Mapping[str, str]) -> None:
        directory.mkdir(parents=True)
        self.directory = directory
        self.files: dict[str, str] = {}
        self.swap(files)

    def swap(self, files: Mapping[str, str]) -> None:
        """Replace what is there by these files, all in one step."""
        fresh = self.directory / f"..2026_01_01_{next(_numbers)}"
        fresh.mkdir()
        for name, text in files.items():
            fresh.joinpath(name).write_text(text)
        data, coming = self.directory / "..data", self.directory / "..data_tmp"
        before = data.resolve() if data.is_symlink() else None
        coming.symlink_to(fresh.name)
        coming.rename(data)
        for name in files.keys() - self.files.keys():
            self.directory.joinpath(name).symlink_to(f"..data/{name}")
        for name in self.files.keys() - files.keys():
            self.directory.joinpath(name).unlink()
        if before is not None:
            shutil.rmtree(before)
        self.files = dict(files)


@dataclass(slots=True)
class Mounted:
    """A running gateway, its volumes, and the access keys that its store was shown, in order."""

    gateway: RunningGateway
    settings: Volume
    policies: Volume
    admin: Volume
    store: Volume
    tls: Volume
    keys_seen: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.gateway.data.rpartition(":")[2])

    def get(self, path: str) -> int:
        """The status of a download; 0 for one that was cut, as those are which new rules no longer allow."""
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=10, context=_unverified())
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        except (ConnectionError, IncompleteRead):
            return 0
        else:
            return answer.status
        finally:
            connection.close()

    def served_certificate(self) -> bytes:
        """What a new handshake is shown, in DER."""
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", self.port), timeout=5))

    def reloads(self, result: str) -> float:
        return self.gateway.metric("gateway_policy_reloads_total", result=result)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def within(seconds: float, happened: Callable[[], bool]) -> float:
    """How long it took to happen, in seconds. Fails when it took longer than allowed."""
    started = time.monotonic()
    while not happened():
        assert time.monotonic() - started < seconds, f"nothing after {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - started


def certificate(days: int = 30) -> tuple[str, str]:
    """A new self-signed certificate and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=days)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), text.decode()


@contextmanager
def _store(keys_seen: list[str]) -> Iterator[int]:
    """A store that has every object and remembers by which key it was asked."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = _CREDENTIAL.search(self.path)
            keys_seen.append(found[1] if found else "")
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.send_header("ETag", '"e"')
            self.end_headers()
            self.wfile.write(b"object")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name there)
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def mounted_gateway(directory: Path) -> Iterator[Mounted]:
    """`gateway serve` with TLS on the data listener, everything it reads on volumes."""
    data, control = free_ports(2)
    token = secrets.token_urlsafe(24)
    keys_seen: list[str] = []
    cert, key = certificate()
    with _store(keys_seen) as store_port:
        tls = Volume(directory / "tls", {"tls.crt": cert, "tls.key": key})
        admin = Volume(directory / "admin", {"token": token})
        store = Volume(directory / "store", {"access_key": "FIRSTKEY", "secret_key": "the first secret of the store"})
        settings = Volume(
            directory / "settings",
            {
                "gateway.yaml": f"""
data:
  listen: 127.0.0.1:{data}
  tls: {{cert: {directory}/tls/tls.crt, key: {directory}/tls/tls.key}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: ops, secret: "file:{directory}/admin/token"}}]}}
state: sqlite:///{directory}/gateway.db
policies: {directory}/policies
"""
            },
        )
        policies = Volume(
            directory / "policies",
            {
                "ops.yaml": f"""
backends:
  store:
    profile: generic
    endpoint: http://127.0.0.1:{store_port}
    region: us-east-1
    credentials: {{access_key: "file:{directory}/store/access_key", secret_key: "file:{directory}/store/secret_key"}}
buckets:
  files: {{backend: store, bucket: real}}
rules:
  - {{name: ops do everything, who: "admin:*", may: [read, list, share], on: "**", links: {{actions: [read, list]}}}}
"""
            },
        )
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--config",
            settings.directory / "gateway.yaml",
        ]
        log = directory / "gateway.log"
        with running(command, log, {}, directory) as child:
            gateway = RunningGateway(
                f"https://127.0.0.1:{data}", f"http://127.0.0.1:{control}", token, directory, child.pid, {}
            )
            within(30, lambda: child.poll() is not None or _answers(gateway))
            assert child.poll() is None, log.read_text()[-3000:]
            yield Mounted(gateway, settings, policies, admin, store, tls, keys_seen)


def _answers(gateway: RunningGateway) -> bool:
    try:
        gateway.api("GET", "/readyz", expect=200)
    except (OSError, AssertionError):
        return False
    return True
