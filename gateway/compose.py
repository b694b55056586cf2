"""Owns the translation between rooms that must not know each other: settings into specs, gates, opened stores and TLS.

Refuses to own starting and ending (`gateway.app`).
"""

from __future__ import annotations

import mmap
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from gateway.backends import multipart_upload
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec
from gateway.core.reasons import Reason, SettingsError
from gateway.core.revocation import FeedEntry
from gateway.core.route import Answer, Capability, UpstreamCall
from gateway.core.source import Sources, fingerprint
from gateway.core.token import hash_secret
from gateway.data.plane import PartsUpload, Snapshot
from gateway.data.state.list_follower import ListFollower
from gateway.data.state.revocation_follower import RevocationFollower
from gateway.settings import Settings
from gateway.settings.model import TlsFiles
from gateway.settings.proxies import trusted_networks
from gateway.settings.watch import Loaded, watch
from gateway.stores.revocation_file import RevocationFile
from gateway.stores.state import State, open_state
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.timed import timed
from gateway.wire.s3.multipart import Destination
from gateway.wire.sig.checksums import Crc, register_crc

if TYPE_CHECKING:
    from gateway.control.deps import Proved
    from gateway.control.identity import Identity, IdentityRules
    from gateway.stores.seal import Sealer

__all__ = [
    "Certificates",
    "Counted",
    "LateIdentity",
    "LateSealer",
    "Listed",
    "Worker",
    "backend_specs",
    "check_certificates",
    "check_list",
    "fixed_at_start",
    "gate_of",
    "identity_rules",
    "open_list",
    "open_stores",
    "register_fast_checksums",
    "sources_of",
    "upload_parts_with",
    "with_drained",
]

_CONDITIONS: Final = frozenset({"if-match", "if-none-match"})


def backend_specs(loaded: Loaded) -> list[BackendSpec]:
    """What the upstream client is opened with."""
    timeout = loaded.settings.deadlines.connect
    return [replace(spec, connect_timeout=timeout) for spec in loaded.policies.backends]


@dataclass(frozen=True, slots=True)
class Worker:
    """One of `count` processes that share the listeners and the state on this host, by its `number` from 0.

    In `meeting`, a directory of their own, they tell each other their metrics and orders; in `memory`, which holds
    eight bytes for each, how far they have read the feed.
    """

    number: int
    count: int
    meeting: Path
    memory: mmap.mmap


class LateIdentity:
    """The verifier of web identity tokens, made at the first one.

    Its library is a seventh of the whole start and ten megabytes, and most gateways never need it.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._identity: Identity | None = None

    async def prove(self, token: str, role: str) -> Proved | None:
        """See `gateway.control.deps.IdentityVerifier`."""
        if self._identity is None:
            from gateway.control.identity import Identity

            self._identity = Identity(lambda: identity_rules(self._settings()), time.time)
        return await self._identity.prove(token, role)


class LateSealer:
    """Seals and opens the secrets of keys (`gateway.stores.seal`), made with the first key: seven megabytes."""

    def __init__(self) -> None:
        self._sealer: Sealer | None = None

    def seal(self, access_key_id: str, secret: str, nonce: bytes) -> bytes:
        return self._made().seal(access_key_id, secret, nonce)

    def open(self, access_key_id: str, sealed: bytes) -> str:
        return self._made().open(access_key_id, sealed)

    def _made(self) -> Sealer:
        if self._sealer is None:
            from gateway.stores.seal import Sealer

            self._sealer = Sealer()
        return self._sealer


def register_fast_checksums() -> None:
    """Have CRCs computed by awscrt, which is loaded with the first body that carries one: five megabytes."""

    def loading(name: str) -> Callable[[], Crc]:
        return lambda: cast("Crc", getattr(import_module("awscrt.checksums"), name))

    register_crc("crc32c", loading("crc32c"))
    register_crc("crc64nvme", loading("crc64nvme"))


def identity_rules(settings: Settings) -> IdentityRules | None:
    """Whose web identity tokens are believed; None if nobody's are."""
    from gateway.control.identity import IdentityRules, Role

    found = settings.control.identity
    if found is None:
        return None
    return IdentityRules(
        issuer=found.issuer,
        audience=found.audience,
        jwks=found.jwks,
        roles={name: Role(role.app.name, role.subjects) for name, role in found.roles.items()},
        ca_file=found.ca_file,
        bearer=found.bearer.resolve() if found.bearer is not None else None,
    )


