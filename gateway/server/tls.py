"""Owns the listeners' TLS: certificates that are loaded, and renewed while they serve.

Refuses to own which files there are (settings) and handshakes (asyncio).
Law: a renewed certificate is loaded only when all listeners' files are in order; else nothing changes.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from gateway.core.reasons import SettingsError

__all__ = ["Certificates", "KeyFiles", "check_certificates"]


class KeyFiles(Protocol):
    """A certificate chain and its private key, PEM."""

    @property
    def cert(self) -> Path: ...

    @property
    def key(self) -> Path: ...


class Certificates:
    """The contexts of the listeners that have TLS, by name."""

    def __init__(self, on_load: Callable[[float], None]) -> None:
        """`on_load` hears when the first of the loaded certificates ends, in seconds since the epoch."""
        self._on_load = on_load
        self._contexts: dict[str, ssl.SSLContext] = {}

    def load(self, files: Mapping[str, KeyFiles]) -> Mapping[str, ssl.SSLContext]:
        """A context for each of the listeners.

        Raises:
            SettingsError: a certificate and its key do not load.
        """
        self._contexts = {name: _context(pair) for name, pair in files.items()}
        self._tell(files.values())
        return self._contexts

    def renew(self, files: Mapping[str, KeyFiles]) -> None:
        """Give new handshakes what the files hold now. Whether a listener has TLS at all is decided at its start.

        Raises:
            SettingsError: a certificate and its key do not load; the ones in use stay.
        """
        ours = {name: pair for name, pair in files.items() if name in self._contexts}
        check_certificates(ours.values())
        for name, pair in ours.items():
            self._contexts[name].load_cert_chain(pair.cert, pair.key, password=_no_passphrase)
        self._tell(ours.values())

    def _tell(self, files: Iterable[KeyFiles]) -> None:
        ends = [_end(pair.cert) for pair in files]
        if ends:
            self._on_load(min(ends))


def check_certificates(files: Iterable[KeyFiles]) -> None:
    """Load what the listeners would, and keep nothing.

    Raises:
        SettingsError: a certificate and its key do not load.
    """
    for pair in files:
        _context(pair)


def _context(files: KeyFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_passphrase)
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "reason", None) or "cannot be read"
        reason = "the key is not the certificate's own" if reason == "KEY_VALUES_MISMATCH" else reason
        raise SettingsError(f"{files.cert} and {files.key}: {reason}") from None
    return context


def _no_passphrase() -> str:
    """An encrypted key is refused, instead of asking for its passphrase on a terminal."""
    return ""


def _end(certificate: Path) -> float:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 (seven megabytes: only TLS needs it)

    return load_pem_x509_certificates(certificate.read_bytes())[0].not_valid_after_utc.timestamp()
