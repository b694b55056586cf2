"""Owns the reading of the one checksum of a store's that says something to a person: SHA-256 of a whole object.

Refuses to own checksums of bodies on their way (`gateway.wire.sig.checksums`).
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Final

_WEIGHTS: Final = frozenset(map(str, range(1, 11)))


def whole_sha256(headers: Mapping[str, str]) -> bytes | None:
    """The digest, if an answer's headers (names in small letters) have it; one of parts' digests is another thing."""
    given = headers.get("x-amz-checksum-sha256")
    if given is None or headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    try:
        digest = b64decode(given, validate=True)
    except (NotBase64, ValueError):
        return None
    return digest if len(digest) == 32 else None


def repr_digest(headers: Mapping[str, str], *, partial: bool = False) -> tuple[tuple[str, str], ...]:
    """The same as the field `Repr-Digest` (RFC 9530). That of a `partial` answer is of the whole object, too: it is
    told only where the store says so itself."""
    known = whole_sha256(headers) is not None and not (partial and "x-amz-checksum-type" not in headers)
    return (("Repr-Digest", f"sha-256=:{headers['x-amz-checksum-sha256']}:"),) if known else ()


def wants_digest(field: str | None) -> bool:
    """Whether a field `Want-Repr-Digest` prefers SHA-256 at all: 0 is how one says no."""
    if field is None:
        return False
    members = (member.partition("=") for member in field.lower().split(","))
    return any(name.strip() == "sha-256" and weight.strip() in _WEIGHTS for name, _, weight in members)