def sources_of(settings: Settings) -> Sources:
    """What short-lived keys may come from."""
    control = settings.control

    def app_of(issuer: str, audience: str, role: str, subject: str) -> str | None:
        rules = identity_rules(settings)
        return None if rules is None else rules.app_of(issuer, audience, role, subject)

    return Sources(
        address=settings.data.public_url,
        entries={fingerprint(hash_secret(entry.token.resolve())): entry.app.name for entry in control.credentials},
        sidecars={
            (sidecar.name, fingerprint(hash_secret(sidecar.secret.resolve()))): control.sidecar_apps[sidecar.name]
            for sidecar in control.sidecars
        },
        app_of=app_of,
    )


def gate_of(loaded: Loaded) -> Snapshot:
    """The snapshot that requests are judged by."""
    settings = loaded.settings
    return Snapshot(
        policy=loaded.policies.policy,
        posture=settings.fail.posture(),
        public_url=settings.data.public_url,
        domains=settings.data.domains,
        trusted_proxies=trusted_networks(settings.trusted_proxies),
        trusted_socket="unix" in settings.trusted_proxies,
        max_transfers=settings.data.max_transfers,
    )


def with_drained(gate: Snapshot, name: str, *, drained: bool) -> Snapshot:
    """The same snapshot with one known backend out of use, or back."""
    policy = gate.policy
    backend = replace(policy.backends[name], drained=drained)
    return replace(gate, policy=replace(policy, backends={**policy.backends, name: backend}))


def fixed_at_start(settings: Settings) -> dict[str, object]:
    """The settings that a reload cannot change, by their names."""
    return {
        "data.listen": settings.data.listen,
        "data.trusted": settings.data.trusted,
        "data.tls": settings.data.tls is None,
        "data.unsigned_content_type": settings.data.unsigned_content_type,
        "data.signatures": settings.data.signatures,
        "control.listen": settings.control.listen,
        "control.tls": settings.control.tls is None,
        "state": settings.state,
        "log.format": settings.log.format,
        "log.addresses": settings.log.addresses,
        "deadlines.headers": settings.deadlines.headers,
    }


