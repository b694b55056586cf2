"""Owns telling of buckets that are mapped to the same place of a store, or to one inside another.

Refuses to own whether that is wrong: it may be meant, so it is a warning. Law: two backends at one host are one store.
What is allowed, revoked or limited under one name is still reached under the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from gateway.core.backend import BackendSpec
from gateway.settings.collect import Entry
from gateway.settings.grammar import BucketEntry


def find_overlaps(buckets: Sequence[Entry[BucketEntry]], backends: Mapping[str, BackendSpec]) -> Iterator[str]:
    """A sentence with its place for each pair, at the one that is written later."""
    seen: list[tuple[str, str, str, Entry[BucketEntry]]] = []
    for entry in buckets:
        value = entry.value
        spec = backends.get(value.backend)
        if spec is None:
            continue
        store, real = _store(spec.endpoint), value.bucket or entry.name
        for other_store, other_real, other_prefix, other in seen:
            if (store, real) != (other_store, other_real):
                continue
            if value.prefix.startswith(other_prefix) or other_prefix.startswith(value.prefix):
                kind = "the same place as" if value.prefix == other_prefix else "a place that overlaps that of"
                yield entry.fault(f"is {kind} {other.name!r} ({other.where}): a rule for one says nothing of the other")
        seen.append((store, real, value.prefix, entry))


def _store(endpoint: str) -> str:
    """Who is reached: scheme and the usual ports make no difference."""
    parts = urlsplit(endpoint)
    host = (parts.hostname or "").rstrip(".").lower()
    return host if parts.port in {None, 80, 443} else f"{host}:{parts.port}"
