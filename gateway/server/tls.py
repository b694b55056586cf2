"""Owns the listeners' TLS: certificates that are loaded, and renewed while they serve, and a look at how a handshake
begins.

Refuses to own which files there are (settings) and handshakes (the event loop).
Laws: a renewed certificate is loaded only when all listeners' files are in order; else nothing changes. One that has
ended does not replace one that has not. Nothing of what was loaded before is shown afterwards. The look takes nothing
away: a handshake has the same bytes as without.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from gateway.core.reasons import SettingsError
from gateway.core.units import format_instant

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_log = structlog.get_logger("gateway.server")

_TELLING: Final = 5
"""Bytes without which TLS does not decide anything either: the head of a record (RFC 8446, 5.1)."""


class KeyFiles(Protocol):
    """A certificate chain and its private key, PEM."""

    @property
    def cert(self) -> Path: ...

    @property
    def key(self) -> Path: ...


class ListenerContext(ssl.SSLContext):
    """A context that shows the first bytes of each connection, which need not be TLS at all, to `on_first_bytes`.

    The peer is not known here: the event loop reports no handshake that fails.
    Handshakes are those of the one that `renewed` it: a context keeps a certificate of each kind of key, and would go
    on to show the old one of another kind.
    """

    on_first_bytes: Callable[[bytes], None] | None = None
    renewed: ssl.SSLContext | None = None

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *arguments: Any, **options: Any
    ) -> ssl.SSLObject:
        made = ssl.SSLContext.wrap_bio(self.renewed or self, incoming, outgoing, *arguments, **options)
        if isinstance(made, _Watched) and self.on_first_bytes is not None:
            made.watch(incoming, self.on_first_bytes)
        return made


class _Watched(ssl.SSLObject):
    """One connection's TLS."""

    _incoming: ssl.MemoryBIO | None = None
    _tell: Callable[[bytes], None]

    def watch(self, incoming: ssl.MemoryBIO, tell: Callable[[bytes], None]) -> None:
        self._incoming, self._tell = incoming, tell

    def do_handshake(self) -> None:
        incoming = self._incoming
        if incoming is not None and incoming.pending >= _TELLING:
            self._incoming = None
            first = incoming.read()
            incoming.write(first)
            self._tell(first)
        super().do_handshake()


class Certificates:
    """The contexts of the listeners that have TLS, by name."""

    def __init__(self, on_load: Callable[[float], None]) -> None:
        """`on_load` is given the end of the certificate that ends first, in seconds since the epoch."""
        self._on_load = on_load
        self._contexts: dict[str, ListenerContext] = {}
        self._ends: dict[str, float] = {}

    def load(self, files: Mapping[str, KeyFiles]) -> Mapping[str, ssl.SSLContext]:
        """A context for each of the listeners.

        Raises:
            SettingsError: a certificate and its key do not load.
        """
        self._contexts = self._read(files)
        return self._contexts

    def renew(self, files: Mapping[str, KeyFiles]) -> None:
        """Give new handshakes what the files hold now. Whether a listener has TLS at all is decided at its start.

        Raises:
            SettingsError: a certificate and its key do not load, or it has ended and the one in use has not; the ones
                in use stay.
        """
        read = self._read({name: pair for name, pair in files.items() if name in self._contexts})
        for name, context in read.items():
            self._contexts[name].renewed = context

    def _read(self, files: Mapping[str, KeyFiles]) -> dict[str, ListenerContext]:
        now = time.time()
        made = {name: _context(pair) for name, pair in files.items()}
        ends = {name: _first_of(pair.cert).not_valid_after_utc.timestamp() for name, pair in files.items()}
        untimely = list_untimely(files.values(), now)
        for name, end in ends.items():
            if end < now < self._ends.get(name, 0.0):
                raise SettingsError(
                    f"{files[name].cert}: the certificate ended at {format_instant(end)}, and the one in use has not"
                )
        if ends:
            self._ends = ends
            self._on_load(min(ends.values()))
        for text in untimely:
            _log.warning("clients refuse a certificate of the listeners", detail=text)
        return made


def list_untimely(files: Iterable[KeyFiles], now: float) -> list[str]:
    """Of certificates that load, those that clients refuse at this time; each with its file and its time."""
    found = []
    for path in dict.fromkeys(pair.cert for pair in files):
        read = _first_of(path)
        first, last = read.not_valid_before_utc.timestamp(), read.not_valid_after_utc.timestamp()
        if not first <= now <= last:
            when = f"begins at {format_instant(first)}" if now < first else f"ended at {format_instant(last)}"
            found.append(f"{path}: the certificate {when}")
    return found


def check_certificates(files: Iterable[KeyFiles]) -> None:
    """Load what the listeners would, and keep nothing.

    Raises:
        SettingsError: a certificate and its key do not load.
    """
    for pair in files:
        _context(pair)


def _context(files: KeyFiles) -> ListenerContext:
    context = ListenerContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _Watched
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


def _first_of(path: Path) -> Certificate:
    """The certificate that clients are shown. Raises SettingsError: the file is not what it just was."""
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 (seven megabytes: only TLS needs it)

    try:
        return load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        raise SettingsError(f"{path}: cannot be read") from None
