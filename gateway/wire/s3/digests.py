"""Owns the reading of the one checksum of a store's that says something to a person: SHA-256 of a whole object.

Refuses to own checksums of bodies on their way (`gateway.wire.sig.checksums`).
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping


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


def repr_digest(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The same as the field `Repr-Digest` (RFC 9530)."""
    known = whole_sha256(headers) is not None
    return (("Repr-Digest", f"sha-256=:{headers['x-amz-checksum-sha256']}:"),) if known else ()
