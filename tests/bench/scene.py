"""Owns everything that stands while figures are taken, each part started when it is first asked for.

Refuses to own the figures (`tests.bench.rows`, `tests.bench.extents`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from tests.bench.gateways import Measured, gateway
from tests.bench.measure import LOAD_CPU, SUBJECT_CPU, pin
from tests.bench.peers import Subject, nginx, peers, relay, tls_store, verifying
from tests.bench.store import Stand, standing
from tests.servers.certificate import certificate
from tests.servers.seaweedfs import seaweedfs_store

__all__ = ["Scene", "Sizes", "scene"]

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done: rounds, seconds of each load of small requests, bytes of a large object, clients that stall."""

    rounds: int
    seconds: int
    large: int
    stalled: tuple[int, ...]


class Scene:
    """One store, and whoever stands before it."""

    def __init__(self, place: Path, stack: ExitStack, sizes: Sizes, tree: Path | None) -> None:
        self.place = place
        self.sizes = sizes
        self.tree = tree
        self._stack = stack
        self._places = 0

    def enter(self, part: AbstractContextManager[_Part]) -> _Part:
        return self._stack.enter_context(part)

    def directory(self) -> Path:
        self._places += 1
        path = self.place / str(self._places)
        path.mkdir()
        path.chmod(0o755)  # nginx's workers run as nobody
        return path

    @cached_property
    def tls(self) -> Path:
        """A certificate and its key, without their endings."""
        return certificate(self.directory())[0].with_suffix("")

    @cached_property
    def stand(self) -> Stand:
        stand, pid = self.enter(standing(self.directory()))
        pin(pid, LOAD_CPU)
        return stand

    @cached_property
    def stand_apart(self) -> Stand:
        """The same store once more, on the subject's CPU: who asks it directly wakes another CPU, as across a network,
        and as who asks a subject does."""
        stand, pid = self.enter(standing(self.directory()))
        pin(pid, SUBJECT_CPU)
        return stand

    @cached_property
    def relay(self) -> Subject:
        return self.enter(relay(self.directory(), self.stand))

    @cached_property
    def tls_port(self) -> int:
        return self.enter(tls_store(self.directory(), self.stand, self.tls))

    @cached_property
    def nginx(self) -> dict[str, Subject]:
        return self.enter(nginx(self.directory(), self.stand, self.tls, self.tls_port))

    @cached_property
    def njs(self) -> Subject:
        return self.enter(nginx(self.directory(), self.stand, self.tls, self.tls_port, njs=True))[""]

    @cached_property
    def peers(self) -> dict[str, Subject]:
        return {peer.name: peer for peer in self.enter(peers(self.directory(), self.stand))}

    @cached_property
    def verifying(self) -> dict[str, Subject]:
        return {peer.name: peer for peer in self.enter(verifying(self.directory()))}

    def _gateway(self, **more: object) -> Measured:
        stands = [self.stand, Stand("minio", f"https://127.0.0.1:{self.tls_port}")]
        authorities = f', ca_file: "{self.tls}.crt"'
        return self.enter(gateway(self.directory(), stands, backend_more=authorities, tree=self.tree, **more))  # type: ignore[arg-type]

    @cached_property
    def gateway(self) -> Measured:
        return self._gateway()

    @cached_property
    def secured(self) -> Measured:
        """The same, with a listener that ends TLS itself."""
        return self._gateway(tls=self.tls)

    @cached_property
    def two_workers(self) -> Measured:
        return self._gateway(workers=2)

    @cached_property
    def keeping(self) -> Measured:
        """A gateway before a store that keeps what it is sent."""
        store = self.enter(seaweedfs_store(self.directory()))
        measured = self.enter(gateway(self.directory(), [store], tree=self.tree))
        return Measured(measured.running, measured.ready_seconds, store.profile)

    @contextmanager
    def fresh(self) -> Iterator[Measured]:
        """One more gateway, for the length of the block only."""
        with gateway(self.directory(), [self.stand], tree=self.tree) as measured:
            yield measured

    def over_tls(self, which: str) -> Subject:
        """The gateway by links, with TLS towards the store, towards the client, or both."""
        base = self.gateway if which == "upstream" else self.secured
        bucket = "generic" if which == "downstream" else "minio"
        subject = Measured(base.running, base.ready_seconds, bucket, base.scheme).by_link()
        return replace(subject, name=f"gateway, TLS {which}")

    @cached_property
    def sparse(self) -> Path:
        """A large file of nothing, for curl to send."""
        path = self.directory() / "sparse"
        with path.open("wb") as file:
            file.truncate(self.sizes.large)
        return path


@contextmanager
def scene(place: Path, sizes: Sizes, tree: Path | None = None) -> Iterator[Scene]:
    """Everything ends with the block. Whoever measures stays on the CPU of the load."""
    before = os.sched_getaffinity(0)
    with ExitStack() as stack:
        yield Scene(place, stack, sizes, tree)
    os.sched_setaffinity(0, before)
