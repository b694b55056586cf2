"""Owns TLS below the tests' own clients, listeners and scripted stores: `pytest --over-tls`.

Refuses to own what goes over it. Until `begin` everything is plain.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from gateway.server.tls import Certificates
from tests.servers.certificate import certificate

__all__ = ["ClientTls", "Trust", "authorities", "begin", "client", "listener", "scheme"]


@dataclass(frozen=True, slots=True)
class Trust:
    """A certificate of this machine's own address, which is its own authority, and its key."""

    cert: Path
    key: Path


_trust: Trust | None = None


def begin(directory: Path) -> None:
    """From now on everything that can be is encrypted, by a certificate that is made in this directory."""
    global _trust  # noqa: PLW0603 (an option of the whole run)
    _trust = Trust(*certificate(directory))


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
