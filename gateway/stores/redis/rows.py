"""Owns how a stored hash of Redis is read as a grant.

Refuses to own keys and scripts (the stores beside it), and the form of a grant (`gateway.core.grant_codec`).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.grant import Grant
from gateway.core.grant_codec import GrantRow
from gateway.stores.codec import grant_of


def grant_from(row: Sequence[str | None]) -> Grant | None:
    """The grant of the fields of `GrantRow`; None where there is none. A field that is not set is an empty text."""
    if not row[0]:
        return None
    named = {name: value or "" for name, value in zip(GrantRow._fields, row, strict=True)}
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
