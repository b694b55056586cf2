"""SeaweedFS, the main store of the tests: all of POST policy, CORS, ranges, preconditions, both signature versions.

It folds names: `/a`, `a//b` and `a\\b` reach what `a`, `a/b` and `a/b` reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.embedded_store import EmbeddedStore
from tests.servers.store import RunningStore

__all__ = ["seaweedfs_store"]


@contextmanager
def seaweedfs_store(directory: Path) -> Iterator[RunningStore]:
    """Up in three to four seconds; killed at the end, since a clean stop takes fifteen."""
    with EmbeddedStore(directory) as store:
        yield RunningStore(store.endpoint, store.access_key, store.secret_key, "seaweedfs", store.region)
