"""Owns how grants and feed entries look in Redis, and what the server's errors mean.

Refuses to own connections (`gateway.stores.redis`). A field that is not set is an empty text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from gateway.core.grant import Grant
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind
from gateway.stores.codec import GrantRow, document_of, grant_of

__all__ = ["edited_fields", "entry_from", "explain", "grant_from"]


_CLUSTER: Final = (
    "it is one node of a cluster, and the gateway's keys belong to another: name a server that is not in cluster mode"
)
_RIGHTS: Final = "the user of the URL lacks a right: it needs every command on keys that begin with {gateway}:"
_MEANINGS: Final = {
    "READONLY": "it is a replica, which takes no writes: name the primary",
    "MOVED": _CLUSTER,
    "ASK": _CLUSTER,
    "CLUSTERDOWN": _CLUSTER,
    "OOM": "its memory is full: raise maxmemory",
    "MISCONF": "it cannot save to its disk, and takes no writes until it can",
    "NOPERM": _RIGHTS,
    "ACL": _RIGHTS,
    "AUTH": "user or password is wrong, or missing in the URL",
    "LOADING": "it still reads what it had saved: try again",
    "MASTERDOWN": "it is a replica whose primary is away: name the primary",
    "NOREPLICAS": "too few of its replicas are there, and it takes no writes until they are",
    "unknown": "it has to be a Redis or Valkey server that runs scripts; a Sentinel and most proxies do not",
}
"""What the codes of a server mean here and what is to be done."""

_OF_TYPES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (MovedError, "MOVED"),
    (AskError, "ASK"),
    (ClusterDownError, "CLUSTERDOWN"),
    (MasterDownError, "MASTERDOWN"),
    (ReadOnlyError, "READONLY"),
    (OutOfMemoryError, "OOM"),
    (NoPermissionError, "NOPERM"),
    (AuthenticationError, "AUTH"),
    (BusyLoadingError, "LOADING"),
)
"""The client takes these codes off the text and keeps them as types."""


def explain(error: Exception) -> str:
    """What went wrong: the server's error code and its meaning, never its text, which may quote values."""
    code = next((code for kind, code in _OF_TYPES if isinstance(error, kind)), "")
    if not code and isinstance(error, ResponseError):
        word = str(error).partition(" ")[0]  # of "ERR unknown command" the client keeps the rest
        code = word if word in _MEANINGS or (word.isupper() and word.isalpha()) else "ERR"
    if not code:
        return f"Redis does not answer ({type(error).__name__})"
    return f"Redis refuses ({code})" + (f": {_MEANINGS[code]}" if code in _MEANINGS else "")


def edited_fields(grant: Grant) -> list[object]:
    """The fields that an edit replaces, as pairs of name and value."""
    scope = grant.scope
    lapses = grant.session_hash is not None and grant.expires_at is not None
    fields = {
        "hash": grant.hash.hex(),
        "owner": str(grant.owner),
        "rule": grant.rule or "",
        "bucket": "" if scope is None else scope.bucket,
        "root": "" if scope is None else scope.root,
        "session": repr(grant.expires_at) if lapses else "",
        "document": document_of(grant),
    }
    return [word for pair in fields.items() for word in pair]


def grant_from(row: Sequence[bytes | None]) -> Grant | None:
    if row[0] is None:
        return None
    texts = [(value or b"").decode() for value in row]
    named = dict(zip(GrantRow._fields, texts, strict=True))
    revoked = named["revoked_at"] != ""
    return grant_of(
        GrantRow(
            id=named["id"],
            kind=named["kind"],
            hash=bytes.fromhex(named["hash"]),
            owner=named["owner"],
            issued_at=float(named["issued_at"]),
            serial=int(named["serial"]),
            version=int(named["version"]),
            revoked_at=float(named["revoked_at"]) if revoked else None,
            revoked_reason=named["revoked_reason"] if revoked else None,
            document=named["document"],
        )
    )


def entry_from(name: bytes, fields: dict[bytes, bytes]) -> FeedEntry:
    texts = {key.decode(): value.decode() for key, value in fields.items()}
    return FeedEntry(
        int(name.partition(b"-")[0]),
        FeedKind(texts["kind"]),
        texts["name"],
        texts["prefix"],
        float(texts["at"]),
        texts["reason"],
        texts["by"],
    )