async def open_stores(settings: Settings, metrics: Metrics, *, processes: int = 1) -> State:
    """The state stores, with every call timed.

    Raises:
        SettingsError: an engine cannot be opened.
    """
    wanted = settings.state
    state = await open_state(
        wanted.grants.url,
        limits=wanted.limits.url if wanted.limits != wanted.grants else None,
        records=wanted.records.url if wanted.records != wanted.grants else None,
        processes=processes,
        accept_redis_durability=settings.state.accept_redis_durability,
        token=wanted.token.resolve() if wanted.token is not None else "",
        sealing_keys=[(one.id, one.key.resolve()) for one in wanted.sealing_keys],
    )
    return replace(
        state,
        grants=timed(state.grants, metrics),
        leases=timed(state.leases, metrics),
        feed=timed(state.feed, metrics),
        limits=timed(state.limits, metrics),
        ledger=timed(state.ledger, metrics),
        issuer=timed(state.issuer, metrics) if state.issuer is not None else None,
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """The file in which somebody lists revocations, and what follows it."""

    file: RevocationFile
    follower: ListFollower

    async def join(self, view: RevocationFollower, metrics: Metrics) -> None:
        """Read the file, and make it part of the view.

        Raises:
            SettingsError: the file cannot be read or is wrong.
        """
        self.file.settle()
        await self.follower.load()
        view.include(self.follower)
        metrics.list_age(lambda: self.follower.age)

    def work(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        """What runs as long as the gateway does."""
        return ("revocation list", self.follower.run()), ("list's watch", watch(self.file, self._changed))

    def _changed(self) -> None:
        self.file.settle()
        self.follower.note()


def open_list(settings: Settings, on_entries: Callable[[Sequence[FeedEntry]], None]) -> Listed | None:
    """The list that the settings name, not read yet."""
    wanted = settings.state.revocations
    if wanted is None:
        return None
    file = RevocationFile(wanted.file, clock=time.time)
    return Listed(file, ListFollower(file, wanted.max_age, on_entries, clock=time.time))


def check_list(settings: Settings) -> None:
    """Read the list that the settings name, and take nothing.

    Raises:
        SettingsError: it cannot be read, is wrong, or too old to serve with.
    """
    wanted = settings.state.revocations
    if wanted is None:
        return
    age = time.time() - RevocationFile(wanted.file, clock=time.time).check()
    if age > wanted.max_age:
        raise SettingsError(
            f"{wanted.file}: is {age:.0f} s old, which is more than state.revocations.max_age: everything would be "
            "refused"
        )


def upload_parts_with(upstream: StoreUpstream) -> PartsUpload:
    """The multipart engine, bound to the upstream client."""

    async def upload_parts(
        call: UpstreamCall,
        chunks: AsyncIterator[bytes],
        length: int | None,
        capabilities: frozenset[Capability],
        confirm: Callable[[], Awaitable[None]],
    ) -> Answer:
        conditions = tuple(pair for pair in call.headers if pair[0] in _CONDITIONS)
        return await multipart_upload.upload(
            upstream,
            Destination(call.backend, call.bucket, call.key),
            chunks,
            length=length,
            headers=tuple(pair for pair in call.headers if pair[0] not in _CONDITIONS),
            conditions=conditions,
            equal_parts=Capability.EQUAL_PARTS in capabilities,
            confirm=confirm,
        )

    return upload_parts


class Counted:
    """Tells the metrics what the upstream client reports."""

    def __init__(self, metrics: Metrics) -> None:
        self.presigned = metrics.presigned
        self.answered = metrics.upstream_answered

    def failed(self, backend: str, reason: Reason) -> None:
        self.answered(backend, 0, 0.0)


class Certificates:
    """The TLS contexts of the two listeners, whose certificates are renewed while they serve.

    Law: a renewed certificate is loaded only when both listeners' files are in order; else nothing changes.
    """

    def __init__(self, on_load: Callable[[float], None]) -> None:
        """`on_load` hears when the first of the loaded certificates ends, in seconds since the epoch."""
        self._on_load = on_load
        self._contexts: dict[str, ssl.SSLContext] = {}

    def of(self, settings: Settings) -> Mapping[str, ssl.SSLContext | None]:
        """A context for each listener with TLS.

        Raises:
            SettingsError: a certificate and its key do not load.
        """
        files = _tls_files(settings)
        self._contexts = {name: _context(tls) for name, tls in files.items()}
        self._tell(files)
        return {name: self._contexts.get(name) for name in ("data", "control")}

    def renew(self, settings: Settings) -> None:
        """Give new handshakes what the files hold now. Whether a listener has TLS at all is decided at its start.

        Raises:
            SettingsError: a certificate and its key do not load; the ones in use stay.
        """
        files = {name: tls for name, tls in _tls_files(settings).items() if name in self._contexts}
        for tls in files.values():
            _context(tls)
        for name, tls in files.items():
            self._contexts[name].load_cert_chain(tls.cert, tls.key, password=_no_passphrase)
        self._tell(files)

    def _tell(self, files: Mapping[str, TlsFiles]) -> None:
        if files:
            self._on_load(min(_ends(tls.cert) for tls in files.values()))


def _tls_files(settings: Settings) -> dict[str, TlsFiles]:
    found = {"data": settings.data.tls, "control": settings.control.tls}
    return {name: tls for name, tls in found.items() if tls is not None}


def check_certificates(settings: Settings) -> None:
    """Load what the listeners would, and keep nothing.

    Raises:
        SettingsError: a certificate and its key do not load.
    """
    for tls in _tls_files(settings).values():
        _context(tls)


def _context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.cert, tls.key, password=_no_passphrase)
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "reason", None) or "cannot be read"
        reason = "the key is not the certificate's own" if reason == "KEY_VALUES_MISMATCH" else reason
        raise SettingsError(f"{tls.cert} and {tls.key}: {reason}") from None
    return context


def _no_passphrase() -> str:
    """An encrypted key is refused, instead of asking for its passphrase on a terminal."""
    return ""


def _ends(certificate: Path) -> float:
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(certificate.read_bytes())[0].not_valid_after_utc.timestamp()
