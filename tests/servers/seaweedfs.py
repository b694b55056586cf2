"""SeaweedFS, the main store of the tests: all of POST policy, CORS, ranges, preconditions, both signature versions.

It folds names: `/a`, `a//b` and `a\\b` reach what `a`, `a/b` and `a/b` reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.embedded_store import EmbeddedStore
from tests.servers import over_tls
from tests.servers.over_tls import Trust
from tests.servers.process import free_ports
from tests.servers.store import RunningStore

__all__ = ["seaweedfs_store"]


@contextmanager
def seaweedfs_store(directory: Path) -> Iterator[RunningStore]:
    """Up in three to four seconds; killed at the end, since a clean stop takes fifteen."""
    trust = over_tls.trust()
    store = EmbeddedStore(directory) if trust is None else _Encrypted(directory, trust)
    with store:
        yield RunningStore(store.endpoint, store.access_key, store.secret_key, "seaweedfs", store.region)


class _Encrypted(EmbeddedStore):
    """It listens at one port more, by TLS; who starts it asks at the other one whether it is ready."""

    def __init__(self, directory: Path, trust: Trust) -> None:
        super().__init__(directory)
        self._trust = trust
        [self._port] = free_ports(1)

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def _build_command(self, data: Path, identities: Path) -> list[str]:
        tls = {"port.https": self._port, "cert.file": self._trust.cert, "key.file": self._trust.key}
        return [*super()._build_command(data, identities), *(f"-s3.{name}={value}" for name, value in tls.items())]
