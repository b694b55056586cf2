"""Owns the store that every subject stands before: `store.c` beside this file, compiled once, answering from memory.

Refuses to own the subjects. The store verifies nothing and keeps nothing, so that what is measured never waits for it.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import await_port, free_ports, running
from tests.servers.seaweedfs import seaweedfs_store
from tests.servers.store import RunningStore

__all__ = ["BUCKET", "CACHE", "PREFIX", "Stand", "standing", "store_program", "stores"]

BUCKET, PREFIX = "bench", "inside"
CACHE = Path(__file__).resolve().parents[2] / ".tools" / "bench"
_SOURCE = Path(__file__).with_name("store.c")


@dataclass(frozen=True, slots=True)
class Stand:
    """The store as the gateway's settings name it; a key there is `SIZE-ANYTHING`, below `inside/` of one bucket."""

    profile: str
    endpoint: str
    access_key: str = "AK"
    secret_key: str = "SK"
    region: str = "us-east-1"

    @property
    def objects(self) -> str:
        """The address that the keys of the gateway's bucket have in the store itself."""
        return f"{self.endpoint}/{BUCKET}/{PREFIX}"

    def make_bucket(self) -> str:
        return BUCKET


def store_program() -> Path:
    """The compiled store; the same source is compiled once."""
    program = CACHE / f"store-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(".new")
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", fresh, _SOURCE], check=True)
        fresh.replace(program)
    return program


@contextmanager
def standing(place: Path) -> Iterator[tuple[Stand, int]]:
    """The store, and the id of its process; it ends with the block."""
    [port] = free_ports(1)
    log = place / "store.log"
    with running([store_program(), str(port)], log) as child:
        await_port(port, child, log)
        yield Stand("generic", f"http://127.0.0.1:{port}"), child.pid


@contextmanager
def stores(place: Path, *, kept: bool) -> Iterator[tuple[list[Stand | RunningStore], str]]:
    """The store, beside it one that keeps what it is sent if that is wanted, and that one's bucket."""
    with standing(place) as (stand, _), ExitStack() as stack:
        if not kept:
            yield [stand], ""
            return
        (place / "kept").mkdir()
        keeps = stack.enter_context(seaweedfs_store(place / "kept"))
        yield [stand, keeps], keeps.profile
