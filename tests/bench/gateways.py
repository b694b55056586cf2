"""Owns the gateway as a subject: by links, by signed requests, over TLS, with several workers, among many grants.

Refuses to own what it is compared with (`tests.bench.peers`) and the measuring.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gateway.core.backend import Credentials
from tests.bench.callgrind import ENVIRON
from tests.bench.measure import SUBJECT_CPU, pin
from tests.bench.peers import Subject
from tests.bench.requests import framed, plain, plain_upload, presigned, signed
from tests.bench.store import Stand
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.store import RunningStore

__all__ = ["Measured", "gateway"]

_MORE = {"GATEWAY_DATA__MAX_TRANSFERS": "8192", "GATEWAY_LOG__LEVEL": "info"}
_CONNECTIONS = ", max_connections: 8192"


@dataclass
class Measured:
    """One running gateway; its subjects by what is presented to it. `bucket` is the store that is asked."""

    running: RunningGateway
    ready_seconds: float
    bucket: str = "generic"
    scheme: str = "http"

    @property
    def pid(self) -> int:
        return self.running.pid

    @cached_property
    def pair(self) -> Credentials:
        key = self.running.api("POST", "/v1/keys", {"app": "bench", "expires_in": 86400})
        return Credentials(key["access_key_id"], key["secret_access_key"])

    def _over(self, url: str) -> str:
        return url.replace("http:", f"{self.scheme}:", 1)

    def key(self, name: str) -> str:
        return self._over(f"{self.running.data}/{self.bucket}/{name}")

    def link(self, key: str, **more: object) -> str:
        return self._over(self.running.link(self.bucket, key, **more).url)

    def by_link(self) -> Subject:
        """Each key by a link of its own, made when it is first asked for."""
        reads: dict[str, str] = {}
        writes: dict[str, str] = {}

        def read(key: str) -> str:
            return reads.get(key) or reads.setdefault(key, self.link(key))

        def write(key: str) -> str:
            return writes.get(key) or writes.setdefault(key, self.link(key, actions=["write"], overwrite=True))

        return Subject(
            "gateway, a link",
            self.pid,
            lambda key: plain("GET", read(key)),
            lambda key, body: plain("PUT", write(key), body),
            lambda key, size: plain_upload(write(key), size),
        )

    def by_signature(self) -> Subject:
        return Subject(
            "gateway, SigV4",
            self.pid,
            lambda key: signed("GET", self.key(key), self.pair),
            lambda key, body: signed("PUT", self.key(key), self.pair, body),
            lambda key, size: plain_upload(self.key(key), size, self.pair),
        )

    def presigned(self) -> Subject:
        return Subject(
            "gateway, presigned",
            self.pid,
            lambda key: plain("GET", presigned("GET", self.key(key), self.pair)),
            lambda key, body: plain("PUT", presigned("PUT", self.key(key), self.pair), body),
            lambda key, size: plain_upload(presigned("PUT", self.key(key), self.pair), size),
        )

    def by_sdk(self) -> Subject:
        """Uploads as SDKs frame them."""
        return Subject(
            "gateway, aws-chunked",
            self.pid,
            lambda key: signed("GET", self.key(key), self.pair),
            lambda key, body: framed(self.key(key), self.pair, body),
            lambda key, size: plain_upload(self.key(key), size, self.pair),
        )


@contextmanager
def gateway(
    place: Path,
    stands: Sequence[Stand | RunningStore],
    *,
    tls: Path | None = None,
    workers: int = 1,
    backend_more: str = "",
    tree: Path | None = None,
) -> Iterator[Measured]:
    """One gateway before these stores, pinned; `tls` is the path of a certificate and key without their endings."""
    environ = ENVIRON | _MORE | ({"PYTHONPATH": str(tree)} if tree else {})
    if tls is not None:
        environ |= {"GATEWAY_DATA__TLS__CERT": f"{tls}.crt", "GATEWAY_DATA__TLS__KEY": f"{tls}.key"}
    arguments = ["--workers", str(workers)] if workers > 1 else []
    since = time.perf_counter()
    with gateway_before(
        list(stands),  # type: ignore[arg-type]
        place / "home",
        environ=environ,
        arguments=arguments,
        backend_more=_CONNECTIONS + backend_more,
        within=120,
    ) as running:
        ready = time.perf_counter() - since
        if workers == 1:
            pin(running.pid, SUBJECT_CPU)
        yield Measured(running, ready, scheme="https" if tls else "http")
