"""Owns what the errors of a Redis or Valkey server mean.

Refuses to own the wall at which they end (`server`).
"""

from __future__ import annotations

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

from gateway.certificate_fault import certificate_fault
from gateway.stores.url_fault import url_fault

_CLUSTER: Final = (
    "it is one node of a cluster, and the gateway's keys belong to another: name a server that is not in cluster mode"
)
_RIGHTS: Final = "the user of the URL lacks a right: it needs every command on keys that begin with {gateway}:"
_TOO_LITTLE: Final = (
    "it has to be Valkey, or Redis 6.2 or newer, with all commands and scripts; a Sentinel and most proxies lack them"
)
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
    "unknown": _TOO_LITTLE,
    "syntax": _TOO_LITTLE,
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
    if not code and (fault := certificate_fault(error) or url_fault(error, ValueError)) is not None:
        return f"Redis cannot be used: {fault}"
    if not code:
        return f"Redis does not answer ({type(error).__name__})"
    return f"Redis refuses ({code})" + (f": {_MEANINGS[code]}" if code in _MEANINGS else "")
