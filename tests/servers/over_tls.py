"""Owns TLS below the tests' own clients, listeners and stores: `pytest --over-tls`, `tests.servers.otherwise`.

Refuses to own what goes over it. Until `begin` everything is plain, but in a process that was started by one that has
said `pass_on`.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.server.tls import Certificates
from tests.servers.certificate import certificate

__all__ = [
    "CUT",
    "ClientTls",
    "Trust",
    "authorities",
    "begin",
    "client",
    "connect",
    "dial",
    "gateway_variables",
    "listener",
    "pass_on",
    "program_options",
    "program_variables",
    "scheme",
    "store_entry",
    "trust",
]

_DIRECTORY: Final = "OVER_TLS_DIRECTORY"
_TRUSTED_BY: Final = (
    "SSL_CERT_FILE",
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "RCLONE_CA_CERT",
)
"""The variables by which programs and libraries are told of an authority."""

_TRUSTED_AS: Final = {
    "aria2c": "--ca-certificate=",
    "apt-get": "-oAcquire::https::CAInfo=",
    "s3cmd": "--ca-certs=",
    "wget": "--ca-certificate=",
}
"""The options of those that heed no variable."""

_HOSTS: Final = ("localhost", "rclone.localhost", "seaweedfs.localhost", "swift.localhost")
"""Names beside its address: buckets are names of hosts to some clients."""

CUT: Final = (ConnectionResetError, ssl.SSLEOFError)
"""What a blocking reader sees of a reset; over TLS, Python before 3.12.3 takes it for an end unannounced."""


@dataclass(frozen=True, slots=True)
class Trust:
    """A certificate of this machine's own address, which is its own authority, and its key."""

    cert: Path
    key: Path


def _inherited() -> Trust | None:
    directory = os.environ.get(_DIRECTORY)
    return None if directory is None else Trust(Path(directory, "tls.crt"), Path(directory, "tls.key"))


_trust: Trust | None = _inherited()


def begin(directory: Path) -> None:
    """From now on everything that can be is encrypted, by a certificate that is made in this directory."""
    global _trust  # noqa: PLW0603 (an option of the whole run)
    _trust = Trust(*certificate(directory, *_HOSTS))
    (directory / "rc").write_text(f'set ssl:ca-file "{_trust.cert}"\n')  # lftp's


def pass_on() -> None:
    """Have the processes that are started from here on do as this one, and programs trust the certificate."""
    if _trust is not None:
        os.environ[_DIRECTORY] = str(_trust.cert.parent)
        os.environ.update(program_variables())


def program_variables() -> dict[str, str]:
    """What a program of somebody else's is told by its environment."""
    if _trust is None:
        return {}
    return dict.fromkeys(_TRUSTED_BY, str(_trust.cert)) | {"LFTP_HOME": str(_trust.cert.parent)}


def program_options(program: str) -> list[str]:
    """What it is told by the beginning of its command line."""
    option = _TRUSTED_AS.get(program)
    return [] if _trust is None or option is None else [f"{option}{_trust.cert}"]


def trust() -> Trust | None:
    """The files; None where everything is plain."""
    return _trust


def gateway_variables(*planes: str) -> dict[str, str]:
    """What a gateway in a process of its own is told by its environment: that its listeners are encrypted, all unless
    some are named."""
    if _trust is None:
        return {}
    files = {"CERT": str(_trust.cert), "KEY": str(_trust.key)}
    named = planes or ("DATA", "CONTROL")
    return {f"GATEWAY_{plane}__TLS__{name}": path for plane in named for name, path in files.items()}


def store_entry() -> str:
    """What follows in a policy's entry of a store, inside its braces."""
    return "" if _trust is None else f', ca_file: "{_trust.cert}"'


def dial(address: str, timeout: float = 30) -> http.client.HTTPConnection:
    """A connection for requests, as the address says it."""
    place = urlsplit(address)
    if place.scheme == "https":
        return http.client.HTTPSConnection(place.hostname or "", place.port, timeout=timeout, context=client())
    return http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout)


def connect(address: str, timeout: float | None = 30, window: int | None = None) -> socket.socket:
    """A socket for bytes, as the address says it; `window` bounds what its kernel keeps for a reader that waits."""
    place = urlsplit(address)
    plain = socket.socket()
    if window is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    plain.settimeout(timeout)
    plain.connect((place.hostname, place.port))
    context = client() if place.scheme == "https" else None
    if context is None:
        return plain
    return context.wrap_socket(plain, server_hostname=place.hostname, suppress_ragged_eofs=False)


def scheme() -> str:
    return "http" if _trust is None else "https"


def authorities() -> str | None:
    """The file that a client has to trust; None where everything is plain."""
    return None if _trust is None else str(_trust.cert)


def listener() -> ssl.SSLContext | None:
    """What the gateway's listeners make of the files; None where everything is plain."""
    return None if _trust is None else Certificates(lambda _: None).load({"data": _trust})["data"]


def client() -> ssl.SSLContext | None:
    """What trusts the certificate; None where everything is plain."""
    return None if _trust is None else ssl.create_default_context(cafile=_trust.cert)


class ClientTls:
    """The client's side of one connection's TLS; its owner reads and writes the socket."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_hostname="127.0.0.1")

    def agree(self) -> bool:
        """Go on with the handshake as far as that goes; whether it is done. Raises ssl.SSLError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: bytes) -> bytes:
        """What has to be sent for it, and for the handshake."""
        if data:
            self._tls.write(data)
        return self._goes.read()

    def take(self, data: bytes) -> None:
        """What came from the socket; nothing is its end, whether that was announced or not."""
        if data:
            self._came.write(data)
        else:
            self._came.write_eof()

    def decrypt(self, most: int) -> bytes | None:
        """What is there, nothing at the end; None if more has to come first."""
        try:
            return self._tls.read(most)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
