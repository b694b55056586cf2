"""Owns the store that every subject stands before: `store.c` beside this file, compiled once, answering from memory.
Programs in C beside it are compiled here.

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

__all__ = ["BUCKET", "CACHE", "PREFIX", "Stand", "program", "standing", "stores"]

BUCKET, PREFIX = "bench", "inside"
CACHE = Path(__file__).resolve().parents[2] / ".tools" / "bench"


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


def program(name: str) -> Path:
    """The compiled program of that name; the same source is compiled once."""
    source = Path(__file__).with_name(f"{name}.c")
    made = CACHE / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    if not made.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = made.with_suffix(".new")
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", fresh, source], check=True)
        fresh.replace(made)
    return made


@contextmanager
def standing(place: Path) -> Iterator[tuple[Stand, int]]:
    """The store, and the id of its process; it ends with the block."""
    [port] = free_ports(1)
    log = place / "store.log"
    with running([program("store"), str(port)], log) as child:
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
