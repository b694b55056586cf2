"""Owns how grants and feed entries look in Redis, and what the server's errors mean.

Refuses to own connections (`gateway.stores.redis`). A field that is not set is an empty text.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis.exceptions import ResponseError

from gateway.core.grant import Grant
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind
from gateway.stores.codec import GrantRow, document_of, grant_of

__all__ = ["edited_fields", "entry_from", "explain", "grant_from"]


def explain(error: Exception) -> str:
    """What went wrong: the server's error code, never its text, which may quote values."""
    code = str(error).partition(" ")[0] if isinstance(error, ResponseError) else ""
    return f"Redis refuses ({code})" if code.isupper() else f"Redis does not answer ({type(error).__name__})"


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
